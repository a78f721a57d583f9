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

struct etcd_answer {
	bool done;          /* of a put: the compare held, and the value is there */
	struct etcd_kv *kv; /* whoever takes its text sets that NULL */
};

/*
 * ret 0: answer is there. Otherwise err names the endpoint and the reason:
 * -ECONNREFUSED: nothing was asked, for nobody was there; -EACCES: etcd refuses it; -ESTALE: it has
 * ended the watch; -EBADMSG: the answer is none; -EIO: whatever else, as a time-out. Then, and with
 * -EBADMSG, a put may have been done or not.
 */
typedef void (*etcd_callback)(void *context, int ret, const struct etcd_answer *answer,
			      const struct error *err);

/* Each calls back once, later, and etcd_watch() for each change until it ends with ret < 0; or
 * never, after etcd_cancel(). -ENOMEM, and no callback. */
int etcd_get(struct etcd *etcd, const char *key, bool without_value, etcd_callback callback,
	     void *context);
int etcd_put(struct etcd *etcd, const char *key, const char *value, uint64_t mod_revision,
	     etcd_callback callback, void *context);
int etcd_watch(struct etcd *etcd, const char *key, uint64_t revision, etcd_callback callback,
	       void *context);

/* Ends all requests that have this callback. May be called from any callback. */
void etcd_cancel(struct etcd *etcd, etcd_callback callback);

/* The endpoint that requests go to, and the next one. False: that was all of them. */
const char *etcd_endpoint(const struct etcd *etcd);
bool etcd_next(struct etcd *etcd);

#endif
