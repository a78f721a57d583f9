/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_RECORD_TEE_H
#define SLUICE_RECORD_TEE_H

/* The native engine, whose every step is also written down (agent/recording.h). */
#include <stdio.h>

#include "engine.h"

extern const struct engine engine_tee;

/* Where pieces go from now on. */
void tee_to(FILE *file);

/* False: one could not be written. */
bool tee_good(void);

#endif
