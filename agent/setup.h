/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SETUP_H
#define SLUICE_SETUP_H

/* From flags and files to what the agent is started with; for main.c and preflight.c. */
#include "dataplane_bpf.h"
#include "desired.h"
#include "options.h"

/* A store_accept; context is a struct desired **. */
int setup_accept_state(void *context, const char *text, size_t length, struct error *err);

/* The flow hash's seed: that of --seed-file, or else the state's, which *seed is. */
int setup_seed(const struct options *options, uint64_t *seed, struct error *err);

/* *ret_config points into options. Asks the kernel for the interfaces' MTU. */
int setup_dataplane(const struct options *options, uint64_t seed,
		    struct dataplane_bpf_config *ret_config, struct error *err);

#endif
