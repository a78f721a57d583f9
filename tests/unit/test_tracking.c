/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories of flows and of changes, through the natively built data plane and the agent's
 * modules over the same memory; beside them a tracker that remembers every flow. Whatever has an
 * entry and whatever has none: a flow that is not idle for too long stays with its backend.
 *
 *   TRACKING_HISTORIES=N  so many
 *   TRACKING_SEED=N       the first one's seed, which the others' follow
 *   TRACKING_TRACE=1      prints what happens
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow_fold.h"
#include "flow_sample.h"
#include "flow_scan.h"
#include "native/native.h"
#include "native_dataplane.h"
#include "sync.h"

#define SERVICES  3
#define BACKENDS  24 /* indices of all services together */
#define FLOWS     96
#define BUCKETS   512
#define FOLDED    16 /* buckets at least: too few for all flows */
#define HZ        250
#define INTERFACE 5
#define VIP_PORT  80
#define HISTORIES 10
#define STEPS     2500

enum { SYN = 1, ACK = 2, FIN = 4, RST = 8 };

/* As an ideal tracker, which forgets nothing, knows it. */
struct flow {
	uint16_t service;
	uint32_t client;
	uint16_t port;
	bool begun;
	enum lb_flow_state state;
	uint64_t last; /* when its last packet came, in jiffies */
	uint16_t backend;
	/* Its next packet has to go there, if it does not come too late. Not so once its backend
	 * has been down, or flows were not tracked at all, until its next packet. */
	bool held;
	/* It came back when it had been forgotten: the agent need not know before this round. */
	uint64_t known_from;
};

struct backend {
	bool used;
	bool healthy;
	bool drained; /* has had no flow for long enough */
	uint16_t service;
	uint64_t rests_until; /* round, as in struct backend_run */
	uint64_t drain_rounds;
};

struct history {
	uint64_t seed, random;
	uint32_t step;
	bool trace;
	struct fake_dataplane *fake;
	struct sync *sync;
	struct flow_scan *scan;
	struct flow_fold fold;
	struct desired *desired;
	struct backend_facts facts[BACKENDS + 1];
	struct backend backends[BACKENDS + 1];
	struct flow flows[FLOWS];
	uint32_t clients;     /* that there have been */
	uint64_t now;         /* jiffies */
	uint64_t round, part; /* jiffies of a round; what of a bucket is left over, in 1/round */
	uint32_t load; /* entries of the sample that the agent is told of; 0: the real number */
};

/* --- chance --- */

static uint64_t random64(struct history *h)
{
	uint64_t z = h->random += 0x9e3779b97f4a7c15ULL; /* splitmix64 (Steele, Lea, Flood 2014) */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static uint32_t below(struct history *h, uint32_t limit)
{
	return (uint32_t)(random64(h) % limit);
}

static bool chance(struct history *h, uint32_t per_cent)
{
	return below(h, 100) < per_cent;
}

/* --- saying what happens --- */

__attribute__((format(printf, 2, 3))) static void trace(const struct history *h, const char *format,
							...)
{
	va_list args;

	if (!h->trace)
		return;
	printf("%6" PRIu32 " %9.3f s  ", h->step, (double)h->now / HZ);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

__attribute__((format(printf, 2, 3))) static void broken(const struct history *h,
							 const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fflush(stdout);
	fail_msg("step %" PRIu32 ": %s. Again: TRACKING_SEED=%" PRIu64
		 " TRACKING_HISTORIES=1 TRACKING_TRACE=1",
		 h->step, text, h->seed);
}

/* --- services and backends --- */

/* The agent's rounds through the flow table; 0 while there is no agent. */
static uint64_t rounds(const struct history *h)
{
	return h->scan ? flow_scan_rounds(h->scan) : 0;
}

static struct service_spec *service_of(const struct history *h, uint16_t id)
{
	for (size_t i = 0; i < h->desired->service_count; i++) {
		if (h->desired->services[i].id == id)
			return &h->desired->services[i];
	}
	return NULL;
}

static struct backend_spec *backend_of(const struct history *h, uint16_t id)
{
	struct service_spec *service = service_of(h, h->backends[id].service);

	for (size_t i = 0; service && i < service->backend_count; i++) {
		if (service->backends[i].id == id)
			return &service->backends[i];
	}
	return NULL;
}

static bool is_tracked(const struct history *h, uint16_t service_id)
{
	return service_tracking(service_of(h, service_id)) != TRACK_NONE;
}

static bool drains(const struct backend_spec *spec)
{
	return spec->state == ADMIN_DRAIN || spec->removing;
}

/* Nobody's packets go to this backend from now on, if only for a moment. */
static void release_flows(struct history *h, uint16_t backend_id)
{
	for (size_t i = 0; i < FLOWS; i++) {
		if (h->flows[i].backend == backend_id)
			h->flows[i].held = false;
	}
}

static void find_facts(struct history *h)
{
	static const struct lb_hop hop = {
		.dst_mac = {2, 0, 0, 0, 0, 1},
		.flags = LB_BACKEND_RESOLVED,
		.src_mac = {2, 0, 0, 0, 0, 2},
		.ifindex = INTERFACE,
	};

	for (uint16_t id = 1; id <= BACKENDS; id++) {
		const struct backend *backend = &h->backends[id];
		const struct backend_spec *spec = backend->used ? backend_of(h, id) : NULL;

		h->facts[id] = (struct backend_facts){.hop = hop};
		if (!spec)
			continue;
		h->facts[id].alive = backend->healthy && spec->state != ADMIN_MAINT;
		h->facts[id].eligible = h->facts[id].alive && !drains(spec);
		if (!h->facts[id].alive)
			release_flows(h, id);
	}
}

static bool takes_new_flows(const struct history *h, uint16_t id)
{
	const struct backend_spec *spec = backend_of(h, id);

	return spec && h->facts[id].eligible && spec->weight;
}

/* The lowest of those who take new flows; none: 256. */
static int best_priority(const struct history *h, uint16_t service_id)
{
	int best = 256;

	for (uint16_t id = 1; id <= BACKENDS; id++) {
		if (h->backends[id].service == service_id && takes_new_flows(h, id) &&
		    backend_of(h, id)->priority < best)
			best = backend_of(h, id)->priority;
	}
	return best;
}

/* No block is two tables. */
static void check_blocks(const struct history *h)
{
	const struct dataplane *dp = &h->fake->dp;
	uint32_t used[2 * SERVICES + 3] = {0};

	for (uint16_t id = 1; id <= SERVICES; id++) {
		const struct lb_tables *tables = &dp->services[id].tables;

		if (tables->current >= dp->table_blocks || tables->former >= dp->table_blocks)
			broken(h, "service %u: no such block", id);
		if (tables->current && used[tables->current]++)
			broken(h, "block %u is used twice", tables->current);
		if (tables->former && used[tables->former]++)
			broken(h, "block %u is used twice", tables->former);
	}
}

/* What was changed takes effect. service_id 0: it may be of any service, or more than facts. */
static void put(struct history *h, uint16_t service_id)
{
	struct error err;
	int ret;

	find_facts(h);
	if (service_id)
		ret = sync_service(h->sync, service_of(h, service_id), h->facts, &err);
	else
		ret = sync_all(h->sync, h->desired, h->facts, NULL, &err);
	if (ret)
		broken(h, "sync: %s", err.message);
	native_dataplane_vips(h->fake);
	check_blocks(h);
}

static uint16_t random_service(struct history *h)
{
	return h->desired->services[below(h, (uint32_t)h->desired->service_count)].id;
}

/* 0: the service has none. */
static uint16_t random_backend(struct history *h)
{
	const struct service_spec *service = service_of(h, random_service(h));

	return service->backend_count
		       ? service->backends[below(h, (uint32_t)service->backend_count)].id
		       : 0;
}

static uint16_t free_index(const struct history *h)
{
	for (uint16_t id = 1; id <= BACKENDS; id++) {
		if (!h->backends[id].used && h->backends[id].rests_until <= rounds(h))
			return id;
	}
	return 0;
}

/* One of some addresses, so that who was removed may come back. */
static struct endpoint random_endpoint(struct history *h)
{
	struct endpoint endpoint;
	struct error err;
	char text[32];

	snprintf(text, sizeof(text), "198.18.1.%u:%d", 1 + below(h, 40), VIP_PORT);
	assert_int_equal(parse_endpoint(text, 0, &endpoint, &err), 0);
	return endpoint;
}

static void add_backend(struct history *h, uint16_t service_id)
{
	static const uint16_t weights[] = {1, 1, 1, 2, 7, 100};
	struct service_spec *service = service_of(h, service_id);
	struct backend_spec spec;
	struct error err;

	backend_spec_init(&spec);
	spec.id = free_index(h);
	spec.endpoint = random_endpoint(h);
	spec.weight = weights[below(h, 6)];
	spec.priority = chance(h, 15);
	if (!spec.id || service_backend(service, &spec.endpoint))
		return;
	assert_int_equal(service_add_backend(service, &spec, &err), 0);
	h->backends[spec.id] =
		(struct backend){.used = true, .healthy = true, .service = service_id};
	trace(h, "service %u: backend %u comes, weight %u, priority %u", service_id, spec.id,
	      spec.weight, spec.priority);
}

static void remove_backend(struct history *h, uint16_t id)
{
	trace(h, "service %u: backend %u goes", h->backends[id].service, id);
	service_remove_backend(service_of(h, h->backends[id].service), backend_of(h, id));
	release_flows(h, id);
	h->backends[id] = (struct backend){.rests_until = rounds(h) + 2};
}

static void random_timeouts(struct history *h, uint64_t timeout_ms[LB_FLOW_STATES])
{
	static const uint64_t established[] = {20, 60, 60, 300, 900, 7200};
	static const uint64_t closing[] = {2, 10, 30, 100, 600};

	timeout_ms[LB_FLOW_EMBRYONIC] = 1000 * (uint64_t)(3 + below(h, 28));
	timeout_ms[LB_FLOW_ESTABLISHED] = 1000 * established[below(h, 6)];
	timeout_ms[LB_FLOW_CLOSING] = 1000 * closing[below(h, 5)];
}

static void add_service(struct history *h, uint16_t id)
{
	struct service_spec spec;
	char text[VIP_TEXT_MAX];
	struct error err;

	service_spec_init(&spec);
	spec.id = id;
	spec.mode = LB_MODE_L2;
	snprintf(spec.name, sizeof(spec.name), "s%u", id);
	random_timeouts(h, spec.timeout_ms);
	spec.vips = calloc(1, sizeof(*spec.vips));
	assert_non_null(spec.vips);
	spec.vip_count = 1;
	spec.vips[0].id = id;
	snprintf(text, sizeof(text), "tcp://198.18.0.%u:%d", id, VIP_PORT);
	assert_int_equal(parse_vip(text, &spec.vips[0].vip, &err), 0);
	trace(h, "service %u: idle times %" PRIu64 ", %" PRIu64 ", %" PRIu64 " ms", id,
	      spec.timeout_ms[1], spec.timeout_ms[2], spec.timeout_ms[3]);
	assert_int_equal(desired_add_service(h->desired, &spec, &err), 0);
	for (uint32_t i = 2 + below(h, 4); i > 0; i--)
		add_backend(h, id);
}

/* --- time, and the agent's rounds --- */

static uint32_t age_of(const struct history *h, const struct flow *flow)
{
	const struct dataplane_clock *clock = &h->fake->dp.clock;
	uint8_t shift =
		flow->state == LB_FLOW_EMBRYONIC ? clock->tick_shift : clock->coarse_tick_shift;

	return (uint32_t)((h->now >> shift) - (flow->last >> shift));
}

/* Has it begun, and was it never idle for too long? */
static bool is_alive(const struct history *h, const struct flow *flow)
{
	const struct lb_service *service = &h->fake->dp.services[flow->service];

	return flow->begun && age_of(h, flow) <= service->timeout[flow->state];
}

/* Flows of a backend that may still carry data, or be taken for such, and, in *ret_sure, those that
 * certainly do. */
static uint32_t ideal_flows(const struct history *h, uint16_t backend_id, uint32_t *ret_sure)
{
	uint32_t most = 0;

	*ret_sure = 0;
	for (size_t i = 0; i < FLOWS; i++) {
		const struct flow *flow = &h->flows[i];

		if (flow->backend != backend_id || !flow->begun)
			continue;
		most++;
		*ret_sure += is_alive(h, flow) && flow->held && flow->state != LB_FLOW_CLOSING &&
			     rounds(h) >= flow->known_from;
	}
	return most;
}

/* As run_drained() has it, but that nobody waits for flows that are not tracked. */
static void watch_drain(struct history *h, uint16_t id)
{
	struct backend *backend = &h->backends[id];
	const struct backend_spec *spec = backend->used ? backend_of(h, id) : NULL;
	uint32_t sure, most;

	if (!spec || !drains(spec) || backend->drained || !is_tracked(h, backend->service) ||
	    rounds(h) < backend->drain_rounds + 2 || flow_scan_counts(h->scan)->entries[id] ||
	    sync_hides_flows(h->sync, backend->service, id))
		return;
	most = ideal_flows(h, id, &sure);
	if (sure)
		broken(h, "backend %u is drained, but %u of its flows are alive (of %u)", id, sure,
		       most);
	trace(h, "backend %u is drained", id);
	backend->drained = true;
	if (!spec->removing)
		return;
	remove_backend(h, id);
	put(h, 0);
}

static void end_round(struct history *h)
{
	uint32_t sampled = h->load ? h->load : flow_scan_counts(h->scan)->sampled;

	sync_round(h->sync, sampled, h->now);
	check_blocks(h);
	for (uint16_t id = 1; id <= BACKENDS; id++)
		watch_drain(h, id);
}

/* The flow table folds and unfolds with the flows. */
static void follow_fold(struct history *h)
{
	uint32_t before = h->fold.now, former = h->fold.former;

	flow_fold_follow(&h->fold, &h->fake->dp, h->now);
	if (h->fold.now != before || h->fold.former != former)
		trace(h, "the flow table is folded %u times, and was %u", h->fold.now,
		      h->fold.former);
}

static void pass_time(struct history *h, uint64_t jiffies)
{
	uint64_t step = jiffies > 60 * HZ ? h->round : h->round / 4, part;

	for (; jiffies; jiffies -= step) {
		if (step > jiffies)
			step = jiffies;
		native_dataplane_now(h->fake, h->now += step);
		part = h->part + step * BUCKETS;
		h->part = part % h->round;
		if (flow_scan_step(h->scan, h->now, (uint32_t)(part / h->round)))
			end_round(h);
		follow_fold(h);
	}
}

static void begin_agent(struct history *h)
{
	bool named[BACKENDS + 1] = {false};

	h->sync = sync_new(&h->fake->dp);
	h->scan = flow_scan_new(&h->fake->dp);
	assert_non_null(h->sync);
	assert_non_null(h->scan);
	h->fold = flow_fold_adopt(h->fake->dp.switches->flow_fold, FOLDED,
				  dataplane_coarse(&h->fake->dp.clock, h->now));
	flow_scan_tell(h->scan, sync_marks(h->sync));
	flow_scan_named(&h->fake->dp, named);
	for (uint16_t id = 1; id <= BACKENDS; id++) {
		h->backends[id].rests_until = named[id] ? 2 : 0;
		h->backends[id].drain_rounds = 0;
	}
	for (size_t i = 0; i < FLOWS; i++)
		h->flows[i].known_from = 2;
}

static void end_agent(struct history *h)
{
	sync_free(h->sync);
	flow_scan_free(h->scan);
	h->sync = NULL;
	h->scan = NULL;
}

/* --- packets --- */

static size_t make_frame(const struct flow *flow, uint32_t flags, uint8_t *frame)
{
	struct ethhdr eth = {.h_dest = {2, 0, 0, 0, 0, 3}, .h_proto = htons(ETH_P_IP)};
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(sizeof(struct iphdr) + sizeof(struct tcphdr)),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.saddr = htonl(flow->client),
		.daddr = htonl(0xc6120000 + flow->service),
	};
	struct tcphdr tcp = {
		.source = htons(flow->port),
		.dest = htons(VIP_PORT),
		.doff = sizeof(tcp) / 4,
		.syn = !!(flags & SYN),
		.ack = !!(flags & ACK),
		.fin = !!(flags & FIN),
		.rst = !!(flags & RST),
	};

	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	memcpy(frame + sizeof(eth) + sizeof(ip), &tcp, sizeof(tcp));
	return sizeof(eth) + sizeof(ip) + sizeof(tcp);
}

/* Which backend the packet goes to; 0: none. */
static uint16_t run(const struct history *h, const struct flow *flow, uint32_t flags)
{
	static uint8_t frame[NATIVE_FRAME_MAX];
	size_t size = make_frame(flow, flags, frame);
	struct native_result result;

	assert_int_equal(native_run(frame, &size, INTERFACE, &result), 0);
	if (result.service_id != flow->service)
		broken(h, "a packet to service %u comes to %u", flow->service, result.service_id);
	if (result.verdict == LB_NO_BACKEND)
		return 0;
	if (result.verdict != LB_FORWARD || result.code != XDP_TX)
		broken(h, "verdict %d, code %d", result.verdict, result.code);
	return result.backend_id;
}

/* Whoever it is lives, and is the service's; there is somebody as long as there is for new ones. */
static void check_anybody(const struct history *h, const struct flow *flow, uint16_t backend)
{
	if (backend && (!h->facts[backend].alive || h->backends[backend].service != flow->service))
		broken(h, "flow %td goes to backend %u, which is none", flow - h->flows, backend);
	if (!backend && best_priority(h, flow->service) < 256)
		broken(h, "flow %td goes nowhere", flow - h->flows);
}

static void check_new(const struct history *h, const struct flow *flow, uint16_t backend)
{
	check_anybody(h, flow, backend);
	if (backend && (!takes_new_flows(h, backend) ||
			backend_of(h, backend)->priority != best_priority(h, flow->service)))
		broken(h, "flow %td begins with backend %u, which takes no new flows",
		       flow - h->flows, backend);
}

static void check_packet(const struct history *h, const struct flow *flow, uint32_t flags,
			 uint16_t backend)
{
	bool alive = is_alive(h, flow);
	/* May be taken for one that was sent again. */
	bool again = flags == SYN && alive && flow->state == LB_FLOW_EMBRYONIC;

	if (flags == SYN && !again)
		check_new(h, flow, backend);
	else if (!again && alive && flow->held && backend != flow->backend)
		broken(h, "flow %td moves from backend %u to %u", flow - h->flows, flow->backend,
		       backend);
	else
		check_anybody(h, flow, backend);
}

/*
 * What is known at least of a flow that had begun before its entry was made. It is remembered like
 * any other where strangers are; elsewhere only until a handshake would be over, unless it has an
 * entry all the same.
 */
static enum lb_flow_state stranger_state(const struct history *h, uint16_t service_id)
{
	const struct lb_service *service = &h->fake->dp.services[service_id];
	const uint64_t *timeout_ms = service_of(h, service_id)->timeout_ms;

	if (service->flags & LB_SERVICE_TRACK_CHANGED || service->tables.former ||
	    timeout_ms[LB_FLOW_ESTABLISHED] < timeout_ms[LB_FLOW_EMBRYONIC])
		return LB_FLOW_INHERITED;
	return LB_FLOW_EMBRYONIC;
}

static enum lb_flow_state next_state(const struct history *h, const struct flow *flow,
				     uint32_t flags, bool alive)
{
	if (flags == SYN)
		return LB_FLOW_EMBRYONIC;
	if (flags & (FIN | RST) || (alive && flow->state == LB_FLOW_CLOSING))
		return LB_FLOW_CLOSING;
	if (alive && flow->held)
		return LB_FLOW_ESTABLISHED;
	return stranger_state(h, flow->service);
}

static void note_packet(struct history *h, struct flow *flow, uint32_t flags, uint16_t backend)
{
	bool alive = is_alive(h, flow), same = flow->backend == backend;
	bool again = flags == SYN && flow->state == LB_FLOW_EMBRYONIC && alive && same;

	if (!backend) {
		flow->held = false;
		return;
	}
	if (!flow->held || !alive)
		flow->known_from = rounds(h) + 2;
	/* One that ends and is a stranger is none. */
	flow->begun = flags == SYN || (flow->held && alive) ||
		      !(flags & (FIN | RST) || flow->state == LB_FLOW_CLOSING);
	flow->state = next_state(h, flow, flags, alive);
	flow->backend = backend;
	flow->held = is_tracked(h, flow->service);
	if (!again) /* the handshake began with the first */
		flow->last = h->now;
}

static void send_packet(struct history *h, struct flow *flow, uint32_t flags)
{
	static const char *const states[] = {"inherited", "embryonic", "established", "closing"};
	uint16_t backend = run(h, flow, flags);

	trace(h, "flow %td of service %u: %s%s%s%s goes to %u (%s %u ticks ago%s)", flow - h->flows,
	      flow->service, flags & SYN ? "S" : "", flags & ACK ? "A" : "", flags & FIN ? "F" : "",
	      flags & RST ? "R" : "", backend, flow->begun ? states[flow->state] : "new",
	      age_of(h, flow), flow->held ? "" : ", not held");
	check_packet(h, flow, flags, backend);
	note_packet(h, flow, flags, backend);
}

static void new_flow(struct history *h, struct flow *flow)
{
	*flow = (struct flow){
		.service = random_service(h),
		.client = 0x0a000000 + h->clients++,
		.port = (uint16_t)(1024 + below(h, 60000)),
	};
	send_packet(h, flow, SYN);
}

static void random_packet(struct history *h)
{
	struct flow *flow = &h->flows[below(h, FLOWS)];
	uint32_t what = below(h, 100);

	if (!flow->begun || !service_of(h, flow->service) || (!is_alive(h, flow) && what < 80)) {
		new_flow(h, flow);
	} else if (flow->state == LB_FLOW_EMBRYONIC) {
		send_packet(h, flow, what < 85 ? ACK : what < 95 ? SYN : RST | ACK);
	} else if (flow->state != LB_FLOW_CLOSING) {
		send_packet(h, flow,
			    what < 95   ? ACK
			    : what < 98 ? FIN | ACK
			    : what < 99 ? RST
					: SYN);
	} else {
		send_packet(h, flow, what < 70 ? ACK : what < 80 ? FIN | ACK : SYN);
	}
}

/* --- changes --- */

static void change_backend(struct history *h, struct backend_spec *spec)
{
	static const uint16_t weights[] = {0, 1, 1, 2, 7, 100};
	struct backend *backend = &h->backends[spec->id];

	switch (below(h, 7)) {
	case 0:
		spec->weight = weights[below(h, 6)];
		trace(h, "backend %u has weight %u", spec->id, spec->weight);
		break;
	case 1:
		spec->priority = chance(h, 30);
		trace(h, "backend %u has priority %u", spec->id, spec->priority);
		break;
	case 2:
	case 3:
		spec->state = spec->state == ADMIN_UP ? ADMIN_DRAIN : ADMIN_UP;
		spec->removing = spec->state != ADMIN_UP && chance(h, 50);
		backend->drain_rounds = rounds(h);
		backend->drained = false;
		trace(h, "backend %u %s%s", spec->id, drains(spec) ? "drains" : "is taken back",
		      spec->removing ? " and is to go" : "");
		break;
	case 4:
		remove_backend(h, spec->id);
		break;
	default:
		backend->healthy = !backend->healthy;
		trace(h, "backend %u is %s", spec->id, backend->healthy ? "up" : "down");
	}
}

/* Down for a moment and back. */
static void flap(struct history *h, uint16_t id)
{
	uint16_t service = h->backends[id].service;

	trace(h, "backend %u flaps", id);
	for (int i = 0; i < 2; i++) {
		h->backends[id].healthy = !h->backends[id].healthy;
		put(h, service);
		if (chance(h, 50))
			pass_time(h, 1 + below(h, 5 * HZ));
		if (!h->backends[id].used)
			return; /* it was drained */
	}
}

static void change_tracking(struct history *h)
{
	static const enum tracking choices[] = {TRACK_AUTO, TRACK_AUTO, TRACK_CHANGED, TRACK_ALL,
						TRACK_NONE};
	struct service_spec *service = service_of(h, random_service(h));

	service->tracking = choices[below(h, 5)];
	if (service->tracking == TRACK_CHANGED)
		service->scheduler = LB_SCHEDULER_MAGLEV;
	trace(h, "service %u: tracking %d", service->id, service->tracking);
	for (size_t i = 0; i < FLOWS && service->tracking == TRACK_NONE; i++)
		h->flows[i].held &= h->flows[i].service != service->id;
}

static void change_scheduler(struct history *h)
{
	struct service_spec *service = service_of(h, random_service(h));

	service->scheduler = service->scheduler == LB_SCHEDULER_MAGLEV ? LB_SCHEDULER_SOURCE
								       : LB_SCHEDULER_MAGLEV;
	if (service->tracking == TRACK_CHANGED)
		service->tracking = TRACK_AUTO;
	trace(h, "service %u: scheduler %d", service->id, service->scheduler);
}

/* How many entries the sample seems to have: a few, so many that it becomes smallest, or neither.
 */
static void change_load(struct history *h)
{
	static const uint32_t loads[] = {0, FLOW_SAMPLE_MAX * 256, FLOW_SAMPLE_MAX * 3,
					 FLOW_SAMPLE_MIN + 1};

	h->load = loads[below(h, 4)];
	trace(h, "entries of the sample: %u; mask %u, counted %u", h->load,
	      h->fake->dp.switches->sample_mask, h->fake->dp.switches->counted_mask);
}

static void replace_service(struct history *h)
{
	struct service_spec *service = service_of(h, random_service(h));
	uint16_t id = service->id;

	trace(h, "service %u goes", id);
	while (service->backend_count)
		remove_backend(h, service->backends[0].id);
	desired_remove_service(h->desired, service);
	put(h, 0);
	for (size_t i = 0; i < FLOWS; i++) {
		if (h->flows[i].service == id)
			h->flows[i].begun = false;
	}
	pass_time(h, below(h, 10 * HZ));
	add_service(h, id);
	put(h, 0);
}

static void restart_agent(struct history *h)
{
	trace(h, "the agent is restarted");
	end_agent(h);
	if (chance(h, 50)) {
		native_dataplane_now(h->fake, h->now += below(h, 20 * HZ));
		for (uint32_t i = below(h, 20); i > 0; i--)
			random_packet(h);
	}
	begin_agent(h);
	put(h, 0);
}

/* Every count is of so many flows as there are, if every flow has an entry. */
static void check_counts(struct history *h)
{
	const struct lb_switches *switches = h->fake->dp.switches;
	const struct flow_counts *counts = flow_scan_counts(h->scan);
	uint32_t sure, most;

	while (!flow_scan_step(h->scan, h->now, BUCKETS))
		;
	end_round(h);
	flow_scan_step(h->scan, h->now, BUCKETS);
	end_round(h);
	for (uint16_t id = 1; id <= BACKENDS && !switches->counted_mask; id++) {
		if (!h->backends[id].used || !is_tracked(h, h->backends[id].service))
			continue;
		most = ideal_flows(h, id, &sure);
		if (counts->active[id] < sure || counts->active[id] > most)
			broken(h, "backend %u has %u flows, counted are %u", id, sure,
			       counts->active[id]);
	}
}

/* Of desired state or of what is known; takes effect by put(). */
static void change_something(struct history *h)
{
	uint16_t id = random_backend(h);
	uint32_t what = below(h, 100);

	if (what < 70 && id)
		change_backend(h, backend_of(h, id));
	else if (what < 85 || !id)
		add_backend(h, random_service(h));
	else if (what < 95)
		change_tracking(h);
	else
		change_scheduler(h);
}

static void random_change(struct history *h)
{
	uint16_t id = random_backend(h);
	uint32_t what = below(h, 100);

	if (what < 60) {
		do
			change_something(h);
		while (chance(h, 20));
		put(h, 0);
	} else if (what < 75) {
		if (id)
			flap(h, id);
	} else if (what < 80) {
		restart_agent(h);
	} else if (what < 88) {
		check_counts(h);
	} else if (what < 98) {
		change_load(h);
	} else {
		replace_service(h);
	}
}

/* --- histories --- */

static uint64_t longest_idle(const struct history *h)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < h->desired->service_count; i++) {
		for (int state = LB_FLOW_EMBRYONIC; state < LB_FLOW_STATES; state++) {
			if (h->desired->services[i].timeout_ms[state] > longest)
				longest = h->desired->services[i].timeout_ms[state];
		}
	}
	return longest * HZ / 1000;
}

static void random_time(struct history *h)
{
	uint32_t what = below(h, 100);

	if (what < 90)
		pass_time(h, 1 + below(h, 3 * HZ));
	else if (what < 98)
		pass_time(h, 1 + below(h, 60 * HZ));
	else
		pass_time(h, random64(h) % (longest_idle(h) * 5 / 4));
}

/* Nobody sends any more, and nothing changes: then no slot stays marked. */
static void check_silence(struct history *h)
{
	put(h, 0);
	pass_time(h, longest_idle(h) + 4 * HZ + 4 * h->round);
	for (uint16_t id = 1; id <= SERVICES; id++) {
		if (h->fake->dp.services[id].tables.former)
			broken(h, "service %u still has marks", id);
	}
	for (uint32_t i = 0; i < BUCKETS * LB_FLOW_WAYS; i++) {
		if (h->fake->dp.flows[i / LB_FLOW_WAYS].word[i % LB_FLOW_WAYS])
			broken(h, "the flow table still has an entry");
	}
}

static void history_run(uint64_t seed, bool traced)
{
	const bool large = seed % 10 == 9;
	const struct dataplane_sizes sizes = {
		.services = SERVICES,
		.backends = BACKENDS,
		.vips = SERVICES,
		.flows = BUCKETS * LB_FLOW_WAYS,
		.table_size = large ? 65537 : 251,
	};
	struct history *h = calloc(1, sizeof(*h));
	uint32_t steps = large ? STEPS / 10 : STEPS;

	assert_non_null(h);
	h->seed = h->random = seed;
	h->trace = traced;
	h->fake = native_dataplane_new(&sizes, seed);
	h->desired = desired_new();
	assert_non_null(h->fake);
	assert_non_null(h->desired);
	native_dataplane_now(h->fake, h->now = random64(h) >> 30);
	h->round = HZ * (1 + below(h, 4));
	begin_agent(h);
	for (uint16_t id = 1; id <= SERVICES; id++)
		add_service(h, id);
	put(h, 0);
	for (h->step = 1; h->step <= steps; h->step++) {
		uint32_t what = below(h, 100);

		if (what < 30)
			random_time(h);
		else if (what < 94)
			random_packet(h);
		else
			random_change(h);
	}
	check_silence(h);
	end_agent(h);
	desired_free(h->desired);
	native_dataplane_free(h->fake);
	free(h);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	struct error err;
	uint64_t value;

	if (!text)
		return otherwise;
	assert_int_equal(parse_number(text, 0, UINT32_MAX, &value, &err), 0);
	return value;
}

static void test_histories(void **state)
{
	uint64_t count = number_from("TRACKING_HISTORIES", HISTORIES);
	uint64_t first = number_from("TRACKING_SEED", 1);

	(void)state;
	for (uint64_t seed = first; seed < first + count; seed++)
		history_run(seed, getenv("TRACKING_TRACE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
