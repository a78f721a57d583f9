/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ETCD_ERROR_H
#define SLUICE_ETCD_ERROR_H

/* What people are told of what etcd has not done. ret and reason are as of etcd_callback. */
#include "error.h"

/* A change was not committed, or nobody knows: then `hint` says who does. Returns -EACCES, or
 * -EAGAIN. */
int etcd_error_commit(int ret, const struct error *reason, const char *hint, struct error *err);

/* A user may not use key: what to grant, which is all that begins as key does, down to its last
 * `tail`. A hint that is there stays. */
void etcd_error_grant(struct error *err, int ret, const char *key, const char *tail);

#endif
