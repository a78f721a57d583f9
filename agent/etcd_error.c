/* SPDX-License-Identifier: Apache-2.0 */
#include "etcd_error.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

int etcd_error_commit(int ret, const struct error *reason, const char *hint, struct error *err)
{
	bool certain = ret == -ECONNREFUSED || ret == -EACCES;

	error_set(err, EAGAIN, "%s; %s",
		  certain ? "nothing has changed" : "nobody knows whether it has been taken",
		  reason->message);
	error_hint(err, 0, "%s", certain ? reason->hint : hint);
	return ret == -EACCES ? -EACCES : -EAGAIN;
}

void etcd_error_grant(struct error *err, int ret, const char *key, const char *tail)
{
	if (ret == -EACCES && !err->hint[0])
		error_hint(err, ret,
			   "for --store-user-file: "
			   "etcdctl role grant-permission ROLE readwrite %.*s --prefix",
			   (int)(strlen(key) - strlen(tail)), key);
}
