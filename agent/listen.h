/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LISTEN_H
#define SLUICE_LISTEN_H

/* The sockets that the API listens on. They do not block, and no child inherits them. */
#include "error.h"
#include "parse.h"

/* Mode 0660; group as given, if there is such a group and we may give it the file. -EADDRINUSE:
 * another agent answers at path; a dead one's file is replaced. */
int listen_unix(const char *path, const char *group, int *ret_fd, struct error *err);

int listen_tcp(const struct endpoint *endpoint, int *ret_fd, struct error *err);

#endif
