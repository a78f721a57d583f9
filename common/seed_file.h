/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SEED_FILE_H
#define SLUICE_SEED_FILE_H

/*
 * The file of the flow hash's seed, which all balancers of a fleet have alike: one line of 16
 * hexadecimal digits. Lines that begin with # do not count. It is a secret (secret.h): who knows it
 * can aim at a bucket of the flow table, or at a backend.
 */
#include <stdint.h>

#include "error.h"

/* -EINVAL: not one seed, or 0, which is none; else as of secret_read(). */
int seed_file_read(const char *path, uint64_t *ret_seed, struct error *err);

#endif
