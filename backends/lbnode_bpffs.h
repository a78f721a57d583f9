/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_BPFFS_H
#define SLUICE_LBNODE_BPFFS_H

/* Pins, and what loading programs has in common. */
#include <linux/limits.h>

#include "error.h"

/* Makes the directory. -ENODEV: it is not in a bpffs. */
int bpffs_make(const char *directory, struct error *err);

int bpffs_pin(int fd, const char *directory, const char *name, struct error *err);
void bpffs_unpin(const char *directory, const char *name);

/* Returns a descriptor or a negative errno. */
int bpffs_open(const char *directory, const char *name);

/* Keeps the first of libbpf's warnings from now on: they say what an error code cannot. */
void bpffs_keep_warnings(void);
const char *bpffs_warning(void);

/* Where PROGRAM.bpf.o is: beside this program's build, or where `make install` put it. */
const char *bpffs_object(const char *program, char buffer[PATH_MAX]);

#endif
