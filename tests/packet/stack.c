/* SPDX-License-Identifier: Apache-2.0 */
#include "stack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTIONS_MAX 256U /* BPF_MAX_SUBPROGS in the kernel */
#define ROUNDED_TO    32U

struct program {
	const struct bpf_insn *instructions;
	size_t count;
	uint32_t functions;
	size_t begin[FUNCTIONS_MAX + 1]; /* of each, in their order; then the program's end */
	uint32_t depth[FUNCTIONS_MAX];
};

static bool is_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL;
}

static size_t called_by(const struct program *program, size_t at)
{
	return at + 1 + program->instructions[at].imm;
}

static int compare(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

static bool is_known(const struct program *program, size_t begin)
{
	uint32_t i;

	for (i = 0; i < program->functions; i++) {
		if (program->begin[i] == begin)
			return true;
	}
	return false;
}

static bool find_functions(struct program *program)
{
	size_t at, begin;

	program->functions = 1; /* the program itself, at 0 */
	for (at = 0; at < program->count; at++) {
		begin = is_call(&program->instructions[at]) ? called_by(program, at) : 0;
		if (is_known(program, begin))
			continue;
		if (program->functions == FUNCTIONS_MAX)
			return false;
		program->begin[program->functions++] = begin;
	}
	qsort(program->begin, program->functions, sizeof(program->begin[0]), compare);
	program->begin[program->functions] = program->count;
	return true;
}

static bool read_depths(struct program *program, const char *log)
{
	const char *at = strstr(log, "stack depth ");
	char *end;
	uint32_t i;

	if (!at)
		return false;
	at += strlen("stack depth ");
	for (i = 0; i < program->functions; i++) {
		program->depth[i] = strtoul(at, &end, 10);
		if (end == at || *end != (i + 1 < program->functions ? '+' : '\n'))
			return false;
		at = end + 1;
	}
	return true;
}

static uint32_t function_at(const struct program *program, size_t begin)
{
	uint32_t i = 0;

	while (program->begin[i] != begin)
		i++;
	return i;
}

/* There is no recursion in BPF. */
static uint32_t deepest(const struct program *program, uint32_t function)
{
	uint32_t own = program->depth[function] ? program->depth[function] : 1, most = 0, below;
	size_t at;

	for (at = program->begin[function]; at < program->begin[function + 1]; at++) {
		if (!is_call(&program->instructions[at]))
			continue;
		below = deepest(program, function_at(program, called_by(program, at)));
		most = below > most ? below : most;
	}
	return (own + ROUNDED_TO - 1) / ROUNDED_TO * ROUNDED_TO + most;
}

uint32_t stack_deepest(const struct bpf_insn *instructions, size_t count, const char *log)
{
	struct program program = {.instructions = instructions, .count = count};

	if (!find_functions(&program) || !read_depths(&program, log))
		return 0;
	return deepest(&program, 0);
}
