/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_STACK_H
#define SLUICE_STACK_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel gives all functions of a program that are under way (MAX_BPF_STACK). */
#define STACK_MAX 512U

/*
 * The most stack that a program takes, bytes, as Linux 6.1 adds it up: that of each function
 * rounded up to 32. `log` is the verifier's, with what it says at log level 4 (BPF_LOG_STATS): the
 * stack of each function, "stack depth A+B+...", in their order in the program. 0: it does not say
 * so.
 */
uint32_t stack_deepest(const struct bpf_insn *instructions, size_t count, const char *log);

#endif
