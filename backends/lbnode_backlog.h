/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_BACKLOG_H
#define SLUICE_LBNODE_BACKLOG_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* How full the fullest listen queue of these TCP ports is, 0 to 1 and a little more; 0 if nobody
 * listens there. Negative errno, with err filled, if the kernel does not say. */
int backlog_read(const uint64_t *ports, size_t count, double *ret_fullest, struct error *err);

#endif
