/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_WIPE_H
#define SLUICE_WIPE_H

#include <string.h>

#define WIPE_PAGE 4096

/* Makes the memory all zero, and writes only to pages that are not: the maps are megabytes, and one
 * packet touches some cache lines of them. */
static inline void wipe(void *memory, size_t size)
{
	static const char zeros[WIPE_PAGE];
	char *at = memory;
	size_t n;

	for (; size; at += n, size -= n) {
		n = size < WIPE_PAGE ? size : WIPE_PAGE;
		if (memcmp(at, zeros, n) != 0)
			memset(at, 0, n);
	}
}

#endif
