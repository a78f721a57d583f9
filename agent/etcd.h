/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ETCD_H
#define SLUICE_ETCD_H

/*
 * A client of etcd's v3 API by its JSON gateway, on the agent's loop. Requests go to one endpoint;
 * whoever finds that it does not answer goes on to the next one with etcd_next(). A user is logged
 * in when that is needed, and again when his token has expired.
 */
#include <uv.h>

#include "error.h"
#include "etcd_json.h"
#include "etcd_url.h"

struct etcd_config {
	struct etcd_url url;
	/* Paths of PEM files; "": the system's authorities, and no certificate of our own. */
	const char *ca, *cert, *key;
	const char *user_file; /* one line, USER:PASSWORD, a secret (secret.h); "": none */
};

struct etcd;

/* Takes a copy of all in config but the paths of PEM files. Reads the user file: -EINVAL, or as of
 * secret_read(). */
int etcd_new(uv_loop_t *loop, const struct etcd_config *config, struct etcd **ret_etcd,
	     struct error *err);

/* Ends everything, without callbacks; the loop must run once more to close handles. Not from within
 * a callback. NULL-safe. */
void etcd_free(struct etcd *etcd);

/*
 * ret 0: answer is there, and whoever takes of it what it owns leaves NULL. Otherwise err names the
 * endpoint and the reason:
 * -ECONNREFUSED: nothing was asked, for nobody was there; -EACCES: etcd refuses it; -ESTALE: it has
 * ended the watch; -EBADMSG: the answer is none; -EIO: whatever else, as a time-out. Then, and with
 * -EBADMSG, a commit may have been made or not.
 */
typedef void (*etcd_callback)(void *context, int ret, const struct etcd_answer *answer,
			      const struct error *err);

/* Each calls back once, later, and etcd_watch() for each change until it ends with ret < 0; or
 * never, after etcd_cancel(). Flags are of enum etcd_flag. -ENOMEM, and no callback. */
int etcd_get(struct etcd *etcd, const char *key, unsigned int flags, etcd_callback callback,
	     void *context);
int etcd_commit(struct etcd *etcd, const struct etcd_step *steps, size_t count,
		etcd_callback callback, void *context);
int etcd_watch(struct etcd *etcd, const char *key, unsigned int flags, uint64_t revision,
	       etcd_callback callback, void *context);

/* A lease by hand; etcd_lease.h has one that keeps itself alive. */
int etcd_grant(struct etcd *etcd, uint64_t ttl_s, etcd_callback callback, void *context);
int etcd_keep(struct etcd *etcd, uint64_t lease, etcd_callback callback, void *context);
/* It ends in its own time if this fails, so nobody is told. */
void etcd_revoke(struct etcd *etcd, uint64_t lease);

/* Ends all requests that have this callback and context. May be called from any callback. */
void etcd_cancel(struct etcd *etcd, etcd_callback callback, const void *context);

/* The endpoint that requests go to, and the next one. False: that was all of them. */
const char *etcd_endpoint(const struct etcd *etcd);
bool etcd_next(struct etcd *etcd);

#endif
