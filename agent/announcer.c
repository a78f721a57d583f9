/* SPDX-License-Identifier: Apache-2.0 */
#include "announcer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "announce_note.h"
#include "clock.h"
#include "log.h"
#include "rtnl.h"

/* How often the table is read: what somebody has taken away is put back. */
#define REREAD_MS 5000
/* What could not be done is tried again. */
#define RETRY_MS  1000
/* After a start, what was announced stays so: ways and first checks are still being asked for. */
#define SETTLE_MS 3000
/* Of one look; the rest is one event. */
#define TOLD_MAX  16

#define SERVICE_IDS (UINT16_MAX + 1)

struct entry {
	struct prefix prefix;
	const char *service; /* the first that has it; into the desired state of this look */
	struct announcement past;
	bool adopted; /* found at the start, and not withdrawn since */
	bool routed;  /* in the table, as far as is known */
	bool seen;    /* at the last reading of it */
	bool fit;     /* scratch of a look, as the next */
	bool served;  /* by a service that is healthy enough */
	int refused;  /* why the kernel would not do it; a positive errno, 0: it would */
	uint64_t since_ms;
	char reason[ANNOUNCE_REASON_MAX];
};

struct announcer {
	struct events *events;
	struct rtnl *rtnl;
	uint32_t table;
	struct entry *entries; /* by prefix */
	size_t count;
	bool *proved;        /* [service index]: it has been healthy enough */
	uint64_t generation; /* of the desired state that entries and proved are of */
	bool known;          /* entries are of any */
	uint64_t settled_at;
	uint64_t reread_at, look_at;
	unsigned int announced, withdrawn; /* in this look */
};

/* --- prefixes --- */

struct prefix announce_prefix(const struct vip *vip)
{
	const struct address *address = &vip->endpoint.address;

	return (struct prefix){*address, (uint8_t)(address_bits(address) - vip->host_bits)};
}

static int compare(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	int order =
		memcmp(&left->prefix.address, &right->prefix.address, sizeof(left->prefix.address));

	return order ?: (int)left->prefix.length - (int)right->prefix.length;
}

static struct entry *find(const struct announcer *announcer, const struct prefix *prefix)
{
	const struct entry key = {.prefix = *prefix};

	if (!announcer->count)
		return NULL;
	return bsearch(&key, announcer->entries, announcer->count, sizeof(key), compare);
}

bool announcer_find(const struct announcer *announcer, const struct vip *vip,
		    struct announced_route *ret_route)
{
	const struct prefix prefix = announce_prefix(vip);
	const struct entry *entry = find(announcer, &prefix);

	if (!entry)
		return false;
	*ret_route = (struct announced_route){
		.prefix = prefix,
		.announced = entry->routed,
		.reason = entry->reason,
		.since_ms = entry->since_ms,
	};
	return true;
}

uint32_t announcer_table(const struct announcer *announcer)
{
	return announcer->table;
}

size_t announcer_count(const struct announcer *announcer, size_t *ret_all)
{
	size_t i, routed = 0;

	for (i = 0; i < announcer->count; i++)
		routed += announcer->entries[i].routed;
	*ret_all = announcer->count;
	return routed;
}

/* --- the table --- */

struct route_list {
	struct prefix *prefixes;
	size_t count;
	bool full; /* out of memory */
};

static void on_route(void *context, const struct prefix *prefix)
{
	struct route_list *list = context;
	struct prefix *prefixes =
		reallocarray(list->prefixes, list->count + 1, sizeof(*list->prefixes));

	if (!prefixes) {
		list->full = true;
		return;
	}
	list->prefixes = prefixes;
	list->prefixes[list->count++] = *prefix;
}

/* *ret_list is to be freed. */
static int read_table(struct rtnl *rtnl, uint32_t table, struct route_list *ret_list)
{
	struct route_list list = {0};
	int error = rtnl_dump_own_routes(rtnl, table, on_route, &list);

	if (!error && list.full)
		error = -ENOMEM;
	if (error)
		free(list.prefixes);
	else
		*ret_list = list;
	return error;
}

static int remove_all(struct rtnl *rtnl, uint32_t table)
{
	struct route_list list;
	int error = read_table(rtnl, table, &list);
	size_t i;

	if (error)
		return error;
	for (i = 0; !error && i < list.count; i++)
		error = rtnl_remove_route(rtnl, &(struct rtnl_own_route){table, list.prefixes[i]});
	free(list.prefixes);
	return error;
}

static int refuse(uint32_t table, int error, struct error *err)
{
	return error_set(err, -error, "routing table %" PRIu32 ": rtnetlink: %s", table,
			 strerror(-error));
}

/* What a former agent has put into another table. */
static int leave_former(struct rtnl *rtnl, const char *state_dir, uint32_t table, struct error *err)
{
	uint32_t former = announce_note_read(state_dir);
	int error = 0;

	if (former == table)
		return 0;
	if (former)
		error = remove_all(rtnl, former);
	return error ? refuse(former, error, err) : announce_note_write(state_dir, table, err);
}

int announcer_clear(const char *state_dir, struct error *err)
{
	struct rtnl *rtnl = NULL;
	int ret;

	if (!announce_note_read(state_dir))
		return 0;
	ret = rtnl_open_routes(&rtnl);
	ret = ret ? refuse(0, ret, err) : leave_former(rtnl, state_dir, 0, err);
	rtnl_close(rtnl);
	return ret;
}

/* --- life --- */

/* Sorts, and keeps one of each. */
static size_t settle(struct entry *entries, size_t count)
{
	size_t i, kept = 0;

	if (count > 1)
		qsort(entries, count, sizeof(*entries), compare);
	for (i = 0; i < count; i++) {
		if (!kept || compare(&entries[kept - 1], &entries[i]) != 0)
			entries[kept++] = entries[i];
	}
	return kept;
}

/* Routes that are there already, before anybody says which are wanted. */
static int adopt(struct announcer *announcer, uint64_t now)
{
	struct entry found = {.adopted = true, .routed = true};
	struct route_list list;
	int error = read_table(announcer->rtnl, announcer->table, &list);
	size_t i;

	if (error)
		return error;
	announcer->entries = calloc(list.count + 1, sizeof(*announcer->entries));
	found.since_ms = clock_ms(CLOCK_REALTIME);
	announcement_adopt(&found.past, now);
	for (i = 0; announcer->entries && i < list.count; i++) {
		announcer->entries[i] = found;
		announcer->entries[i].prefix = list.prefixes[i];
	}
	free(list.prefixes);
	if (!announcer->entries)
		return -ENOMEM;
	announcer->count = settle(announcer->entries, list.count);
	return 0;
}

int announcer_new(const char *state_dir, uint32_t table, struct events *events, uint64_t now,
		  struct announcer **ret_announcer, struct error *err)
{
	struct announcer *announcer = calloc(1, sizeof(*announcer));
	char count[24], text[16];
	int ret;

	if (!announcer)
		return error_set(err, ENOMEM, "out of memory");
	announcer->events = events;
	announcer->table = table;
	announcer->settled_at = now + SETTLE_MS;
	announcer->reread_at = now + REREAD_MS;
	ret = rtnl_open_routes(&announcer->rtnl);
	if (ret)
		ret = refuse(table, ret, err);
	if (ret == 0)
		ret = leave_former(announcer->rtnl, state_dir, table, err);
	if (ret == 0) {
		ret = adopt(announcer, now);
		if (ret)
			ret = refuse(table, ret, err);
	}
	if (ret) {
		announcer_free(announcer);
		return ret;
	}
	snprintf(text, sizeof(text), "%" PRIu32, table);
	snprintf(count, sizeof(count), "%zu", announcer->count);
	log_info("announcing VIPs", "table", text, "routes-found", count);
	*ret_announcer = announcer;
	return 0;
}

void announcer_free(struct announcer *announcer)
{
	if (!announcer)
		return;
	rtnl_close(announcer->rtnl);
	free(announcer->entries);
	free(announcer->proved);
	free(announcer);
}

/* --- one route --- */

static void tell(struct announcer *announcer, const struct entry *entry)
{
	unsigned int *told = entry->routed ? &announcer->announced : &announcer->withdrawn;
	char prefix[PREFIX_TEXT_MAX];

	if (++*told > TOLD_MAX)
		return;
	events_tell(announcer->events,
		    &(struct event){
			    .kind = entry->routed ? EVENT_VIP_ANNOUNCED : EVENT_VIP_WITHDRAWN,
			    .service = entry->service,
			    .after = format_prefix(&entry->prefix, prefix),
			    .reason = entry->reason,
		    });
}

static void tell_rest(struct announcer *announcer, enum event_kind kind, unsigned int *told)
{
	char after[48];

	if (*told > TOLD_MAX) {
		snprintf(after, sizeof(after), "%u more", *told - TOLD_MAX);
		events_tell(announcer->events, &(struct event){.kind = kind, .after = after});
	}
	*told = 0;
}

/* Said once; tried again and again. */
static void complain(struct announcer *announcer, struct entry *entry, int error)
{
	bool news = entry->refused != -error;
	char prefix[PREFIX_TEXT_MAX];

	entry->refused = -error;
	if (error == -EEXIST)
		snprintf(entry->reason, sizeof(entry->reason),
			 "somebody else's route is in its place in table %" PRIu32,
			 announcer->table);
	else
		snprintf(entry->reason, sizeof(entry->reason),
			 "table %" PRIu32 ": the route cannot be %s: %s", announcer->table,
			 entry->routed ? "removed" : "added", strerror(-error));
	if (news)
		log_error("route of a VIP", "vip", format_prefix(&entry->prefix, prefix), "reason",
			  entry->reason);
}

static void set_route(struct announcer *announcer, struct entry *entry, bool wanted)
{
	const struct rtnl_own_route route = {announcer->table, entry->prefix};
	int error;

	if (entry->routed == wanted) {
		entry->refused = 0;
		return;
	}
	error = wanted ? rtnl_add_route(announcer->rtnl, &route)
		       : rtnl_remove_route(announcer->rtnl, &route);
	if (error) {
		complain(announcer, entry, error);
		return;
	}
	entry->refused = 0;
	entry->routed = wanted;
	entry->adopted = false;
	entry->since_ms = clock_ms(CLOCK_REALTIME);
	tell(announcer, entry);
}

/* --- which routes there may be --- */

/* Those of VIPs that are gone. */
static void drop_former(struct announcer *announcer, struct entry *former, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (former[i].seen || !former[i].routed)
			continue;
		former[i].service = NULL;
		snprintf(former[i].reason, sizeof(former[i].reason), "no service has it any more");
		set_route(announcer, &former[i], false);
	}
}

static size_t fill(const struct desired *desired, struct entry *entries)
{
	const struct service_spec *service;
	size_t i, v, count = 0;

	for (i = 0; i < desired->service_count; i++) {
		service = &desired->services[i];
		for (v = 0; v < service->vip_count; v++)
			entries[count++].prefix = announce_prefix(&service->vips[v].vip);
	}
	return settle(entries, count);
}

/*
 * Who has been healthy enough before: of what a former agent has announced, everybody. An index
 * that a service has had is no other's in the next state, so what is not in this one is forgotten.
 */
static void follow_proved(struct announcer *announcer, const struct desired *desired, bool *proved)
{
	const struct service_spec *service;
	const struct entry *entry;
	struct prefix prefix;
	size_t i, v;

	for (i = 0; i < desired->service_count; i++) {
		service = &desired->services[i];
		proved[service->id] = announcer->proved && announcer->proved[service->id];
		for (v = 0; !announcer->known && v < service->vip_count; v++) {
			prefix = announce_prefix(&service->vips[v].vip);
			entry = find(announcer, &prefix);
			proved[service->id] |= entry && entry->adopted;
		}
	}
	free(announcer->proved);
	announcer->proved = proved;
}

/* Which of the routes are known from before. Without memory those of before go on. */
static void follow_desired(struct announcer *announcer, const struct desired *desired)
{
	struct entry *entries, *former;
	size_t i, count = 0;
	bool *proved;

	if (announcer->known && announcer->generation == desired->generation)
		return;
	for (i = 0; i < desired->service_count; i++)
		count += desired->services[i].vip_count;
	entries = calloc(count + 1, sizeof(*entries));
	proved = calloc(SERVICE_IDS, sizeof(*proved));
	if (!entries || !proved) {
		free(entries);
		free(proved);
		return;
	}
	follow_proved(announcer, desired, proved);
	count = fill(desired, entries);
	for (i = 0; i < announcer->count; i++)
		announcer->entries[i].seen = false;
	for (i = 0; i < count; i++) {
		former = find(announcer, &entries[i].prefix);
		if (!former)
			continue;
		former->seen = true;
		entries[i] = *former;
	}
	drop_former(announcer, announcer->entries, announcer->count);
	free(announcer->entries);
	announcer->entries = entries;
	announcer->count = count;
	announcer->generation = desired->generation;
	announcer->known = true;
}

/* --- the table as it is --- */

/* False: it could not be read. */
static bool mark_seen(struct announcer *announcer)
{
	struct rtnl_own_route route = {.table = announcer->table};
	struct route_list list;
	struct entry *entry;
	size_t i;

	if (read_table(announcer->rtnl, announcer->table, &list))
		return false;
	for (i = 0; i < announcer->count; i++)
		announcer->entries[i].seen = false;
	for (i = 0; i < list.count; i++) {
		entry = find(announcer, &list.prefixes[i]);
		route.prefix = list.prefixes[i];
		if (entry)
			entry->seen = true;
		else
			rtnl_remove_route(announcer->rtnl, &route); /* nobody's any more */
	}
	free(list.prefixes);
	return true;
}

/* What was taken away, or brought, by somebody else; the look that follows puts it right. */
static void reread(struct announcer *announcer, uint64_t now)
{
	char prefix[PREFIX_TEXT_MAX];
	struct entry *entry;
	size_t i;

	if (now < announcer->reread_at)
		return;
	announcer->reread_at = now + REREAD_MS;
	if (!mark_seen(announcer))
		return;
	for (i = 0; i < announcer->count; i++) {
		entry = &announcer->entries[i];
		if (entry->routed && !entry->seen)
			log_warn("route of a VIP was taken away", "vip",
				 format_prefix(&entry->prefix, prefix), "consequence",
				 "it is put back");
		entry->routed = entry->seen;
	}
}

/* --- looking --- */

static void say_unhealthy(struct entry *entry, const struct service_spec *service,
			  const struct announce_health *health)
{
	if (health->backends == 0)
		snprintf(entry->reason, sizeof(entry->reason), "service %s: has no backends%s",
			 service->name, service->backend_count ? ", but in maintenance" : "");
	else
		snprintf(entry->reason, sizeof(entry->reason),
			 "service %s: %" PRIu32 " of %" PRIu32
			 " backends healthy, announce-min is %u%s",
			 service->name, health->healthy, health->backends,
			 service->announce_min.value, service->announce_min.percent ? "%" : "");
}

/*
 * All of an address' services must be healthy enough. But whoever adds a service to an address that
 * others are served by shall not cut them: one that has no backends yet does not count, and one
 * that never was healthy enough keeps a route back, and withdraws none.
 */
static void judge_route(struct announcer *announcer, struct entry *entry,
			const struct service_spec *service, const struct announce_health *health)
{
	bool *proved = announcer->proved ? &announcer->proved[service->id] : NULL;

	entry->service = entry->service ?: service->name;
	if (announce_enough(&service->announce_min, health, entry->past.announced)) {
		entry->served = true;
		/* Not by a hope, that is. */
		if (proved && announce_enough(&service->announce_min, health, false))
			*proved = true;
		return;
	}
	if (!entry->fit)
		return;
	say_unhealthy(entry, service, health);
	if (health->backends && (!entry->past.announced || !proved || *proved))
		entry->fit = false;
}

static void judge_service(struct announcer *announcer, const struct service_spec *service,
			  const struct announce_health *health)
{
	struct prefix prefix;
	struct entry *entry;
	size_t v;

	for (v = 0; v < service->vip_count; v++) {
		prefix = announce_prefix(&service->vips[v].vip);
		entry = find(announcer, &prefix);
		if (entry)
			judge_route(announcer, entry, service, health);
	}
}

static void judge_all(struct announcer *announcer, const struct announcer_input *input)
{
	const struct desired *desired = input->desired;
	struct entry *entry;
	size_t i;

	for (i = 0; i < announcer->count; i++) {
		entry = &announcer->entries[i];
		entry->service = NULL;
		entry->fit = !input->trouble;
		entry->served = false;
		snprintf(entry->reason, sizeof(entry->reason), "%s", input->trouble ?: "");
	}
	for (i = 0; i < desired->service_count; i++)
		judge_service(announcer, &desired->services[i],
			      &input->health[desired->services[i].id]);
	for (i = 0; i < announcer->count; i++)
		announcer->entries[i].fit &= announcer->entries[i].served;
}

static void look_again(struct announcer *announcer, uint64_t at)
{
	if (at < announcer->look_at)
		announcer->look_at = at;
}

static bool is_wanted(struct announcer *announcer, struct entry *entry,
		      const struct announcer_input *input, uint64_t now)
{
	bool settling = entry->adopted && now < announcer->settled_at, wanted;
	uint64_t waits;

	if (settling && !entry->fit) {
		look_again(announcer, announcer->settled_at);
		entry->fit = true;
	}
	wanted = announcement_look(&entry->past, entry->fit, now);
	waits = announcement_waits(&entry->past, now);
	if (waits) {
		look_again(announcer, now + waits);
		snprintf(entry->reason, sizeof(entry->reason),
			 "healthy enough, to be announced in %" PRIu64 " s", (waits + 999) / 1000);
	}
	if (input->withdrawn && (wanted || waits)) /* the hold-down's end would bring nothing */
		snprintf(entry->reason, sizeof(entry->reason), "%s", input->withdrawn);
	return wanted && !input->withdrawn;
}

void announcer_look(struct announcer *announcer, const struct announcer_input *input, uint64_t now)
{
	struct entry *entry;
	size_t i;

	follow_desired(announcer, input->desired);
	reread(announcer, now);
	announcer->look_at = announcer->reread_at;
	judge_all(announcer, input);
	for (i = 0; i < announcer->count; i++) {
		entry = &announcer->entries[i];
		set_route(announcer, entry, is_wanted(announcer, entry, input, now));
		if (entry->refused)
			look_again(announcer, now + RETRY_MS);
	}
	tell_rest(announcer, EVENT_VIP_ANNOUNCED, &announcer->announced);
	tell_rest(announcer, EVENT_VIP_WITHDRAWN, &announcer->withdrawn);
}

bool announcer_due(const struct announcer *announcer, uint64_t now)
{
	return now >= announcer->look_at;
}
