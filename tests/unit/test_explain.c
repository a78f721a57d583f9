/* SPDX-License-Identifier: Apache-2.0 */
/* Explanations over a fake data plane: the program's own code, its steps in words. */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "explain.h"
#include "explain_doc.h"
#include "fake_manager.h"
#include "sync.h"

#define NOW    0x123456789ULL /* jiffies */
#define SECOND 250ULL         /* jiffies at HZ 250 */
#define WEB    0              /* the fake manager's services, in order */
#define SIX    1
#define DOOR   3 /* eth0 */
#define OTHER  4 /* eth1 */

struct world {
	struct manager *manager;
	struct dataplane *dp;
	struct sync *sync;
	struct backend_facts facts[FAKE_BACKENDS + 1];
	struct explanation *run;
	cJSON *document;
};

static void put_link(struct links *links, uint32_t ifindex, const char *name)
{
	struct rtnl_link link = {.ifindex = ifindex, .up = true, .ethernet = true, .mtu = 1500};

	strcpy(link.name, name);
	links_put(links, &link);
}

static struct service_spec *service_of(const struct world *world, size_t index)
{
	return &world->manager->desired->services[index];
}

/* The data plane follows the desired state and the facts. */
static void follow(struct world *world)
{
	struct error err;

	assert_int_equal(sync_all(world->sync, world->manager->desired, world->facts, NULL, &err),
			 0);
}

/* web has b1, which is up, and b2, which is down; six has one backend, up. */
static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct error err;
	uint32_t id;

	assert_non_null(world);
	world->manager = fake_manager_new();
	world->dp = &world->manager->fake->dp;
	world->manager->fake->now = NOW;
	put_link(&world->manager->links, DOOR, "eth0");
	put_link(&world->manager->links, OTHER, "eth1");
	put_link(&world->manager->links, 7, "bond0");
	world->dp->ops->egress_put(world->dp, DOOR, DOOR, &err);
	world->dp->ops->egress_put(world->dp, OTHER, OTHER, &err);
	world->dp->ops->egress_put(world->dp, 7, OTHER, &err);
	for (id = 1; id <= FAKE_BACKENDS; id++)
		world->facts[id] = (struct backend_facts){
			.alive = id != 2,
			.eligible = id != 2,
			.hop = {.dst_mac = {2, 0, 0, 0, 1, (uint8_t)id},
				.src_mac = {2, 0, 0, 0, 0, 1},
				.flags = LB_BACKEND_RESOLVED,
				.ifindex = DOOR},
		};
	world->facts[1].local_addr.word[2] = htonl(0xffff);
	world->facts[1].local_addr.word[3] = htonl(0xc6120001);
	world->facts[2].local_addr = world->facts[1].local_addr;
	world->facts[3].local_addr.word[0] = htonl(0x20010db8);
	world->facts[3].local_addr.word[3] = htonl(1);
	world->sync = sync_new(world->dp);
	assert_non_null(world->sync);
	follow(world);
	sync_round(world->sync, 0, NOW); /* two, and the marks of a new service are gone */
	sync_round(world->sync, 0, NOW);
	*state = world;
	return 0;
}

static void forget(struct world *world)
{
	explain_free(world->run);
	cJSON_Delete(world->document);
	world->run = NULL;
	world->document = NULL;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	forget(world);
	sync_free(world->sync);
	fake_manager_free(world->manager);
	free(world);
	return 0;
}

/* Explains it; world keeps the document until the next. */
static void explain(struct world *world, const char *protocol, const char *source,
		    const char *destination, const char *flags, const char *length)
{
	const struct explain_words words = {.protocol = protocol,
					    .source = source,
					    .destination = destination,
					    .flags = flags,
					    .length = length};
	struct explain_query query;
	struct error err = {.message = ""};

	forget(world);
	if (explain_query_read(&words, &query, &err))
		fail_msg("%s", err.message);
	query.ifindex = DOOR;
	assert_int_equal(explain_run(world->dp, &query, &world->run, &err), 0);
	world->document = explain_view(world->run, world->manager);
	assert_non_null(world->document);
}

#define WEB_FLOW "tcp", "198.19.0.7:4242", "198.18.0.10:80"

static const cJSON *at(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *text(const cJSON *object, const char *key)
{
	const char *value = cJSON_GetStringValue(at(object, key));

	return value ? value : "";
}

/* NULL: there is no such step. */
static const cJSON *find_step(const struct world *world, const char *stage, const char *outcome)
{
	const cJSON *step;

	cJSON_ArrayForEach (step, at(world->document, "steps")) {
		if (strcmp(text(step, "stage"), stage) == 0 &&
		    strcmp(text(step, "outcome"), outcome) == 0)
			return step;
	}
	return NULL;
}

static const cJSON *step(const struct world *world, const char *stage, const char *outcome)
{
	const cJSON *found = find_step(world, stage, outcome);
	char *document;

	if (!found) {
		document = cJSON_Print(world->document);
		print_message("%s\n", document);
		cJSON_free(document);
		fail_msg("no step %s with outcome %s", stage, outcome);
	}
	return found;
}

static void assert_verdict(const struct world *world, const char *name, const char *code)
{
	assert_string_equal(text(at(world->document, "verdict"), "name"), name);
	assert_string_equal(text(at(world->document, "verdict"), "code"), code);
}

/* Lets the packet that was explained happen: its flow's word into the table. */
static void enter_flow(const struct world *world)
{
	const struct explain_entry *entry = explain_maps_next(world->run->maps, "flows", NULL);
	uint32_t index;

	assert_non_null(entry);
	memcpy(&index, entry->key, sizeof(index));
	memcpy(&world->dp->flows[index], entry->value, sizeof(world->dp->flows[index]));
}

static void enter_translation(const struct world *world)
{
	struct fake_dataplane *fake = world->manager->fake;
	const struct explain_entry *entry = NULL;

	while ((entry = explain_maps_next(world->run->maps, "nat_flows", entry))) {
		if (!entry->present || entry->found)
			continue;
		memcpy(&fake->nat[fake->nat_count].key, entry->key, sizeof(struct lb_tuple));
		memcpy(&fake->nat[fake->nat_count++].entry, entry->value,
		       sizeof(struct lb_nat_entry));
	}
}

/* --- queries --- */

static void refuse(const struct explain_words *words, const char *field, const char *message)
{
	struct explain_query query;
	struct error err = {.message = ""};

	assert_int_equal(explain_query_read(words, &query, &err), -22);
	assert_string_equal(err.field, field);
	assert_string_equal(err.message, message);
}

static void test_bad_queries(void **state)
{
	const struct explain_words good = {
		.protocol = "tcp", .source = "198.19.0.7:4242", .destination = "198.18.0.10:80"};
	struct explain_words words = good;

	(void)state;
	words.protocol = NULL;
	refuse(&words, "proto", "the protocol is missing");
	words.protocol = "tpc";
	refuse(&words, "proto", "protocol tpc: not one that services have");
	words = good;
	words.source = NULL;
	refuse(&words, "src", "the source is missing");
	words.source = "198.19.0.7";
	refuse(&words, "src", "198.19.0.7: the port is missing");
	words.source = "[2001:db8::7]:4242";
	refuse(&words, "src",
	       "[2001:db8::7]:4242 and 198.18.0.10:80 are of different address families");
	words = good;
	words.destination = "web";
	refuse(&words, "dst", "web: not an IPv4 or IPv6 address");
	words = good;
	words.flags = "syn,psh";
	refuse(&words, "flags", "flags syn,psh: not TCP flags");
	words.flags = "";
	refuse(&words, "flags", "flags : not TCP flags");
	words.protocol = "udp";
	words.flags = "syn";
	refuse(&words, "flags", "flags are for tcp and sctp");
	words = good;
	words.length = "39";
	refuse(&words, "length", "39: not a number from 40 to 9216");
	words.length = "9217";
	refuse(&words, "length", "9217: not a number from 40 to 9216");
	words = good;
	words.vlan = "4095";
	refuse(&words, "vlan", "4095: not a number from 1 to 4094");
	words.vlan = "100.";
	refuse(&words, "vlan", "(empty): not a number from 1 to 4094");
	words.vlan = "10000000000100";
	refuse(&words, "vlan", "10000000000100: not a number from 1 to 4094");
	words = good;
	words.protocol = "icmp";
	refuse(&words, "src", "198.19.0.7:4242: a ping has no port");
}

static void test_frames(void **state)
{
	static const struct explain_words cases[] = {
		{"tcp", "198.19.0.7:4242", "198.18.0.10:80", "syn,ack", NULL, "100"},
		{"tcp", "[2001:db8::7]:4242", "[2001:db8::10]:80", "fin", "1500", "200.100"},
		{"udp", "198.19.0.7:4242", "198.18.0.10:80", NULL, "29", NULL},
		{"udp", "[2001:db8::7]:4242", "[2001:db8::10]:80", NULL, NULL, NULL},
		{"sctp", "198.19.0.7:4242", "198.18.0.10:80", "rst", NULL, NULL},
		{"icmp", "198.19.0.7", "198.18.0.10", NULL, "9216", NULL},
		{"icmp", "2001:db8::7", "2001:db8::10", NULL, NULL, "4094"},
	};
	uint8_t frame[EXPLAIN_FRAME_MAX];
	struct explain_headers headers;
	struct explain_query query;
	struct error err;
	size_t i, size;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(explain_query_read(&cases[i], &query, &err), 0);
		memset(frame, 0xee, sizeof(frame));
		size = explain_packet_write(&query, frame);
		assert_true(explain_packet_read(frame, size, &headers));
		assert_true(endpoint_equal(&headers.source, &query.source));
		assert_true(endpoint_equal(&headers.destination, &query.destination));
		assert_int_equal(headers.length, query.length);
		assert_int_equal(headers.vlan, query.vlan);
		assert_int_equal(frame[size], 0xee);
		while (size > 0) /* cut short anywhere, nothing is read behind the end */
			explain_packet_read(frame + EXPLAIN_FRAME_MAX - size, size, &headers),
				size--;
	}
}

/* --- VIPs --- */

static void test_vip(void **state)
{
	struct world *world = *state;

	explain(world, WEB_FLOW, NULL, NULL);
	assert_string_equal(text(step(world, "vip", "service"), "text"),
			    "tcp://198.18.0.10:80 is a VIP of service web");
	explain(world, "tcp", "[2001:db8::7]:1", "[2001:db8::10]:443", NULL, NULL);
	assert_string_equal(text(step(world, "vip", "service"), "text"),
			    "tcp://[2001:db8::10]:* is a VIP of service six, by any port");
	explain(world, "icmp", "198.19.0.7", "198.18.0.10", NULL, NULL);
	step(world, "vip", "echo");
	assert_verdict(world, "echo", "XDP_TX");
	assert_string_equal(text(at(world->document, "sent"), "destination"), "198.19.0.7");
}

static void assert_nearest(const struct world *world, const char *vip, const char *differs)
{
	const cJSON *nearest = cJSON_GetArrayItem(at(step(world, "vip", "none"), "nearest"), 0);

	assert_string_equal(text(nearest, "vip"), vip);
	assert_string_equal(text(nearest, "differs"), differs);
	assert_verdict(world, "pass", "XDP_PASS");
}

static void test_nearest_miss(void **state)
{
	struct world *world = *state;

	explain(world, "tcp", "198.19.0.7:1", "198.18.0.10:81", NULL, NULL);
	assert_nearest(world, "tcp://198.18.0.10:80", "port");
	assert_string_equal(text(step(world, "vip", "none"), "text"),
			    "198.18.0.10:81 by tcp is no VIP; nearest: tcp://198.18.0.10:80 of "
			    "service web differs by port");
	explain(world, "udp", "198.19.0.7:1", "198.18.0.10:81", NULL, NULL);
	assert_nearest(world, "udp://198.18.0.10:80", "port");
	explain(world, "sctp", "198.19.0.7:1", "198.18.0.10:81", NULL, NULL);
	assert_nearest(world, "tcp://198.18.0.10:80", "protocol and port");
	explain(world, "sctp", "198.19.0.7:1", "198.18.0.10:80", NULL, NULL);
	assert_nearest(world, "tcp://198.18.0.10:80", "protocol");
	explain(world, "tcp", "[2001:db8::7]:1", "[2001:db8::11]:443", NULL, NULL);
	assert_nearest(world, "tcp://[2001:db8::10]:*", "address");
	service_of(world, SIX)->vip_count = 0;
	explain(world, "tcp", "[2001:db8::7]:1", "[2001:db8::11]:443", NULL, NULL);
	assert_string_equal(text(step(world, "vip", "none"), "text"),
			    "[2001:db8::11]:443 by tcp is no VIP; no service has a VIP of this "
			    "address family");
	service_of(world, SIX)->vip_count = 1;
}

static void test_guard(void **state)
{
	struct world *world = *state;

	explain(world, WEB_FLOW, "syn,fin", NULL);
	step(world, "guard", "tcp_flags");
	assert_verdict(world, "tcp_flags", "XDP_DROP");
	assert_null(find_step(world, "flow", "none"));
	assert_null(at(world->document, "sent"));
	explain(world, WEB_FLOW, "none", NULL);
	assert_verdict(world, "tcp_flags", "XDP_DROP");
	explain(world, "tcp", "198.18.0.10:1", "198.18.0.10:80", NULL, NULL);
	step(world, "guard", "land");
	assert_verdict(world, "land", "XDP_DROP");
}

static void test_cookies(void **state)
{
	struct world *world = *state;

	world->manager->fake->cookie_keys.key[0].word[0] = 1;
	service_of(world, WEB)->syn_cookies = COOKIES_ALWAYS;
	follow(world);
	explain(world, WEB_FLOW, NULL, NULL);
	step(world, "cookie", "sent");
	assert_verdict(world, "cookie", "XDP_TX");
	assert_null(find_step(world, "schedule", "empty"));
	explain(world, WEB_FLOW, "ack", NULL); /* it may have begun before */
	assert_verdict(world, "forward", "XDP_TX");
	world->dp->services[1].flags &= (uint16_t)~LB_SERVICE_EXCUSED;
	explain(world, WEB_FLOW, "ack", NULL);
	step(world, "cookie", "bad");
	assert_verdict(world, "bad_cookie", "XDP_DROP");
	/* at times, and now is none */
	service_of(world, WEB)->syn_cookies = COOKIES_AUTO;
	follow(world);
	explain(world, WEB_FLOW, NULL, NULL);
	assert_verdict(world, "forward", "XDP_TX");
	service_of(world, WEB)->syn_cookies = COOKIES_OFF;
}

/* --- flows --- */

static void test_nothing_changes(void **state)
{
	struct world *world = *state;
	size_t size = world->dp->sizes.flows / LB_FLOW_WAYS * sizeof(*world->dp->flows);
	struct lb_flow_bucket *before = malloc(size);

	assert_non_null(before);
	service_of(world, WEB)->scheduler = LB_SCHEDULER_LEAST_CONN;
	follow(world);
	memcpy(before, world->dp->flows, size);
	explain(world, WEB_FLOW, "syn", NULL);
	assert_verdict(world, "forward", "XDP_TX");
	step(world, "flow", "entered");
	assert_memory_equal(before, world->dp->flows, size);
	assert_int_equal(world->dp->loads[1], 0);
	assert_int_equal(world->manager->fake->nat_count, 0);
	free(before);
}

static void test_slot(void **state)
{
	struct world *world = *state;
	const cJSON *slot, *absent;

	explain(world, WEB_FLOW, NULL, NULL);
	assert_string_equal(text(at(world->document, "packet"), "flags"), "syn");
	slot = cJSON_GetArrayItem(at(step(world, "schedule", "chosen"), "slots"), 0);
	assert_string_equal(text(slot, "backend"), "198.18.1.11:80");
	assert_string_equal(text(world->document, "backend"), "198.18.1.11:80");
	assert_string_equal(text(world->document, "service"), "web");
	assert_string_equal(text(step(world, "schedule", "members"), "text"),
			    "1 of 2 backends take new flows; not 198.18.1.12:80 (down: HTTP "
			    "status 503)");
	absent = cJSON_GetArrayItem(at(step(world, "schedule", "members"), "absent"), 0);
	assert_string_equal(text(absent, "reason"), "down: HTTP status 503");
	assert_string_equal(text(step(world, "flow", "entered"), "state"), "embryonic");
}

/* The slot that is told is the one that the table has. */
static void test_slots_of_schedulers(void **state)
{
	static const enum lb_scheduler schedulers[] = {LB_SCHEDULER_MAGLEV, LB_SCHEDULER_SOURCE,
						       LB_SCHEDULER_DPORT, LB_SCHEDULER_LEAST_CONN};
	struct world *world = *state;
	char source[ENDPOINT_TEXT_MAX], owner[DOC_NAME_MAX];
	const struct lb_slot_line *table;
	const cJSON *slot;
	uint32_t number;
	size_t i, j;

	world->facts[2].alive = world->facts[2].eligible = true;
	for (i = 0; i < sizeof(schedulers) / sizeof(schedulers[0]); i++) {
		service_of(world, WEB)->scheduler = schedulers[i];
		follow(world);
		table = world->dp->slots +
			(size_t)world->dp->services[1].tables.current * world->dp->table_lines;
		for (j = 0; j < 50; j++) {
			snprintf(source, sizeof(source), "198.19.%zu.7:%zu", j, 1000 + j);
			explain(world, "tcp", source, "198.18.0.10:80", "syn", NULL);
			cJSON_ArrayForEach (slot, at(step(world, "schedule", "chosen"), "slots")) {
				number = (uint32_t)at(slot, "slot")->valuedouble;
				snprintf(owner, sizeof(owner), "198.18.1.1%u:80",
					 table[number / LB_SLOTS_PER_LINE]
						 .backend[number % LB_SLOTS_PER_LINE]);
				assert_string_equal(text(slot, "backend"), owner);
			}
			slot = cJSON_GetArrayItem(at(step(world, "schedule", "chosen"), "slots"),
						  0);
			if (schedulers[i] != LB_SCHEDULER_LEAST_CONN)
				assert_string_equal(text(world->document, "backend"),
						    text(slot, "backend"));
		}
	}
}

static void test_less_loaded(void **state)
{
	struct world *world = *state;
	char source[ENDPOINT_TEXT_MAX];
	size_t i, compared = 0;

	world->facts[2].alive = world->facts[2].eligible = true;
	service_of(world, WEB)->scheduler = LB_SCHEDULER_LEAST_CONN;
	follow(world);
	world->dp->loads[1] = 100;
	for (i = 0; i < 50; i++) {
		snprintf(source, sizeof(source), "198.19.0.7:%zu", 1000 + i);
		explain(world, "tcp", source, "198.18.0.10:80", "syn", NULL);
		if (!find_step(world, "schedule", "compared"))
			continue;
		compared++;
		assert_string_equal(text(world->document, "backend"), "198.18.1.12:80");
	}
	assert_in_range(compared, 5, 45);
	assert_int_equal(world->dp->loads[1], 100);
}

static void test_followed(void **state)
{
	struct world *world = *state;
	const cJSON *entry;

	explain(world, WEB_FLOW, "syn", NULL);
	enter_flow(world);
	world->manager->fake->now = NOW + 2 * SECOND;
	explain(world, WEB_FLOW, NULL, NULL);
	assert_string_equal(text(at(world->document, "packet"), "flags"), "ack");
	assert_string_equal(text(step(world, "flow", "followed"), "text"),
			    "an entry, embryonic, 2.0 s old, names backend 198.18.1.11:80: "
			    "followed");
	assert_string_equal(text(step(world, "flow", "entered"), "state"), "established");
	assert_null(find_step(world, "schedule", "chosen"));
	entry = at(step(world, "flow", "followed"), "entry");
	assert_string_equal(text(entry, "state"), "embryonic");
	assert_float_equal(at(entry, "age-seconds")->valuedouble, 2, 0.01);
	assert_float_equal(at(entry, "timeout-seconds")->valuedouble, 30, 0.01);

	explain(world, WEB_FLOW, "syn", NULL);
	step(world, "flow", "retransmit");
	explain(world, WEB_FLOW, "ack", NULL);
	enter_flow(world);
	explain(world, WEB_FLOW, "syn", NULL);
	step(world, "flow", "reopened");
	step(world, "schedule", "chosen");
	explain(world, WEB_FLOW, "fin,ack", NULL);
	assert_string_equal(text(step(world, "flow", "entered"), "state"), "closing");
}

static void test_entries_that_do_not_hold(void **state)
{
	struct world *world = *state;

	explain(world, WEB_FLOW, "syn", NULL);
	enter_flow(world);
	world->manager->fake->now = NOW + 31 * SECOND;
	explain(world, WEB_FLOW, NULL, NULL);
	assert_string_equal(text(step(world, "flow", "idle"), "text"),
			    "an entry, embryonic, names backend 198.18.1.11:80, but was silent "
			    "for 31 s of the 30 s allowed: scheduled afresh");
	assert_string_equal(text(at(world->document, "packet"), "flags"), "syn");

	world->manager->fake->now = NOW;
	world->facts[1].alive = world->facts[1].eligible = false;
	world->facts[2].alive = world->facts[2].eligible = true;
	follow(world);
	explain(world, WEB_FLOW, "ack", NULL);
	step(world, "flow", "down");
	assert_string_equal(text(world->document, "backend"), "198.18.1.12:80");

	world->dp->backends[1].service = 2;
	world->dp->backends[1].hop.flags |= LB_BACKEND_UP;
	explain(world, WEB_FLOW, "ack", NULL);
	step(world, "flow", "elsewhere");
}

/* A bucket full of established flows: a SYN takes nobody's place, an ACK the oldest's. */
static void test_full_bucket(void **state)
{
	struct world *world = *state;
	struct lb_flow_bucket *bucket;
	uint64_t coarse;
	uint32_t index;
	int way;

	explain(world, WEB_FLOW, "syn", NULL);
	index = (uint32_t)at(step(world, "flow", "none"), "bucket")->valuedouble;
	bucket = &world->dp->flows[index];
	coarse = NOW >> world->dp->clock.coarse_tick_shift;
	for (way = 0; way < LB_FLOW_WAYS; way++)
		bucket->word[way] = (uint64_t)(way + 1) << LB_FLOW_FINGERPRINT_SHIFT |
				    1ULL << LB_FLOW_BACKEND_SHIFT |
				    (uint64_t)LB_FLOW_ESTABLISHED << LB_FLOW_STATE_SHIFT |
				    ((coarse - (uint64_t)way) & LB_FLOW_TIME_MASK);
	world->dp->flows[index ^ 1] = *bucket; /* next door, too */
	explain(world, WEB_FLOW, "syn", NULL);
	step(world, "flow", "unrecorded");
	assert_null(find_step(world, "flow", "entered"));
	assert_verdict(world, "forward", "XDP_TX");
	explain(world, WEB_FLOW, "ack", NULL);
	assert_string_equal(text(step(world, "flow", "entered"), "text"),
			    "inherited entry for backend 198.18.1.11:80, in place of a flow of "
			    "198.18.1.11:80, established");
}

/* Slots that have not changed hands need no entry; where they have, the former owner keeps what is
 * older. */
static void test_only_what_could_move(void **state)
{
	struct world *world = *state;

	world->dp->switches->sample_mask = ~0U;
	explain(world, WEB_FLOW, "ack", NULL);
	step(world, "flow", "computed");
	assert_null(find_step(world, "flow", "entered"));
	assert_string_equal(text(world->document, "backend"), "198.18.1.11:80");

	world->facts[1].eligible = false;
	world->facts[2].alive = world->facts[2].eligible = true;
	follow(world);
	explain(world, WEB_FLOW, "ack", NULL);
	step(world, "schedule", "former");
	assert_string_equal(text(step(world, "flow", "entered"), "state"), "inherited");
	assert_string_equal(text(world->document, "backend"), "198.18.1.11:80");
	explain(world, WEB_FLOW, "syn", NULL);
	step(world, "schedule", "chosen");
	assert_string_equal(text(world->document, "backend"), "198.18.1.12:80");
}

static void test_nobody_there(void **state)
{
	struct world *world = *state;

	world->facts[1].alive = world->facts[1].eligible = false;
	follow(world);
	explain(world, WEB_FLOW, NULL, NULL);
	step(world, "schedule", "empty");
	assert_verdict(world, "no_backend", "XDP_DROP");
	assert_null(find_step(world, "forward", "hop"));
	service_of(world, WEB)->when_down = DOWN_PASS;
	service_of(world, WEB)->tracking = TRACK_NONE;
	follow(world);
	explain(world, WEB_FLOW, NULL, NULL);
	step(world, "flow", "off");
	assert_verdict(world, "pass_down", "XDP_PASS");
}

/* --- forwarding --- */

static void test_nat(void **state)
{
	struct world *world = *state;
	char own[64], backend[64];
	const cJSON *entry;

	explain(world, WEB_FLOW, NULL, NULL);
	entry = at(step(world, "forward", "nat"), "entry");
	assert_true(cJSON_IsTrue(at(entry, "new")));
	assert_string_equal(text(entry, "client"), "198.19.0.7:4242");
	assert_string_equal(text(entry, "vip"), "198.18.0.10:80");
	assert_string_equal(text(entry, "backend"), "198.18.1.11:80");
	assert_string_equal(text(at(world->document, "sent"), "source"), text(entry, "own"));
	strcpy(own, text(entry, "own"));
	strcpy(backend, text(entry, "backend"));
	enter_translation(world);
	world->manager->fake->now = NOW + 3 * SECOND;

	explain(world, WEB_FLOW, NULL, NULL); /* the flow table has forgotten it, NAT has not */
	assert_string_equal(text(at(world->document, "packet"), "flags"), "ack");
	entry = at(step(world, "forward", "nat"), "entry");
	assert_true(cJSON_IsFalse(at(entry, "new")));
	assert_string_equal(text(entry, "own"), own);
	assert_string_equal(text(entry, "state"), "live");
	assert_float_equal(at(entry, "age-seconds")->valuedouble, 3, 0.01);

	explain(world, "tcp", backend, own, NULL, NULL);
	step(world, "vip", "nat");
	assert_string_equal(text(step(world, "nat", "found"), "text"),
			    "the reply to a flow of service web: translated back to "
			    "198.18.0.10:80 > 198.19.0.7:4242");
	assert_verdict(world, "return", "XDP_TX");
	explain(world, "tcp", "198.18.1.11:81", own, NULL, NULL);
	step(world, "nat", "none");
	assert_verdict(world, "pass", "XDP_PASS");
}

static void test_nat_ports_in_use(void **state)
{
	struct world *world = *state;
	struct fake_dataplane *fake = world->manager->fake;

	world->dp->nat_port_high = world->dp->nat_port_low; /* one port for all */
	explain(world, WEB_FLOW, NULL, NULL);
	enter_translation(world);
	assert_int_equal(fake->nat_count, 1);
	explain(world, "tcp", "198.19.0.8:4242", "198.18.0.10:80", NULL, NULL);
	step(world, "forward", "nat");
	assert_verdict(world, "nat_ports", "XDP_DROP");
}

/* The slots of web were b2's before. */
static void test_second_chance(void **state)
{
	struct world *world = *state;
	struct service_spec *web = service_of(world, WEB);
	struct slot_owner owner = {.endpoint = web->backends[1].endpoint, .weight = 1};
	const cJSON *found;

	web->mode = LB_MODE_GUE;
	web->second_chance = CHANCE_ON;
	assert_int_equal(owners_copy(&(struct owners){&owner, 1}, &web->former[0]), 0);
	world->facts[2].alive = true;
	follow(world);
	explain(world, WEB_FLOW, "ack", NULL);
	found = step(world, "forward", "second-chance");
	assert_string_equal(text(found, "text"), "if the backend does not know the flow, it goes "
						 "on to 198.18.1.12");
	assert_string_equal(text(cJSON_GetArrayItem(at(found, "backends"), 0), "address"),
			    "198.18.1.12");
	assert_int_equal(cJSON_GetArraySize(at(found, "backends")), 1);
	explain(world, WEB_FLOW, "syn", NULL);
	assert_null(find_step(world, "forward", "second-chance"));
	web->second_chance = CHANCE_OFF;
	follow(world);
	explain(world, WEB_FLOW, "ack", NULL);
	assert_null(find_step(world, "forward", "second-chance"));
}

static void test_tunnels(void **state)
{
	struct world *world = *state;
	struct service_spec *web = service_of(world, WEB);

	world->dp->tunnel_sources[0].addr.word[2] = htonl(0xffff);
	world->dp->tunnel_sources[0].addr.word[3] = htonl(0xac100000);
	world->facts[1].hop.mtu = 1500;
	web->mode = LB_MODE_IPIP;
	follow(world);
	explain(world, WEB_FLOW, NULL, NULL);
	assert_string_equal(text(step(world, "forward", "ipip"), "text"),
			    "mode ipip: put into an IP packet 172.16.0.0 > 198.18.1.11");
	assert_string_equal(text(step(world, "forward", "fits"), "text"),
			    "40 bytes, where up to 1480 fit the way to the backend");
	web->mode = LB_MODE_GUE;
	web->tunnel_source = TUNNEL_FIXED;
	follow(world);
	explain(world, WEB_FLOW, NULL, NULL);
	assert_string_equal(text(step(world, "forward", "gue"), "text"),
			    "mode gue: put into UDP with GUE's header 198.18.0.1:6080 > "
			    "198.18.1.11:6080");
	explain(world, WEB_FLOW, NULL, "1469");
	step(world, "forward", "too-big");
	assert_verdict(world, "too_big_told", "XDP_TX");
	assert_null(find_step(world, "forward", "gue"));
	web->too_big = TOO_BIG_DROP;
	web->mode = LB_MODE_L2;
	follow(world);
	explain(world, WEB_FLOW, NULL, "1501");
	assert_verdict(world, "too_big", "XDP_DROP");
	explain(world, WEB_FLOW, NULL, NULL);
	step(world, "forward", "l2");
	assert_string_equal(text(at(world->document, "sent"), "destination-mac"),
			    "02:00:00:00:01:01");
}

static void test_kernel_is_asked(void **state)
{
	struct world *world = *state;
	struct fake_dataplane *fake = world->manager->fake;

	world->facts[1].hop.flags = 0;
	follow(world);
	fake->route_answer = BPF_FIB_LKUP_RET_NO_NEIGH;
	explain(world, WEB_FLOW, NULL, NULL);
	assert_string_equal(text(step(world, "forward", "no-hop"), "asked"), "kernel");
	assert_verdict(world, "no_neighbour", "XDP_DROP");
	fake->route_answer = BPF_FIB_LKUP_RET_SUCCESS;
	fake->route.ifindex = OTHER;
	fake->route.dmac[5] = 9;
	explain(world, WEB_FLOW, NULL, NULL);
	step(world, "forward", "hop");
	assert_verdict(world, "forward", "XDP_REDIRECT");
	assert_string_equal(text(at(world->document, "sent"), "interface"), "eth1");
	assert_string_equal(text(at(world->document, "sent"), "destination-mac"),
			    "00:00:00:00:00:09");
}

static void test_local(void **state)
{
	struct world *world = *state;

	world->facts[1].hop.flags |= LB_BACKEND_LOCAL;
	service_of(world, WEB)->mode = LB_MODE_L2;
	follow(world);
	explain(world, WEB_FLOW, NULL, NULL);
	step(world, "forward", "local");
	assert_verdict(world, "local", "XDP_PASS");
	assert_null(at(world->document, "sent"));
	assert_string_equal(text(world->document, "backend"), "198.18.1.11:80");
}

static void test_bond(void **state)
{
	struct world *world = *state;

	world->facts[1].hop.ifindex = 7;
	follow(world);
	explain(world, WEB_FLOW, NULL, NULL);
	assert_string_equal(text(step(world, "verdict", "forward"), "text"),
			    "sent to a backend; leaves by eth1 of bond0");
	assert_string_equal(text(at(world->document, "sent"), "interface"), "eth1");
}

/* --- failures --- */

static int map_get_fails(struct dataplane *dp, const char *map, const void *key, void *ret_value)
{
	(void)dp;
	(void)map;
	(void)key;
	(void)ret_value;
	return -5;
}

static void test_unreadable_maps(void **state)
{
	const struct explain_words words = {
		.protocol = "tcp", .source = "198.19.0.7:4242", .destination = "198.18.0.10:80"};
	struct world *world = *state;
	const struct dataplane_ops *former = world->dp->ops;
	struct dataplane_ops ops = *former;
	struct explain_query query;
	struct error err;

	assert_int_equal(explain_query_read(&words, &query, &err), 0);
	ops.map_get = map_get_fails;
	world->dp->ops = &ops;
	assert_int_equal(explain_run(world->dp, &query, &world->run, &err), -5);
	assert_string_equal(err.message,
			    "the data plane's maps cannot be read: Input/output error");
	assert_null(world->run);
	world->dp->ops = former;
}

static size_t allocations_left;

static void *failing_malloc(size_t size)
{
	if (allocations_left == 0)
		return NULL;
	allocations_left--;
	return malloc(size);
}

/* Half a document would be a lie. */
static void test_out_of_memory(void **state)
{
	struct world *world = *state;
	cJSON_Hooks hooks = {.malloc_fn = failing_malloc, .free_fn = free};
	cJSON *document = NULL;
	size_t allowed = 0;

	explain(world, WEB_FLOW, NULL, NULL);
	while (!document) {
		allocations_left = allowed++;
		cJSON_InitHooks(&hooks);
		document = explain_view(world->run, world->manager);
		cJSON_InitHooks(NULL);
		assert_in_range(allowed, 1, 1000);
	}
	assert_true(cJSON_Compare(document, world->document, true));
	cJSON_Delete(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_queries),
		cmocka_unit_test(test_frames),
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
		WITH_WORLD(test_vip),
		WITH_WORLD(test_nearest_miss),
		WITH_WORLD(test_guard),
		WITH_WORLD(test_cookies),
		WITH_WORLD(test_nothing_changes),
		WITH_WORLD(test_slot),
		WITH_WORLD(test_slots_of_schedulers),
		WITH_WORLD(test_less_loaded),
		WITH_WORLD(test_followed),
		WITH_WORLD(test_entries_that_do_not_hold),
		WITH_WORLD(test_full_bucket),
		WITH_WORLD(test_only_what_could_move),
		WITH_WORLD(test_nobody_there),
		WITH_WORLD(test_nat),
		WITH_WORLD(test_nat_ports_in_use),
		WITH_WORLD(test_tunnels),
		WITH_WORLD(test_second_chance),
		WITH_WORLD(test_kernel_is_asked),
		WITH_WORLD(test_local),
		WITH_WORLD(test_bond),
		WITH_WORLD(test_unreadable_maps),
		WITH_WORLD(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
