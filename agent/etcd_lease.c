/* SPDX-License-Identifier: Apache-2.0 */
#include "etcd_lease.h"

#include <errno.h>
#include <stdlib.h>

#define AGAIN_MS 250ULL /* after etcd has not answered */

struct etcd_lease {
	uv_loop_t *loop;
	struct etcd *etcd;
	etcd_lease_callback callback;
	void *context;
	uv_timer_t beat;
	uint64_t ttl_s;
	uint64_t id;       /* 0: none */
	uint64_t sent_ms;  /* loop time of the last request: its answer counts from there */
	uint64_t until_ms; /* loop time until which it lives for certain */
};

static void on_granted(void *context, int ret, const struct etcd_answer *answer,
		       const struct error *err);
static void on_kept(void *context, int ret, const struct etcd_answer *answer,
		    const struct error *err);

static void end(struct etcd_lease *lease, int ret, const struct error *err)
{
	uv_timer_stop(&lease->beat);
	lease->id = 0;
	lease->callback(lease->context, ret, err);
}

static void on_expired(uv_timer_t *timer)
{
	struct etcd_lease *lease = timer->data;
	struct error err;

	etcd_cancel(lease->etcd, on_kept, lease);
	error_set(&err, EIO, "etcd at %s has not answered for as long as the lease lives",
		  etcd_endpoint(lease->etcd));
	end(lease, -EIO, &err);
}

static void ask(uv_timer_t *timer)
{
	struct etcd_lease *lease = timer->data;
	struct error err;
	int ret;

	lease->sent_ms = uv_now(lease->loop);
	if (lease->id)
		uv_timer_start(timer, on_expired, lease->until_ms - lease->sent_ms, 0);
	ret = lease->id ? etcd_keep(lease->etcd, lease->id, on_kept, lease)
			: etcd_grant(lease->etcd, lease->ttl_s, on_granted, lease);
	if (ret)
		end(lease, error_set(&err, EIO, "out of memory"), &err);
}

static void note_life(struct etcd_lease *lease, uint64_t ttl_s)
{
	lease->until_ms = lease->sent_ms + ttl_s * 1000;
	uv_timer_start(&lease->beat, ask, ttl_s * 1000 / 3, 0);
}

static void on_granted(void *context, int ret, const struct etcd_answer *answer,
		       const struct error *err)
{
	struct etcd_lease *lease = context;

	if (ret) {
		end(lease, ret, err);
		return;
	}
	lease->id = answer->lease;
	note_life(lease, answer->ttl_s);
	lease->callback(lease->context, 0, NULL);
}

/* Etcd that does not answer may do so in time, by another endpoint as well. */
static void on_kept(void *context, int ret, const struct etcd_answer *answer,
		    const struct error *err)
{
	struct etcd_lease *lease = context;
	struct error gone;

	if (ret == 0 && answer->ttl_s)
		note_life(lease, answer->ttl_s);
	else if (ret == 0)
		end(lease, error_set(&gone, ESTALE, "etcd has ended the lease"), &gone);
	else if (uv_now(lease->loop) + AGAIN_MS < lease->until_ms)
		uv_timer_start(&lease->beat, ask, AGAIN_MS, 0);
	else
		end(lease, ret, err);
}

struct etcd_lease *etcd_lease_new(uv_loop_t *loop, struct etcd *etcd, uint64_t ttl_s,
				  etcd_lease_callback callback, void *context)
{
	struct etcd_lease *lease = calloc(1, sizeof(*lease));

	if (!lease)
		return NULL;
	lease->loop = loop;
	lease->etcd = etcd;
	lease->ttl_s = ttl_s;
	lease->callback = callback;
	lease->context = context;
	uv_timer_init(loop, &lease->beat);
	lease->beat.data = lease;
	uv_timer_start(&lease->beat, ask, 0, 0);
	return lease;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void etcd_lease_free(struct etcd_lease *lease)
{
	if (!lease)
		return;
	etcd_cancel(lease->etcd, on_granted, lease);
	etcd_cancel(lease->etcd, on_kept, lease);
	if (lease->id)
		etcd_revoke(lease->etcd, lease->id);
	uv_close((uv_handle_t *)&lease->beat, on_closed);
}

uint64_t etcd_lease_id(const struct etcd_lease *lease)
{
	return lease ? lease->id : 0;
}
