/* SPDX-License-Identifier: Apache-2.0 */
#include "interpreter.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 8 /* MAX_CALL_FRAMES in the kernel */
#define STACK_SIZE 512
#define SAVED      4 /* registers 6 to 9 */

struct machine {
	const struct interpreter *interpreter;
	uint64_t registers[11];
	const struct bpf_insn *at;
	uint32_t depth;
	struct {
		uint64_t saved[SAVED];
		const struct bpf_insn *back;
	} frames[FRAMES_MAX];
	_Alignas(64) uint8_t stack[FRAMES_MAX][STACK_SIZE];
};

/* Verified instructions that clang did not make at the time when this was written. */
static _Noreturn void unknown(const struct bpf_insn *insn)
{
	fprintf(stderr, "interpreter: instruction 0x%02x, offset %d, immediate 0x%x\n", insn->code,
		insn->off, (unsigned int)insn->imm);
	abort();
}

/* --- numbers --- */

static uint64_t divide(uint64_t a, uint64_t b)
{
	return b ? a / b : 0;
}

static uint64_t remainder_of(uint64_t a, uint64_t b)
{
	return b ? a % b : a;
}

/* Of 32 bits the upper ones are 0 before, and are cut off behind. */
static uint64_t calculate(const struct bpf_insn *insn, uint64_t a, uint64_t b)
{
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	uint32_t shift = b & (wide ? 63 : 31);

	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return divide(a, b);
	case BPF_MOD:
		return remainder_of(a, b);
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << shift;
	case BPF_RSH:
		return a >> shift;
	case BPF_ARSH:
		return wide ? (uint64_t)((int64_t)a >> shift) : (uint64_t)((int32_t)a >> shift);
	case BPF_NEG:
		return -a;
	case BPF_MOV:
		return b;
	}
	unknown(insn);
}

static uint64_t swap(const struct bpf_insn *insn, uint64_t value)
{
	bool big = BPF_SRC(insn->code) == BPF_TO_BE;

	switch (insn->imm) {
	case 16:
		return big ? htobe16((uint16_t)value) : htole16((uint16_t)value);
	case 32:
		return big ? htobe32((uint32_t)value) : htole32((uint32_t)value);
	case 64:
		return big ? htobe64(value) : htole64(value);
	}
	unknown(insn);
}

static uint64_t source(const struct machine *machine, const struct bpf_insn *insn)
{
	if (BPF_SRC(insn->code) == BPF_X)
		return machine->registers[insn->src_reg];
	return (uint64_t)(int64_t)insn->imm;
}

static void run_alu(struct machine *machine, const struct bpf_insn *insn)
{
	uint64_t *to = &machine->registers[insn->dst_reg], from = source(machine, insn);

	if (insn->off)
		unknown(insn); /* signed ones of instruction set 4 */
	if (BPF_OP(insn->code) == BPF_END)
		*to = swap(insn, *to);
	else if (BPF_CLASS(insn->code) == BPF_ALU64)
		*to = calculate(insn, *to, from);
	else
		*to = (uint32_t)calculate(insn, (uint32_t)*to, (uint32_t)from);
}

/* --- memory --- */

static void *place(uint64_t address)
{
	return (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

static uint32_t size_of(const struct bpf_insn *insn)
{
	switch (BPF_SIZE(insn->code)) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	case BPF_W:
		return 4;
	}
	return 8;
}

static void touch(const struct machine *machine, uint64_t address, uint32_t size, bool write)
{
	uint64_t stack = (uintptr_t)machine->stack;

	if (address < stack || address >= stack + sizeof(machine->stack))
		machine->interpreter->touch(address, size, write);
}

static uint64_t load(uint64_t address, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, place(address), size); /* little-endian, as all that Sluice runs on */
	return value;
}

static void store(uint64_t address, uint64_t value, uint32_t size)
{
	memcpy(place(address), &value, size);
}

/* Returns what is there then. *kept: what it was, for the register that is to have it. */
static uint64_t change(const struct machine *machine, const struct bpf_insn *insn, uint64_t was)
{
	uint64_t value = machine->registers[insn->src_reg];

	switch (insn->imm & ~BPF_FETCH) {
	case BPF_ADD:
		return was + value;
	case BPF_OR:
		return was | value;
	case BPF_AND:
		return was & value;
	case BPF_XOR:
		return was ^ value;
	case BPF_XCHG & ~BPF_FETCH:
		return value;
	case BPF_CMPXCHG & ~BPF_FETCH:
		return was == machine->registers[BPF_REG_0] ? value : was;
	}
	unknown(insn);
}

static void run_atomic(struct machine *machine, const struct bpf_insn *insn)
{
	uint64_t address = machine->registers[insn->dst_reg] + insn->off;
	uint32_t size = size_of(insn);
	uint64_t was = load(address, size);

	touch(machine, address, size, true);
	store(address, change(machine, insn, was), size);
	if (insn->imm == BPF_CMPXCHG)
		machine->registers[BPF_REG_0] = was;
	else if (insn->imm & BPF_FETCH)
		machine->registers[insn->src_reg] = was;
}

static void run_load(struct machine *machine, const struct bpf_insn *insn)
{
	uint64_t address = machine->registers[insn->src_reg] + insn->off;

	if (BPF_MODE(insn->code) != BPF_MEM)
		unknown(insn);
	touch(machine, address, size_of(insn), false);
	machine->registers[insn->dst_reg] = load(address, size_of(insn));
}

static void run_store(struct machine *machine, const struct bpf_insn *insn)
{
	uint64_t address = machine->registers[insn->dst_reg] + insn->off;

	if (BPF_MODE(insn->code) == BPF_ATOMIC) {
		run_atomic(machine, insn);
		return;
	}
	touch(machine, address, size_of(insn), true);
	store(address,
	      BPF_CLASS(insn->code) == BPF_ST ? (uint64_t)(int64_t)insn->imm
					      : machine->registers[insn->src_reg],
	      size_of(insn));
}

/* --- ways --- */

static bool compare(const struct bpf_insn *insn, uint64_t a, uint64_t b, int64_t a_signed,
		    int64_t b_signed)
{
	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return true;
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JSET:
		return a & b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSGT:
		return a_signed > b_signed;
	case BPF_JSGE:
		return a_signed >= b_signed;
	case BPF_JSLT:
		return a_signed < b_signed;
	case BPF_JSLE:
		return a_signed <= b_signed;
	}
	unknown(insn);
}

static void call(struct machine *machine, const struct bpf_insn *insn)
{
	if (insn->src_reg == 0) {
		machine->registers[BPF_REG_0] =
			machine->interpreter->call(insn->imm, &machine->registers[BPF_REG_1]);
		return;
	}
	if (insn->src_reg != BPF_PSEUDO_CALL || machine->depth + 1 == FRAMES_MAX)
		unknown(insn);
	memcpy(machine->frames[machine->depth].saved, &machine->registers[BPF_REG_6],
	       sizeof(machine->frames[machine->depth].saved));
	machine->frames[machine->depth++].back = machine->at;
	machine->registers[BPF_REG_10] = (uintptr_t)(machine->stack[machine->depth] + STACK_SIZE);
	machine->at += insn->imm;
}

/* False: it was the last one. */
static bool leave(struct machine *machine)
{
	if (machine->depth == 0)
		return false;
	machine->at = machine->frames[--machine->depth].back;
	memcpy(&machine->registers[BPF_REG_6], machine->frames[machine->depth].saved,
	       sizeof(machine->frames[machine->depth].saved));
	machine->registers[BPF_REG_10] = (uintptr_t)(machine->stack[machine->depth] + STACK_SIZE);
	return true;
}

static bool run_jump(struct machine *machine, const struct bpf_insn *insn)
{
	uint64_t a = machine->registers[insn->dst_reg], b = source(machine, insn);
	bool wide = BPF_CLASS(insn->code) == BPF_JMP;

	if (wide && BPF_OP(insn->code) == BPF_EXIT)
		return leave(machine);
	if (wide && BPF_OP(insn->code) == BPF_CALL)
		call(machine, insn);
	else if (wide ? compare(insn, a, b, (int64_t)a, (int64_t)b)
		      : compare(insn, (uint32_t)a, (uint32_t)b, (int32_t)a, (int32_t)b))
		machine->at += insn->off;
	return true;
}

static bool step(struct machine *machine)
{
	const struct bpf_insn *insn = machine->at++;

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		run_alu(machine, insn);
		return true;
	case BPF_LD:
		if (insn->code != (BPF_LD | BPF_IMM | BPF_DW))
			unknown(insn);
		machine->registers[insn->dst_reg] =
			(uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32;
		machine->at++;
		return true;
	case BPF_LDX:
		run_load(machine, insn);
		return true;
	case BPF_ST:
	case BPF_STX:
		run_store(machine, insn);
		return true;
	}
	return run_jump(machine, insn);
}

uint64_t interpret(const struct interpreter *interpreter, uint64_t context, uint32_t *ret_executed)
{
	struct machine machine = {.interpreter = interpreter, .at = interpreter->instructions};
	uint32_t executed = 1;

	machine.registers[BPF_REG_1] = context;
	machine.registers[BPF_REG_10] = (uintptr_t)(machine.stack[0] + STACK_SIZE);
	while (step(&machine))
		executed++;
	*ret_executed = executed;
	return machine.registers[BPF_REG_0];
}
