/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_COOKIE_KEYS_H
#define SLUICE_COOKIE_KEYS_H

/*
 * The keys of SYN cookies, as balancers and backends read them from a file: a line each, 32
 * hexadecimal digits. Cookies are made by the first, and good by any. Lines that begin with # do
 * not count.
 */
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define COOKIE_KEYS_MAX 2 /* LB_COOKIE_KEYS of bpf/abi.h */

struct cookie_key {
	uint64_t word[2]; /* bytes as they are written */
};

/* Reads the file. -EPERM as secret_read(); -EINVAL: a line is no key, or there are too many;
 * -ENODATA: there is none. *ret_count is from 1 to COOKIE_KEYS_MAX. */
int cookie_keys_read(const char *path, struct cookie_key ret_keys[COOKIE_KEYS_MAX],
		     size_t *ret_count, struct error *err);

#endif
