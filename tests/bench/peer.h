/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_PEER_H
#define SLUICE_BENCH_PEER_H

/* usual.bpf.c beside the program under test, with maps of the same size and filling. */
#include <stdbool.h>

#include "scenario.h"

int peer_open(struct error *err);
void peer_close(void);

int peer_program(void);

/* How many flows it knows at most, by the one CPU that it runs on. */
uint32_t peer_flows(void);

/* Forgets all flows. */
int peer_empty(struct error *err);

/* Does it take the scenario's packets? */
bool peer_takes(const struct scenario *scenario);

#endif
