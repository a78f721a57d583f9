/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FAULT_H
#define SLUICE_FAULT_H

/*
 * What fault.c, inside a program, and control.c, outside, share: a mapped file. A site is a place
 * of the program from which, directly or through a library, something is asked of the system that
 * can be refused.
 */
#include <stdint.h>

#define FAULT_SITES_MAX 8192

/* Each is refused by the errno behind it. */
#define FAULT_KINDS(X)                                                                             \
	X(MEMORY, "memory", ENOMEM)                                                                \
	X(MAP, "map", ENOMEM)                                                                      \
	X(BPF, "bpf", ENOMEM)                                                                      \
	X(NETLINK, "netlink", ENOBUFS)                                                             \
	X(WRITE, "write", ENOSPC)                                                                  \
	X(SYNC, "sync", EIO)                                                                       \
	X(OPEN, "open", EMFILE)                                                                    \
	X(RENAME, "rename", EIO)                                                                   \
	X(SOCKET, "socket", EMFILE)

#define FAULT_KIND_ENUM(id, word, error) FAULT_##id,
enum fault_kind { FAULT_KINDS(FAULT_KIND_ENUM) FAULT_KIND_COUNT };

struct fault_site {
	uint32_t kind;
	uint32_t place; /* bytes from the program's beginning, behind the call */
	uint32_t calls; /* since they were set to 0 */
};

struct fault_control {
	uint32_t armed;    /* the site whose next call fails, and 1; 0: none */
	uint32_t failures; /* calls that failed, since it was set to 0 */
	uint32_t count;    /* of sites */
	uint32_t pad;
	struct fault_site sites[FAULT_SITES_MAX];
};

#endif
