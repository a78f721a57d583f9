/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lb_probe_egress and lb_probe_ingress in the kernel, by BPF_PROG_TEST_RUN: a probe's packet in,
 * what a client's would be out; the reply to that in, what the socket is to see out. Skipped
 * without the right to load them.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi.h"
#include "frame.h"
#include "parse.h"
#include "probe.skel.h"

#define BACKENDS 16
#define UNSPEC   ((uint32_t)TC_ACT_UNSPEC)
#define MARK     (LB_PROBE_MARK | 7 << LB_PROBE_MARK_SHIFT) /* of agent 7 */

static struct probe *skeleton;

/* --- the program and its maps --- */

static struct lb_addr addr(const char *text)
{
	struct lb_addr bytes = {{0}};
	struct address address;
	struct error err;

	if (!text)
		return bytes;
	assert_int_equal(parse_address(text, &address, &err), 0);
	memcpy(&bytes, &address, sizeof(bytes));
	return bytes;
}

static void put(const struct bpf_map *map, uint32_t key, const void *value, size_t size)
{
	assert_int_equal(bpf_map__update_elem(map, &key, sizeof(key), value, size, BPF_ANY), 0);
}

#define OWN4  "198.18.0.1"
#define OWN6  "2001:db8::1"
#define B4    "198.18.1.11"
#define B6    "2001:db8::1:11"
#define VIP4  "198.18.0.10"
#define VIP6  "2001:db8::10"
#define OUT4  "ip4(src=" OWN4 " dst=" B4 ") "
#define OUT6  "ip6(src=" OWN6 " dst=" B6 ") "
#define PLAIN ""
#define GUE4  "udp(src=6080 dst=6080 check=0) gue(proto=4) "
#define GUE6  "udp(src=6080 dst=6080 check=0) gue(proto=41) "
#define UDP   "udp(src=6080 dst=6080 check=0) "

/* A service and a backend of the same index each. */
static const struct way {
	const char *name;
	enum lb_mode mode;
	bool vip4, backend4;
	const char *outer; /* what stands before the packet to the VIP */
} ways[] = {
	{"none", 0, true, true, PLAIN},
	{"l2, IPv4", LB_MODE_L2, true, true, PLAIN},
	{"l2, IPv6", LB_MODE_L2, false, false, PLAIN},
	{"ipip, IPv4 in IPv4", LB_MODE_IPIP, true, true, OUT4},
	{"ipip, IPv6 in IPv6", LB_MODE_IPIP, false, false, OUT6},
	{"ipip, IPv4 in IPv6", LB_MODE_IPIP, true, false, OUT6},
	{"ipip, IPv6 in IPv4", LB_MODE_IPIP, false, true, OUT4},
	{"gue, IPv4 in IPv4", LB_MODE_GUE, true, true, OUT4 GUE4},
	{"gue, IPv6 in IPv6", LB_MODE_GUE, false, false, OUT6 GUE6},
	{"gue, IPv4 in IPv6", LB_MODE_GUE, true, false, OUT6 GUE4},
	{"gue, IPv6 in IPv4", LB_MODE_GUE, false, true, OUT4 GUE6},
	{"gue variant 1, IPv4 in IPv4", LB_MODE_GUE_DIRECT, true, true, OUT4 UDP},
	{"gue variant 1, IPv6 in IPv4", LB_MODE_GUE_DIRECT, false, true, OUT4 UDP},
};

#define WAYS    (sizeof(ways) / sizeof(ways[0]))
#define WAY_L2  1
#define WAY_L26 2

static struct lb_probe_path path_of(const struct way *way)
{
	return (struct lb_probe_path){
		.vip = addr(way->vip4 ? VIP4 : VIP6),
		.own = addr(way->vip4 == way->backend4 ? NULL
			    : way->vip4                ? OWN4
						       : OWN6),
		.port = htons(80),
	};
}

static void configure(uint16_t index)
{
	const struct way *way = &ways[index];
	struct lb_service service = {.mode = (uint8_t)way->mode, .gue_port = htons(6080)};
	struct lb_backend backend = {
		.service = index,
		.is_ipv6 = !way->backend4,
		.addr = addr(way->backend4 ? B4 : B6),
		.local_addr = addr(way->backend4 ? OWN4 : OWN6),
	};
	struct lb_probe_path path = path_of(way);

	put(skeleton->maps.services, index, &service, sizeof(service));
	put(skeleton->maps.backends, index, &backend, sizeof(backend));
	put(skeleton->maps.probe_paths, index, &path, sizeof(path));
}

static int setup(void **state)
{
	(void)state;
	skeleton = probe__open();
	assert_non_null(skeleton);
	if (geteuid() != 0)
		return 0;
	bpf_map__set_max_entries(skeleton->maps.services, BACKENDS);
	bpf_map__set_max_entries(skeleton->maps.backends, BACKENDS);
	bpf_map__set_max_entries(skeleton->maps.probe_paths, BACKENDS);
	bpf_map__set_max_entries(skeleton->maps.probe_flows, 4096);
	skeleton->rodata->lb_probe_mark = MARK;
	assert_int_equal(probe__load(skeleton), 0);
	for (uint16_t i = 1; i < WAYS; i++)
		configure(i);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	probe__destroy(skeleton);
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static uint32_t sent(uint32_t index)
{
	struct lb_probe_path path;

	assert_int_equal(bpf_map__lookup_elem(skeleton->maps.probe_paths, &index, sizeof(index),
					      &path, sizeof(path), 0),
			 0);
	return path.sent;
}

/* --- one packet --- */

static void build(const char *text, struct frame *ret_frame)
{
	static struct layers layers;
	struct error err = {.message = ""};

	if (layers_parse(text, &layers, &err) < 0 || frame_build(&layers, ret_frame, &err) < 0)
		fail_msg("%s: %s", text, err.message);
}

static uint32_t run(const struct bpf_program *program, uint32_t *mark, const struct frame *in,
		    struct frame *ret_out)
{
	struct __sk_buff before = {.mark = *mark}, after = {.mark = 0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes,
		    .data_size_in = (uint32_t)in->size, .data_out = ret_out->bytes,
		    .data_size_out = FRAME_MAX, .ctx_in = &before, .ctx_size_in = sizeof(before),
		    .ctx_out = &after, .ctx_size_out = sizeof(after));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
	ret_out->size = opts.data_size_out;
	*mark = after.mark;
	return opts.retval;
}

/* An outer IPv6 header's flow label follows the kernel's hash of the flow. */
static void forget_flow_label(struct frame *frame)
{
	if (frame->bytes[12] == 0x86)
		memset(frame->bytes + ETH_HLEN + 1, 0, 3);
}

/* `out` NULL: the packet must be as it came. */
static void expect(const struct bpf_program *program, uint32_t mark, const char *in,
		   const char *out)
{
	static struct frame before, wanted, got;

	build(in, &before);
	build(out ? out : in, &wanted);
	assert_int_equal(run(program, &mark, &before, &got), UNSPEC);
	forget_flow_label(&wanted);
	forget_flow_label(&got);
	if (frame_equal(&got, &wanted))
		return;
	frame_print(stdout, &got, &wanted);
	fail_msg("%s\n  became another packet", in);
}

/* With a mark of the index's, or without any for index 0. */
static void expect_leaves(uint32_t index, const char *in, const char *out)
{
	uint32_t before = sent(index);

	expect(skeleton->progs.lb_probe_egress, index ? MARK | index : 0, in, out);
	assert_int_equal(sent(index) - before, out != NULL);
}

static void expect_comes(const char *in, const char *out)
{
	expect(skeleton->progs.lb_probe_ingress, 0, in, out);
}

/* --- there and back --- */

static const struct {
	const char *request, *reply;
} talks[] = {
	{"tcp(src=33000 dst=80 flags=S)", "tcp(src=80 dst=33000 flags=SA)"},
	{"tcp(src=33001 dst=80) data(\"odd\")", "tcp(src=80 dst=33001) data(len=1200)"},
	{"udp(src=33002 dst=80) data(\"?\")", "udp(src=80 dst=33002) data(\"!!\")"},
};

static const char *ip(bool ipv4, const char *src, const char *dst, int ttl)
{
	static char text[2][128];
	static int turn;
	char *buffer = text[turn = !turn];

	if (ipv4)
		snprintf(buffer, sizeof(text[0]), "ip4(src=%s dst=%s ttl=%d tos=0x28) ", src, dst,
			 ttl);
	else
		snprintf(buffer, sizeof(text[0]), "ip6(src=%s dst=%s hop=%d class=0x28) ", src, dst,
			 ttl);
	return buffer;
}

static void ask(const struct way *way, uint32_t index, const char *request)
{
	const char *own = way->backend4 ? OWN4 : OWN6, *own_vip = way->vip4 ? OWN4 : OWN6;
	const char *backend = way->backend4 ? B4 : B6, *vip = way->vip4 ? VIP4 : VIP6;
	char in[512], out[512], outer[256] = "";
	const char *rest = strchr(way->outer, ')');

	/* the outer header has the inner one's DSCP */
	if (rest)
		snprintf(outer, sizeof(outer), "%.*s %s=0x28%s", (int)(rest - way->outer),
			 way->outer, way->backend4 ? "tos" : "class", rest);
	snprintf(in, sizeof(in), "eth() %s%s", ip(way->backend4, own, backend, 64), request);
	snprintf(out, sizeof(out), "eth() %s%s%s", outer,
		 ip(way->vip4, own_vip, vip, way->mode == LB_MODE_L2 ? 1 : 2), request);
	expect_leaves(index, in, out);
}

static void talk(const struct way *way, uint32_t index, const char *request, const char *reply)
{
	const char *own = way->backend4 ? OWN4 : OWN6, *own_vip = way->vip4 ? OWN4 : OWN6;
	const char *backend = way->backend4 ? B4 : B6, *vip = way->vip4 ? VIP4 : VIP6;
	char in[512], out[512];

	ask(way, index, request);
	snprintf(in, sizeof(in), "eth() %s%s", ip(way->vip4, vip, own_vip, 63), reply);
	snprintf(out, sizeof(out), "eth() %s%s", ip(way->backend4, backend, own, 63), reply);
	expect_comes(in, out);
}

static void every_way(void **state)
{
	(void)state;
	need_root();
	for (uint32_t i = 1; i < WAYS; i++) {
		for (size_t t = 0; t < sizeof(talks) / sizeof(talks[0]); t++) {
			print_message("# %s: %s\n", ways[i].name, talks[t].request);
			talk(&ways[i], i, talks[t].request, talks[t].reply);
		}
	}
}

static void echoes(void **state)
{
	(void)state;
	need_root();
	for (uint32_t i = 1; i < WAYS; i++) {
		if (ways[i].vip4 != ways[i].backend4)
			continue;
		if (ways[i].vip4)
			talk(&ways[i], i, "icmp(type=8 rest=0x12340001)",
			     "icmp(type=0 rest=0x12340001)");
		else
			talk(&ways[i], i, "icmp6(type=128 rest=0x12340001)",
			     "icmp6(type=129 rest=0x12340001)");
	}
}

/* --- what is not ours --- */

#define PROBE "eth() ip4(src=" OWN4 " dst=" B4 ") tcp(src=34000 flags=S)"
#define SENT  "eth() ip4(src=" OWN4 " dst=" VIP4 " ttl=1) tcp(src=34000 flags=S)"

static void others_pass(void **state)
{
	uint32_t before = sent(WAY_L2);

	(void)state;
	need_root();
	expect(skeleton->progs.lb_probe_egress, 0, PROBE, NULL);
	expect(skeleton->progs.lb_probe_egress, WAY_L2, PROBE, NULL);
	expect(skeleton->progs.lb_probe_egress, 0xffff0000U | WAY_L2, PROBE, NULL);
	expect(skeleton->progs.lb_probe_egress, MARK | 0xffff, PROBE, NULL);
	expect(skeleton->progs.lb_probe_egress, MARK, PROBE, NULL);
	expect(skeleton->progs.lb_probe_egress, LB_PROBE_MARK | WAY_L2, PROBE, NULL);
	assert_int_equal(sent(WAY_L2), before);
	/* the mark of ours, another's packet */
	expect_leaves(WAY_L2, "eth() ip4(src=" OWN4 " dst=198.18.1.12) tcp()", NULL);
	expect_leaves(WAY_L2, "eth() ip4(src=" OWN4 " dst=" B4 ") tcp(dst=81)", NULL);
	expect_leaves(WAY_L2, "eth() ip6(src=" OWN6 " dst=" B6 ") tcp()", NULL);
	expect_leaves(WAY_L2, "eth() ip4(src=" OWN4 " dst=" B4 ") sctp()", NULL);
	expect_leaves(WAY_L2, "eth() ip4(src=" OWN4 " dst=" B4 ") icmp(type=3 code=1)", NULL);
	expect_leaves(WAY_L2, "eth() ip4(src=" OWN4 " dst=" B4 " options=94040000) tcp()", NULL);
	expect_leaves(WAY_L2,
		      "eth() ip4(src=" OWN4 " dst=" B4 " mf=1 df=0) udp(dst=80) data(len=64)",
		      NULL);
	expect_leaves(WAY_L2, "eth() arp()", NULL);
}

static void the_mark_is_used_up(void **state)
{
	static struct frame in, out;
	uint32_t mark = MARK | WAY_L2;

	(void)state;
	need_root();
	build(PROBE, &in);
	assert_int_equal(run(skeleton->progs.lb_probe_egress, &mark, &in, &out), UNSPEC);
	assert_int_equal(mark, 0);
}

static void only_replies_are_answered_for(void **state)
{
	(void)state;
	need_root();
	expect_leaves(WAY_L2, PROBE, SENT);
	expect_comes("eth() ip4(src=" VIP4 " dst=" OWN4 ") tcp(src=80 dst=34000 flags=SA)",
		     "eth() ip4(src=" B4 " dst=" OWN4 ") tcp(src=80 dst=34000 flags=SA)");
	expect_comes("eth() ip4(src=" VIP4 " dst=" OWN4 ") tcp(src=80 dst=34001)", NULL);
	expect_comes("eth() ip4(src=" VIP4 " dst=" OWN4 ") tcp(src=81 dst=34000)", NULL);
	expect_comes("eth() ip4(src=" VIP4 " dst=198.18.0.2) tcp(src=80 dst=34000)", NULL);
	expect_comes("eth() ip4(src=198.18.0.11 dst=" OWN4 ") tcp(src=80 dst=34000)", NULL);
	expect_comes("eth() ip4(src=" VIP4 " dst=" OWN4 ") udp(src=80 dst=34000)", NULL);
	expect_comes("eth() ip4(src=" B4 " dst=" OWN4 ") tcp(src=80 dst=34000)", NULL);
	expect_comes("eth() arp()", NULL);
}

static void a_reset_is_the_end(void **state)
{
	(void)state;
	need_root();
	for (uint32_t i = 1; i < WAYS; i++) {
		const char *vip = ways[i].vip4 ? VIP4 : VIP6, *own = ways[i].vip4 ? OWN4 : OWN6;
		char late[256];

		snprintf(late, sizeof(late), "eth() %stcp(src=80 dst=36000 flags=A)",
			 ip(ways[i].vip4, vip, own, 63));
		talk(&ways[i], i, "tcp(src=36000 dst=80 flags=S)",
		     "tcp(src=80 dst=36000 flags=SA)");
		ask(&ways[i], i, "tcp(src=36000 dst=80 flags=RA)");
		expect_comes(late, NULL);
	}
}

/* A probe, and how an error quotes it: with the L4 checksum that it had, of its first bytes. */
#define ASKED    "udp(src=35000 dst=80) data(\"?\")"
#define QUOTED   "udp(src=35000 dst=80 check=0x1234) data(\"?\")"
#define QUOTED_T "tcp(src=35001 dst=80 flags=S check=0x1234)"

static const struct {
	const char *in, *out; /* NULL: as it came */
} quotes[] = {
	{"ip4(src=" VIP4 " dst=" OWN4 ") icmp(type=3 code=3) ip4(src=" OWN4 " dst=" VIP4
	 ") " QUOTED,
	 "ip4(src=" B4 " dst=" OWN4 ") icmp(type=3 code=3) ip4(src=" OWN4 " dst=" B4 ") " QUOTED},
	{"ip4(src=" B4 " dst=" OWN4 ") icmp(type=11) ip4(src=" OWN4 " dst=" VIP4 ") " QUOTED_T,
	 "ip4(src=" B4 " dst=" OWN4 ") icmp(type=11) ip4(src=" OWN4 " dst=" B4 ") " QUOTED_T},
	{"ip6(src=" VIP6 " dst=" OWN6 ") icmp6(type=1 code=4) ip6(src=" OWN6 " dst=" VIP6
	 ") " QUOTED,
	 "ip6(src=" B6 " dst=" OWN6 ") icmp6(type=1 code=4) ip6(src=" OWN6 " dst=" B6 ") " QUOTED},
	{"ip6(src=2001:db8::9 dst=" OWN6 ") icmp6(type=3) ip6(src=" OWN6 " dst=" VIP6 ") " QUOTED_T,
	 "ip6(src=2001:db8::9 dst=" OWN6 ") icmp6(type=3) ip6(src=" OWN6 " dst=" B6 ") " QUOTED_T},
	/* about others' packets, and what is no error */
	{"ip4(src=" VIP4 " dst=" OWN4 ") icmp(type=3) ip4(src=" OWN4 " dst=198.18.0.11) " QUOTED,
	 NULL},
	{"ip4(src=" VIP4 " dst=" OWN4 ") icmp(type=3) ip4(src=" OWN4 " dst=" VIP4
	 ") udp(src=35009 dst=80)",
	 NULL},
	{"ip4(src=" VIP4 " dst=" OWN4 ") icmp(type=5) ip4(src=" OWN4 " dst=" VIP4 ") " QUOTED,
	 NULL},
	{"ip4(src=" VIP4 " dst=" OWN4 ") icmp(type=3) ip4(src=" OWN4 " dst=" VIP4 ") cut(50)",
	 NULL},
	{"ip6(src=" VIP6 " dst=" OWN6 ") icmp6(type=135) data(len=64)", NULL},
};

/* ICMP errors speak of what the socket has sent, whoever sends them. */
static void errors(void **state)
{
	char in[256], out[256];

	(void)state;
	need_root();
	expect_leaves(WAY_L2, "eth() ip4(src=" OWN4 " dst=" B4 ") " ASKED,
		      "eth() ip4(src=" OWN4 " dst=" VIP4 " ttl=1) " ASKED);
	expect_leaves(WAY_L2, "eth() ip4(src=" OWN4 " dst=" B4 ") tcp(src=35001 flags=S)",
		      "eth() ip4(src=" OWN4 " dst=" VIP4 " ttl=1) tcp(src=35001 flags=S)");
	expect_leaves(WAY_L26, "eth() ip6(src=" OWN6 " dst=" B6 ") " ASKED,
		      "eth() ip6(src=" OWN6 " dst=" VIP6 " hop=1) " ASKED);
	expect_leaves(WAY_L26, "eth() ip6(src=" OWN6 " dst=" B6 ") tcp(src=35001 flags=S)",
		      "eth() ip6(src=" OWN6 " dst=" VIP6 " hop=1) tcp(src=35001 flags=S)");
	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++) {
		snprintf(in, sizeof(in), "eth() %s", quotes[i].in);
		snprintf(out, sizeof(out), "eth() %s", quotes[i].out ?: "");
		expect_comes(in, quotes[i].out ? out : NULL);
	}
}

static void none_is_asked_for(void **state)
{
	struct lb_probe_path none = {.port = htons(80)}, path = path_of(&ways[WAY_L2]);

	(void)state;
	need_root();
	put(skeleton->maps.probe_paths, WAY_L2, &none, sizeof(none));
	expect_leaves(WAY_L2, PROBE, NULL);
	put(skeleton->maps.probe_paths, WAY_L2, &path, sizeof(path));
	expect_leaves(WAY_L2, PROBE, SENT);
}

/* A wrong checksum stays wrong by as much, and UDP's 0 stays 0. */
static void checksums(void **state)
{
	(void)state;
	need_root();
	expect_leaves(WAY_L2, "eth() ip4(src=" OWN4 " dst=" B4 ") tcp(check=+7)",
		      "eth() ip4(src=" OWN4 " dst=" VIP4 " ttl=1) tcp(check=+7)");
	expect_leaves(WAY_L26, "eth() ip6(src=" OWN6 " dst=" B6 ") tcp(check=+9)",
		      "eth() ip6(src=" OWN6 " dst=" VIP6 " hop=1) tcp(check=+9)");
	expect_leaves(WAY_L2, "eth() ip4(src=" OWN4 " dst=" B4 ") udp(dst=80 check=0) data(\"x\")",
		      "eth() ip4(src=" OWN4 " dst=" VIP4 " ttl=1) udp(dst=80 check=0) data(\"x\")");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way),
		cmocka_unit_test(echoes),
		cmocka_unit_test(others_pass),
		cmocka_unit_test(the_mark_is_used_up),
		cmocka_unit_test(only_replies_are_answered_for),
		cmocka_unit_test(a_reset_is_the_end),
		cmocka_unit_test(errors),
		cmocka_unit_test(none_is_asked_for),
		cmocka_unit_test(checksums),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
