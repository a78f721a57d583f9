/* SPDX-License-Identifier: Apache-2.0 */
/* The flow table of bpf/flow.h, built natively. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "native_map.h"

/* clang for BPF is not asked for these warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "flow.h"
#pragma GCC diagnostic pop

#define NOW     0x123456789ULL /* jiffies */
#define SECOND  250ULL         /* jiffies at HZ 250 */
#define SERVICE 1
#define BACKEND 1

static uint64_t jiffies = NOW;

__u64 bpf_jiffies64(void)
{
	return jiffies;
}

/* splitmix64 (Steele, Lea, Flood 2014): the same numbers in every run. */
static uint64_t random_state;

static uint64_t random64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* An empty table, and one service whose only backend is BACKEND. */
static struct lb_service *fresh_table(uint32_t buckets)
{
	const struct lb_backend backend = {.hop.flags = LB_BACKEND_UP, .service = SERVICE};
	const struct lb_service service = {
		.tables = {.current = 1},
		.mode = LB_MODE_L2,
		.flags = LB_SERVICE_TRACK,
		.begun_state = LB_FLOW_EMBRYONIC,
		.timeout = {0, 10 * SECOND, 300, 10},
	};
	struct lb_slot_line line;
	uint32_t index = BACKEND, i;

	random_state = 1;
	native_maps_free();
	for (i = 0; i < LB_HASH_KEYS; i++)
		lb_hash_key[i] = random64();
	lb_flow_mask = buckets - 1;
	lb_switches.flow_fold = 0;
	lb_table_size = 31;
	lb_table_lines = 1;
	native_map_resize(native_map_of(NATIVE_SHAPE(&flows)), buckets);
	for (i = 0; i < LB_SLOTS_PER_LINE; i++)
		line.backend[i] = BACKEND;
	bpf_map_update_elem(&backends, &index, &backend, BPF_ANY);
	bpf_map_update_elem(&slots, &index, &line, BPF_ANY);
	index = SERVICE;
	bpf_map_update_elem(&services, &index, &service, BPF_ANY);
	return bpf_map_lookup_elem(&services, &index);
}

/* One packet at a time: they share their tuple. */
static struct packet client_packet(uint32_t client, uint16_t port, uint8_t tcp_flags)
{
	static struct lb_tuple tuple;

	tuple = (struct lb_tuple){
		.src.word = {0, 0, bpf_htonl(0xffff), bpf_htonl(client)},
		.dst.word = {0, 0, bpf_htonl(0xffff), bpf_htonl(0xc612000a)},
		.src_port = bpf_htons(port),
		.dst_port = bpf_htons(80),
		.l4_proto = IPPROTO_TCP,
	};
	return (struct packet){
		.tuple = &tuple,
		.is_ipv4 = true,
		.l4_proto = IPPROTO_TCP,
		.tcp_flags = tcp_flags,
	};
}

static void send_packet(struct lb_service *service, const struct packet *pkt)
{
	struct decision d = {
		.service = service,
		.service_id = SERVICE,
		.hash = flow_hash(pkt->tuple, pkt->is_ipv4),
	};

	assert_int_equal(flow_assign(NULL, pkt, &d), LB_PASS);
	assert_int_equal(d.backend_id, BACKEND);
}

/* The entry of the packet's flow; 0: it has none. */
static uint64_t entry_of(const struct packet *pkt)
{
	uint64_t hash = flow_hash(pkt->tuple, pkt->is_ipv4);
	__u64 seen;

	flow_find(flow_bucket(flow_home(hash)), hash, jiffies, false, &seen);
	return seen;
}

/* A word with fingerprint `name`, stamped `ago` jiffies before NOW. */
static uint64_t word(uint32_t name, uint32_t state, uint64_t ago)
{
	return flow_word((uint64_t)name << LB_FLOW_FINGERPRINT_SHIFT, BACKEND, state,
			 flow_clock(NOW - ago));
}

static bool holds(const struct lb_flow_bucket *bucket, uint64_t wanted)
{
	int way;

	for (way = 0; way < LB_FLOW_WAYS; way++)
		if (bucket->word[way] == wanted)
			return true;
	return false;
}

static void test_eviction_order(void **state)
{
	const uint64_t established_old = word(1, LB_FLOW_ESTABLISHED, 200 * SECOND);
	const uint64_t established_new = word(2, LB_FLOW_ESTABLISHED, 100 * SECOND);
	const uint64_t embryonic_old = word(3, LB_FLOW_EMBRYONIC, 9 * SECOND);
	const uint64_t embryonic_new = word(4, LB_FLOW_EMBRYONIC, 1 * SECOND);
	const uint64_t closing_old = word(5, LB_FLOW_CLOSING, 8 * SECOND);
	const uint64_t closing_new = word(6, LB_FLOW_CLOSING, 2 * SECOND);
	const uint64_t order[] = {closing_old, closing_new, embryonic_old, embryonic_new};
	const struct lb_flow_bucket full = {
		.word = {established_old, embryonic_new, closing_new, established_new,
			 word(7, LB_FLOW_ESTABLISHED, 0), closing_old, 0, embryonic_old},
	};
	struct lb_flow_bucket *bucket;
	const uint64_t last = word(20, LB_FLOW_ESTABLISHED, 0);
	size_t i;

	(void)state;
	fresh_table(1);
	bucket = flow_bucket(0);
	*bucket = full;
	flow_insert(0, word(10, LB_FLOW_ESTABLISHED, 0), false, NOW);
	for (i = 0; i < 4; i++) /* the empty word went first */
		assert_true(holds(bucket, order[i]));
	for (i = 0; i < 4; i++) {
		flow_insert(0, word(11 + i, LB_FLOW_ESTABLISHED, 0), false, NOW);
		assert_false(holds(bucket, order[i]));
		assert_true(i == 3 || holds(bucket, order[i + 1]));
	}
	flow_insert(0, last, false, NOW);
	assert_false(holds(bucket, last));
	flow_insert(0, last, true, NOW);
	assert_true(holds(bucket, last));
	assert_false(holds(bucket, established_old));
	assert_true(holds(bucket, established_new));
}

/* Every way is found by its fingerprint; where two CPUs entered a flow at once, the first. */
static void test_every_way_is_found(void **state)
{
	const uint64_t first = word(~0U, LB_FLOW_ESTABLISHED, 0); /* whose first way is the last */
	struct lb_flow_bucket *bucket;
	__u64 seen, *found;
	int way;

	(void)state;
	fresh_table(1);
	bucket = flow_bucket(0);
	for (way = 0; way < LB_FLOW_WAYS; way++)
		bucket->word[way] = word(100 + way, LB_FLOW_ESTABLISHED, 0);
	for (way = 0; way < LB_FLOW_WAYS; way++) {
		found = flow_find(bucket, bucket->word[way], NOW, false, &seen);
		assert_ptr_equal(found, &bucket->word[way]);
		assert_int_equal(seen, bucket->word[way]);
	}
	flow_find(bucket, word(200, LB_FLOW_ESTABLISHED, 0), NOW, false, &seen);
	assert_int_equal(seen, 0);
	bucket->word[5] = bucket->word[2];
	bucket->word[7] = bucket->word[2];
	found = flow_find(bucket, bucket->word[7], NOW, false, &seen);
	assert_ptr_equal(found, &bucket->word[2]);
	bucket->word[6] = bucket->word[7] = first;
	found = flow_find(bucket, first, NOW, false, &seen);
	assert_ptr_equal(found, &bucket->word[7]);
}

/* A flow takes its first way, from which all others are spread; and another if that is taken. */
static void test_first_way(void **state)
{
	struct lb_flow_bucket *bucket;
	uint32_t way;

	(void)state;
	fresh_table(1);
	bucket = flow_bucket(0);
	for (way = 0; way < LB_FLOW_WAYS; way += 2) {
		flow_insert(0, word(way << 29, LB_FLOW_ESTABLISHED, 0), 0, NOW);
		assert_true(bucket->word[way]);
		flow_insert(0, word(way << 29 | 1, LB_FLOW_ESTABLISHED, 0), 0, NOW);
		assert_true(holds(bucket, word(way << 29 | 1, LB_FLOW_ESTABLISHED, 0)));
	}
	for (way = 0; way < LB_FLOW_WAYS; way++)
		assert_true(bucket->word[way]);
}

/* A clock that wraps between stamp and now changes no age. */
static uint64_t stamped(uint64_t hash, uint32_t state, uint64_t when)
{
	return flow_word(hash, 1, state, flow_clock(when));
}

static uint32_t age(uint64_t word, uint64_t when)
{
	return flow_age(word, flow_clock(when));
}

static void test_ages_across_wraps(void **state)
{
	const uint64_t now = (LB_FLOW_TIME_MASK + 1) << 8; /* both clocks stand at 0 */
	uint64_t hash = 1ULL << LB_FLOW_FINGERPRINT_SHIFT;

	(void)state;
	fresh_table(1);
	assert_int_equal(age(stamped(hash, LB_FLOW_EMBRYONIC, now - 5), now), 5);
	assert_int_equal(age(stamped(hash, LB_FLOW_ESTABLISHED, now - (5U << 8)), now), 5);
	assert_int_equal(age(stamped(hash, LB_FLOW_CLOSING, now - 1), now), 1);
}

/* Two CPUs read the clock at a tick's two sides: an entry stamped ahead of this packet's clock is
 * new, not as old as can be. */
static void test_stamp_ahead_is_not_old(void **state)
{
	const uint64_t now = NOW & ~0xffULL; /* a coarse tick has just begun */
	uint64_t hash = 1ULL << LB_FLOW_FINGERPRINT_SHIFT;

	(void)state;
	assert_int_equal(age(stamped(hash, LB_FLOW_EMBRYONIC, now), now - 1), 0);
	assert_int_equal(age(stamped(hash, LB_FLOW_ESTABLISHED, now), now - 1), 0);
	assert_int_equal(age(stamped(hash, LB_FLOW_CLOSING, now), now - 1), 0);
}

static uint32_t count_established(uint32_t clients)
{
	struct packet pkt;
	uint32_t i, count = 0;

	for (i = 0; i < clients; i++) {
		pkt = client_packet(i, 40000, TCP_ACK);
		count += flow_state(entry_of(&pkt)) == LB_FLOW_ESTABLISHED;
	}
	return count;
}

static void test_syn_flood_evicts_no_established_flow(void **state)
{
	enum { BUCKETS = 64, FLOWS = 256, FLOOD = 1 << 18, MOST = 230 };
	struct lb_service *service = fresh_table(BUCKETS);
	struct lb_flow_stats *stats;
	struct packet pkt;
	uint32_t i, zero = 0, before;

	(void)state;
	for (i = 0; i < FLOWS; i++) {
		pkt = client_packet(i, 40000, TCP_SYN);
		send_packet(service, &pkt);
		pkt.tcp_flags = TCP_ACK;
		send_packet(service, &pkt);
	}
	before = count_established(FLOWS);
	assert_in_range(before, MOST, FLOWS);
	stats = bpf_map_lookup_elem(&flow_stats, &zero);
	*stats = (struct lb_flow_stats){{0}};
	for (i = 0; i < FLOOD; i++) {
		pkt = client_packet(0x0a000000 | (random64() & 0xffffff), random64(), TCP_SYN);
		jiffies = NOW + i / 64; /* 16,000 SYNs a second */
		send_packet(service, &pkt);
	}
	jiffies = NOW;
	assert_int_equal(count_established(FLOWS), before);
	assert_int_equal(stats->evictions[LB_FLOW_ESTABLISHED], 0);
	assert_true(stats->evictions[LB_FLOW_EMBRYONIC] > FLOOD / 2);
}

/* How many of so many flows have no entry in a table of so many buckets. */
static uint32_t lost_of(uint32_t clients, uint32_t buckets)
{
	struct lb_service *service = fresh_table(buckets);
	struct packet pkt;
	uint32_t i, lost = 0;
	uint64_t entry;

	for (i = 0; i < clients; i++) {
		pkt = client_packet(0x0a000000 + i / 64, 1024 + i % 64, TCP_SYN);
		send_packet(service, &pkt);
	}
	for (i = 0; i < clients; i++) {
		pkt = client_packet(0x0a000000 + i / 64, 1024 + i % 64, TCP_ACK);
		entry = entry_of(&pkt);
		if (!entry)
			lost++;
		else
			assert_int_equal(flow_backend(entry), BACKEND);
	}
	return lost;
}

/* Half full, the sixteen ways of two buckets side by side are too few for 0.08 % of the flows if
 * they spread evenly (Poisson, mean 8): 208 of these, with a standard deviation of 20. */
static void test_many_flows(void **state)
{
	(void)state;
	assert_in_range(lost_of(1 << 18, 1 << 16), 140, 280);
	assert_int_equal(lost_of(3 << 16, 1 << 17), 0);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t count_equal_pairs(uint32_t *values, size_t count)
{
	uint32_t pairs = 0;
	size_t i, first = 0;

	qsort(values, count, sizeof(*values), compare_u32);
	for (i = 1; i < count; i++) {
		if (values[i] != values[first])
			first = i;
		pairs += i - first;
	}
	return pairs;
}

/*
 * Two flows share all of a 32-bit value by a chance of 2^-32, so of 2^20 flows 128 pairs do
 * (standard deviation 11). That holds for the fingerprint, hence a lookup meets a stranger's
 * among the eight words of its bucket by 8 * 2^-32 at most; and, on a reduced scale of 2^16
 * buckets and 16 bits of fingerprint, for bucket and fingerprint together: they are independent.
 * The flows are as regular as a port scan: 1024 clients with 1024 ports each.
 */
static void test_fingerprint_collisions(void **state)
{
	enum { FLOWS = 1 << 20 };
	uint32_t *fingerprints = calloc(FLOWS, sizeof(*fingerprints));
	uint32_t *reduced = calloc(FLOWS, sizeof(*reduced));
	struct packet pkt;
	uint64_t hash;
	uint32_t i;

	(void)state;
	assert_non_null(fingerprints);
	assert_non_null(reduced);
	fresh_table(1);
	for (i = 0; i < FLOWS; i++) {
		pkt = client_packet(0x0a000000 + i / 1024, 1024 + i % 1024, TCP_SYN);
		hash = flow_hash(pkt.tuple, pkt.is_ipv4);
		fingerprints[i] = flow_fingerprint(hash);
		reduced[i] = flow_fingerprint(hash) << 16 | (hash & 0xffff);
	}
	assert_in_range(count_equal_pairs(fingerprints, FLOWS), 128 - 5 * 11, 128 + 5 * 11);
	assert_in_range(count_equal_pairs(reduced, FLOWS), 128 - 5 * 11, 128 + 5 * 11);
	free(fingerprints);
	free(reduced);
}

static int set_clocks(void **state)
{
	(void)state;
	lb_tick_shift = 0;
	lb_coarse_tick_shift = 8;
	return 0;
}

static int forget_maps(void **state)
{
	(void)state;
	native_maps_free();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eviction_order),
		cmocka_unit_test(test_every_way_is_found),
		cmocka_unit_test(test_first_way),
		cmocka_unit_test(test_ages_across_wraps),
		cmocka_unit_test(test_stamp_ahead_is_not_old),
		cmocka_unit_test(test_syn_flood_evicts_no_established_flow),
		cmocka_unit_test(test_many_flows),
		cmocka_unit_test(test_fingerprint_collisions),
	};

	return cmocka_run_group_tests_name("flow table", tests, set_clocks, forget_maps);
}
