/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_INTERPRETER_H
#define SLUICE_PACKET_INTERPRETER_H

/*
 * Runs BPF instructions one by one (RFC 9669, conformance group atomic64, and BPF-to-BPF calls), so
 * that what a packet costs can be counted. They have to have passed the kernel's verifier: nothing
 * is checked here.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interpreter {
	const struct bpf_insn *instructions; /* 64-bit immediates are plain numbers */
	/* A helper by its number (enum bpf_func_id), with the registers 1 to 5. */
	uint64_t (*call)(int32_t helper, const uint64_t arguments[5]);
	/* Told of every access to memory that is not the stack. */
	void (*touch)(uint64_t address, uint32_t size, bool write);
};

/* From the first instruction to the exit. Returns register 0, and how many were executed. */
uint64_t interpret(const struct interpreter *interpreter, uint64_t context, uint32_t *ret_executed);

#endif
