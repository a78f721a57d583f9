/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FUZZ_H
#define SLUICE_FUZZ_H

/*
 * What libFuzzer calls, and how a target says that something is wrong. An input means the same
 * whenever and after whatever it runs: each begins with everything made anew.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the target, which keeps the input that did it. */
#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
