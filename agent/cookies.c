/* SPDX-License-Identifier: Apache-2.0 */
#include "cookies.h"

#include <errno.h>
#include <string.h>

#include "cookie_keys.h"

_Static_assert(COOKIE_KEYS_MAX == LB_COOKIE_KEYS, "the file's keys are the data plane's");
_Static_assert(sizeof(struct cookie_key) == sizeof(struct lb_cookie_key), "likewise");

static bool is_key(const struct lb_cookie_key *key)
{
	return key->word[0] | key->word[1];
}

static bool same_key(const struct lb_cookie_key *a, const struct lb_cookie_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool cookies_have_key(const struct dataplane *dp)
{
	const struct lb_cookie_keys *keys = dp->cookie_keys;

	return is_key(&keys->key[keys->newest % LB_COOKIE_KEYS]);
}

/* Packets read them meanwhile: a key is whole before it makes cookies. */
static void put_keys(struct lb_cookie_keys *keys, const struct lb_cookie_key wanted[2])
{
	uint32_t newest = keys->newest % LB_COOKIE_KEYS;

	if (!same_key(&keys->key[newest], &wanted[0])) {
		newest = 1 - newest;
		if (!same_key(&keys->key[newest], &wanted[0]))
			keys->key[newest] = wanted[0];
		__atomic_store_n(&keys->newest, newest, __ATOMIC_RELEASE);
	}
	if (!same_key(&keys->key[1 - newest], &wanted[1]))
		keys->key[1 - newest] = wanted[1];
}

int cookies_load(struct dataplane *dp, const char *path, struct error *err)
{
	struct cookie_key keys[COOKIE_KEYS_MAX] = {0};
	struct lb_cookie_key wanted[LB_COOKIE_KEYS];
	size_t count;
	int ret = path[0] ? cookie_keys_read(path, keys, &count, err) : 0;

	if (ret)
		return ret;
	memcpy(wanted, keys, sizeof(wanted));
	put_keys(dp->cookie_keys, wanted);
	explicit_bzero(keys, sizeof(keys));
	explicit_bzero(wanted, sizeof(wanted));
	return 0;
}

int cookies_check(const struct dataplane *dp, const struct desired *next, struct error *err)
{
	size_t i;

	if (cookies_have_key(dp))
		return 0;
	for (i = 0; i < next->service_count; i++) {
		if (next->services[i].syn_cookies == COOKIES_OFF)
			continue;
		error_set(err, EINVAL,
			  "service %s: syn-cookies: lbagent has no key that its backends know, too",
			  next->services[i].name);
		error_hint(err, -EINVAL,
			   "give lbagent --cookie-key-file FILE, and, but for mode nat, lbnode");
		return error_field(err, -EINVAL, "syn-cookies");
	}
	return 0;
}

bool cookies_on(const struct dataplane *dp, const struct service_spec *service, uint64_t now)
{
	uint32_t until = __atomic_load_n(&dp->cookie_states[service->id].until, __ATOMIC_RELAXED);
	uint32_t left = until - dataplane_coarse(&dp->clock, now);

	if (service->syn_cookies == COOKIES_OFF || !cookies_have_key(dp))
		return false;
	return service->syn_cookies == COOKIES_ALWAYS || left - 1 < LB_COOKIE_TICKS;
}
