/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "fake_etcd_lease.h"

static struct fake_lease {
	etcd_lease_callback callback; /* NULL: nobody has asked for one */
	void *context;
	uint64_t ttl_s, id;
} lease;

/* --- for tests --- */

bool fake_lease_wanted(void)
{
	return lease.callback;
}

uint64_t fake_lease_ttl(void)
{
	return lease.ttl_s;
}

void fake_lease_grant(uint64_t id)
{
	assert_non_null(lease.callback);
	lease.id = id;
	lease.callback(lease.context, 0, NULL);
}

void fake_lease_lose(void)
{
	const struct error gone = {.message = "etcd has ended the lease"};

	assert_non_null(lease.callback);
	lease.id = 0;
	lease.callback(lease.context, -ESTALE, &gone);
}

/* --- etcd_lease.h --- */

struct etcd_lease *etcd_lease_new(uv_loop_t *loop, struct etcd *etcd, uint64_t ttl_s,
				  etcd_lease_callback callback, void *context)
{
	(void)loop;
	(void)etcd;
	lease = (struct fake_lease){.callback = callback, .context = context, .ttl_s = ttl_s};
	return (struct etcd_lease *)&lease;
}

void etcd_lease_free(struct etcd_lease *one)
{
	(void)one;
	lease = (struct fake_lease){0};
}

uint64_t etcd_lease_id(const struct etcd_lease *one)
{
	return one ? lease.id : 0;
}
