/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet_roster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd_error.h"
#include "etcd_lease.h"

#define LOOK_MS  1000
#define HURRY_MS 200

struct fleet_roster {
	uv_loop_t *loop;
	struct etcd *etcd;
	char prefix[ETCD_PREFIX_MAX + 16]; /* "PREFIX/balancers/" */
	char id[BALANCER_ID_MAX];
	roster_describe describe;
	void *context;
	uv_timer_t look;
	bool connected, hurry;
	struct etcd_lease *lease;   /* NULL: to be asked for */
	char *told;                 /* what etcd has of this balancer; NULL: nothing */
	char *telling;              /* on its way; NULL: nothing is */
	bool watching;              /* or about to */
	bool current;               /* what follows is what etcd has */
	struct balancer *balancers; /* sorted */
	size_t count, room;
	struct error problem;
};

/* --- others --- */

static int compare(const void *a, const void *b)
{
	const struct balancer *one = a, *other = b;

	return strcmp(one->id, other->id);
}

static struct balancer *find(const struct fleet_roster *roster, const char *id)
{
	struct balancer wanted = {0};

	snprintf(wanted.id, sizeof(wanted.id), "%s", id);
	return roster->count
		       ? bsearch(&wanted, roster->balancers, roster->count, sizeof(wanted), compare)
		       : NULL;
}

static void drop(struct fleet_roster *roster, const char *id)
{
	struct balancer *balancer = find(roster, id);

	if (balancer) {
		*balancer = roster->balancers[--roster->count];
		qsort(roster->balancers, roster->count, sizeof(*balancer), compare);
	}
	if (strcmp(id, roster->id) == 0) { /* somebody has taken it away: it is put back */
		free(roster->told);
		roster->told = NULL;
	}
}

/* One that cannot be read is none; nor is one that there is no memory for. */
static void take(struct fleet_roster *roster, const char *id, const struct etcd_kv *kv)
{
	struct balancer balancer, *place = find(roster, id);
	struct error ignored;

	if (balancer_read(id, kv->text ?: "", kv->length, &balancer, &ignored)) {
		drop(roster, id);
		return;
	}
	if (place) {
		*place = balancer;
		return;
	}
	if (roster->count == roster->room) {
		size_t room = roster->room ? 2 * roster->room : 16;

		place = reallocarray(roster->balancers, room, sizeof(*place));
		if (!place)
			return;
		roster->balancers = place;
		roster->room = room;
	}
	roster->balancers[roster->count++] = balancer;
	qsort(roster->balancers, roster->count, sizeof(balancer), compare);
}

static void take_all(struct fleet_roster *roster, const struct etcd_answer *answer)
{
	size_t prefix = strlen(roster->prefix);

	for (size_t i = 0; i < answer->count; i++) {
		const struct etcd_kv *kv = &answer->kvs[i];
		const char *id = kv->key + prefix;

		if (strlen(kv->key) <= prefix || strlen(id) >= BALANCER_ID_MAX)
			continue;
		if (kv->mod_revision)
			take(roster, id, kv);
		else
			drop(roster, id);
	}
}

/* --- asking etcd --- */

/* It is tried again with the next look. */
static void note_problem(struct fleet_roster *roster, int ret, const struct error *err)
{
	roster->problem = *err;
	etcd_error_grant(&roster->problem, ret, roster->prefix, "balancers/");
}

static void on_change(void *context, int ret, const struct etcd_answer *answer,
		      const struct error *err)
{
	struct fleet_roster *roster = context;

	if (ret == 0) {
		take_all(roster, answer);
		return;
	}
	roster->watching = roster->current = false;
	note_problem(roster, ret, err);
}

static void on_get(void *context, int ret, const struct etcd_answer *answer,
		   const struct error *err)
{
	struct fleet_roster *roster = context;

	roster->watching = ret == 0 && etcd_watch(roster->etcd, roster->prefix, ETCD_PREFIX,
						  answer->revision + 1, on_change, roster) == 0;
	roster->current = roster->watching;
	if (ret) {
		note_problem(roster, ret, err);
		return;
	}
	roster->count = 0;
	take_all(roster, answer);
	roster->problem = (struct error){0};
}

static void on_lease(void *context, int ret, const struct error *err)
{
	struct fleet_roster *roster = context;

	if (ret == 0) {
		fleet_roster_tell(roster);
		return;
	}
	note_problem(roster, ret, err);
	etcd_lease_free(roster->lease);
	roster->lease = NULL;
	free(roster->told);
	roster->told = NULL;
}

/* --- telling --- */

static void on_told(void *context, int ret, const struct etcd_answer *answer,
		    const struct error *err)
{
	struct fleet_roster *roster = context;

	(void)answer;
	free(roster->told);
	roster->told = ret ? NULL : roster->telling;
	if (ret) {
		free(roster->telling);
		note_problem(roster, ret, err);
	}
	roster->telling = NULL;
}

void fleet_roster_tell(struct fleet_roster *roster)
{
	struct etcd_step step = {.what = ETCD_PUT, .lease = fleet_roster_lease(roster)};
	char key[sizeof(roster->prefix) + BALANCER_ID_MAX];
	struct balancer balancer = {0};
	char *text;

	if (!roster->connected || !step.lease || roster->telling)
		return;
	roster->describe(roster->context, &balancer);
	text = balancer_write(&balancer);
	if (!text || (roster->told && strcmp(roster->told, text) == 0)) {
		free(text);
		return;
	}
	snprintf(key, sizeof(key), "%s%s", roster->prefix, roster->id);
	step.key = key;
	step.value = text;
	if (etcd_commit(roster->etcd, &step, 1, on_told, roster))
		free(text);
	else
		roster->telling = text;
}

static void on_look(uv_timer_t *timer)
{
	struct fleet_roster *roster = timer->data;

	if (!roster->connected)
		return;
	if (!roster->lease)
		roster->lease =
			etcd_lease_new(roster->loop, roster->etcd, FLEET_LEASE_S, on_lease, roster);
	if (!roster->watching)
		roster->watching =
			etcd_get(roster->etcd, roster->prefix, ETCD_PREFIX, on_get, roster) == 0;
	fleet_roster_tell(roster);
}

/* --- the roster --- */

static void stop_asking(struct fleet_roster *roster)
{
	etcd_cancel(roster->etcd, on_get, roster);
	etcd_cancel(roster->etcd, on_change, roster);
	etcd_cancel(roster->etcd, on_told, roster);
	free(roster->telling);
	free(roster->told); /* nobody knows whether it has been */
	roster->telling = roster->told = NULL;
	roster->watching = roster->current = false;
}

void fleet_roster_connect(struct fleet_roster *roster, bool connected)
{
	if (roster->connected == connected)
		return;
	roster->connected = connected;
	if (connected)
		on_look(&roster->look);
	else
		stop_asking(roster);
}

void fleet_roster_hurry(struct fleet_roster *roster, bool hurry)
{
	uint64_t ms = hurry ? HURRY_MS : LOOK_MS;

	if (roster->hurry == hurry)
		return;
	roster->hurry = hurry;
	uv_timer_start(&roster->look, on_look, ms, ms);
}

uint64_t fleet_roster_lease(const struct fleet_roster *roster)
{
	return etcd_lease_id(roster->lease);
}

bool fleet_roster_current(const struct fleet_roster *roster)
{
	return roster->current && find(roster, roster->id);
}

const struct balancer *fleet_roster_balancers(const struct fleet_roster *roster, size_t *ret_count)
{
	*ret_count = roster->count;
	return roster->balancers;
}

const struct error *fleet_roster_problem(const struct fleet_roster *roster)
{
	return &roster->problem;
}

struct fleet_roster *fleet_roster_new(uv_loop_t *loop, struct etcd *etcd, const char *prefix,
				      const char *id, roster_describe describe, void *context)
{
	struct fleet_roster *roster = calloc(1, sizeof(*roster));

	if (!roster)
		return NULL;
	roster->loop = loop;
	roster->etcd = etcd;
	roster->describe = describe;
	roster->context = context;
	snprintf(roster->prefix, sizeof(roster->prefix), "%s/balancers/", prefix);
	snprintf(roster->id, sizeof(roster->id), "%s", id);
	uv_timer_init(loop, &roster->look);
	roster->look.data = roster;
	uv_timer_start(&roster->look, on_look, LOOK_MS, LOOK_MS);
	return roster;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void fleet_roster_free(struct fleet_roster *roster)
{
	if (!roster)
		return;
	stop_asking(roster);
	etcd_lease_free(roster->lease);
	free(roster->balancers);
	uv_close((uv_handle_t *)&roster->look, on_closed);
}
