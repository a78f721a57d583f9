/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lb_decap in the kernel, by BPF_PROG_TEST_RUN: packets in the words of tests/packet, what it
 * says of them and what comes out. Skipped without the right to load it.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "decap.skel.h"
#include "decap_abi.h"
#include "frame.h"
#include "parse.h"

#define CPUS_MAX 1024

#define OUTER4 "ip4(src=172.16.3.4 dst=198.18.1.11 ttl=63 tos=0x28) "
#define OUTER6 "ip6(src=100::3:4 dst=2001:db8::1:11 hop=63 class=0x28) "

static struct decap *skeleton;

/* --- the program and its maps --- */

static void put_prefix(const struct bpf_map *map, const char *text, uint32_t bits)
{
	struct decap_prefix key = {.length = bits};
	struct address address;
	struct error err;
	uint8_t one = 1;

	assert_int_equal(parse_address(text, &address, &err), 0);
	memcpy(&key.addr, &address, sizeof(key.addr));
	if (address_is_ipv4(&address))
		key.length += 96;
	assert_int_equal(bpf_map__update_elem(map, &key, sizeof(key), &one, sizeof(one), BPF_ANY),
			 0);
}

static void configure(uint16_t flags, uint16_t gue_port)
{
	struct decap_config config = {.flags = flags, .gue_port = htons(gue_port)};
	uint32_t zero = 0;

	assert_int_equal(bpf_map__update_elem(skeleton->maps.decap_config, &zero, sizeof(zero),
					      &config, sizeof(config), BPF_ANY),
			 0);
}

static int setup(void **state)
{
	(void)state;
	skeleton = decap__open();
	assert_non_null(skeleton);
	if (geteuid() != 0)
		return 0;
	/* Nobody else's sockets and ways; the packets come in by its lo. */
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(system("ip link set lo up && ip address add 198.18.0.10/32 dev lo && "
				"ip address add 198.18.0.2/32 dev lo && "
				"ip address add 2001:db8::10/128 dev lo nodad && "
				"ip address add 2001:db8::2/128 dev lo nodad"),
			 0);
	assert_int_equal(decap__load(skeleton), 0);
	put_prefix(skeleton->maps.decap_vips, "198.18.0.10", 32);
	put_prefix(skeleton->maps.decap_vips, "198.18.64.0", 24);
	put_prefix(skeleton->maps.decap_vips, "2001:db8::10", 128);
	put_prefix(skeleton->maps.decap_vips, "2001:db8:64::", 48);
	put_prefix(skeleton->maps.decap_sources, "172.16.0.0", 16);
	put_prefix(skeleton->maps.decap_sources, "100::", 64);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	decap__destroy(skeleton);
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static uint64_t counted(enum decap_outcome outcome)
{
	static struct lb_traffic values[CPUS_MAX];
	int cpus = libbpf_num_possible_cpus();
	uint32_t key = outcome;
	uint64_t sum = 0;

	assert_in_range(cpus, 1, CPUS_MAX);
	assert_int_equal(bpf_map__lookup_elem(skeleton->maps.decap_stats, &key, sizeof(key), values,
					      sizeof(values[0]) * (size_t)cpus, 0),
			 0);
	for (int i = 0; i < cpus; i++)
		sum += values[i].packets;
	return sum;
}

/* --- one packet --- */

static const char *const labels[] = {
#define X(name, label, class, text) label,
	DECAP_OUTCOMES(X)
#undef X
};

static void build(const char *text, struct frame *ret_frame)
{
	static struct layers layers;
	struct error err = {.message = ""};

	if (layers_parse(text, &layers, &err) < 0 || frame_build(&layers, ret_frame, &err) < 0)
		fail_msg("%s: %s", text, err.message);
}

/* The outcome that was counted; it must be one and only one. */
static enum decap_outcome run(const struct frame *in, struct frame *ret_out, uint32_t *ret_code)
{
	uint64_t before[DECAP_OUTCOME_COUNT], rise = 0;
	enum decap_outcome found = DECAP_OUTCOME_COUNT;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes,
		    .data_size_in = (uint32_t)in->size, .data_out = ret_out->bytes,
		    .data_size_out = FRAME_MAX);

	for (int i = 0; i < DECAP_OUTCOME_COUNT; i++)
		before[i] = counted(i);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.lb_decap), &opts),
			 0);
	ret_out->size = opts.data_size_out;
	*ret_code = opts.retval;
	for (int i = 0; i < DECAP_OUTCOME_COUNT; i++) {
		if (counted(i) == before[i])
			continue;
		rise += counted(i) - before[i];
		found = i;
	}
	assert_int_equal(rise, 1);
	return found;
}

/* `out` NULL: the packet must be as it came. */
static void expect(const char *in, enum decap_outcome outcome, const char *out)
{
	static struct frame sent, wanted, got;
	enum decap_outcome found;
	uint32_t code;

	build(in, &sent);
	build(out ? out : in, &wanted);
	found = run(&sent, &got, &code);
	if (found != outcome)
		fail_msg("%s\n  wanted %s, got %s", in, labels[outcome], labels[found]);
	if (outcome != DECAP_SENT_ON)
		assert_int_equal(code, outcome == DECAP_ECN_DROP ? XDP_DROP : XDP_PASS);
	if (code == XDP_DROP || frame_equal(&got, &wanted))
		return;
	frame_print(stdout, &got, &wanted);
	fail_msg("%s\n  became another packet", in);
}

/* --- what is taken off --- */

static const struct tunnel {
	const char *name;
	const char *between; /* what stands between outer and inner header */
	bool inner4;
} tunnels[] = {
	{"IPv4 in IP", "", true},
	{"IPv6 in IP", "", false},
	{"IPv4 in GUE", "udp(src=50000 dst=6080 check=0) data(hex=00040000) ", true},
	{"IPv6 in GUE", "udp(src=50000 dst=6080 check=0) data(hex=00290000) ", false},
	{"IPv4 in UDP", "udp(src=50000 dst=6080 check=0) ", true},
	{"IPv6 in UDP", "udp(src=50000 dst=6080 check=0) ", false},
};

#define TUNNELS (sizeof(tunnels) / sizeof(tunnels[0]))

static const char *const links[] = {
	"eth() ",
	"eth() vlan(id=5 pcp=3) ",
	"eth(type=0x88a8) vlan(id=100) vlan(id=5) ",
};

static const char *const contents[] = {
	"tcp(flags=S) ",
	"udp() data(\"odd\") ",
	"tcp() data(len=1300) ",
};

/* Every tunnel below every outer header, link header and content. */
static void all_mixes(void **state)
{
	static const char *const outers[] = {OUTER4, OUTER6};
	char in[512], out[256], inner[128];

	(void)state;
	need_root();
	configure(DECAP_IPIP | DECAP_GUE, 6080);
	for (size_t i = 0; i < TUNNELS * 2 * 3 * 3; i++) {
		const struct tunnel *tunnel = &tunnels[i % TUNNELS];
		const char *outer = outers[i / TUNNELS % 2], *link = links[i / TUNNELS / 2 % 3];
		const char *header =
			tunnel->inner4 ? "ip4(tos=0xb8 ttl=17)" : "ip6(class=0xb8 hop=17)";

		snprintf(inner, sizeof(inner), "%s %s", header, contents[i / TUNNELS / 6]);
		snprintf(in, sizeof(in), "%s%s%s%s", link, outer, tunnel->between, inner);
		snprintf(out, sizeof(out), "%s%s", link, inner);
		expect(in, DECAP_DECAPSULATED, out);
	}
}

#define IN4 "eth() ip4() "
#define TCP "tcp(flags=S)"
#define GUE "udp(src=50000 dst=6080 check=0) "

static const struct packet_case {
	const char *in;
	enum decap_outcome outcome;
	const char *out; /* NULL: as it came */
} cases[] = {
	/* VIPs that are prefixes; fragments, options and padding inside */
	{IN4 "ip4(dst=198.18.64.77) " TCP, DECAP_DECAPSULATED, "eth() ip4(dst=198.18.64.77) " TCP},
	{IN4 "ip6(dst=2001:db8:64::7) " TCP, DECAP_DECAPSULATED,
	 "eth() ip6(dst=2001:db8:64::7) " TCP},
	{IN4 "ip4(df=0 mf=1 id=7) udp() data(len=64)", DECAP_DECAPSULATED,
	 "eth() ip4(df=0 mf=1 id=7) udp() data(len=64)"},
	{IN4 "ip4(options=94040000) " TCP, DECAP_DECAPSULATED, "eth() ip4(options=94040000) " TCP},
	{IN4 "ip6() fragment(offset=8 id=9) data(len=64)", DECAP_DECAPSULATED,
	 "eth() ip6() fragment(offset=8 id=9) data(len=64)"},
	{IN4 "ip4() udp() data(\"x\") pad(len=3)", DECAP_DECAPSULATED,
	 "eth() ip4() udp() data(\"x\") pad(len=3)"},
	{IN4 "ip4() tcp(check=+7)", DECAP_DECAPSULATED, "eth() ip4() tcp(check=+7)"},
	/* a UDP checksum is not looked at: the inner packet has one of its own */
	{IN4 "udp(src=50000 dst=6080 check=0x1234) ip4() " TCP, DECAP_DECAPSULATED,
	 "eth() ip4() " TCP},

	/* not for a VIP */
	{IN4 "ip4(dst=198.18.0.11) " TCP, DECAP_NOT_VIP, NULL},
	{IN4 "ip4(dst=198.18.65.0) " TCP, DECAP_NOT_VIP, NULL},
	{IN4 "ip6(dst=2001:db8::11) " TCP, DECAP_NOT_VIP, NULL},
	{IN4 GUE "ip4(dst=198.18.0.11) " TCP, DECAP_NOT_VIP, NULL},
	{IN4 "ip6(dst=::ffff:198.18.0.10) " TCP, DECAP_NOT_VIP, NULL},

	/* no tunnel of ours */
	{"eth() ip4() " TCP, DECAP_FOREIGN, NULL},
	{"eth() ip6() udp() data(\"x\")", DECAP_FOREIGN, NULL},
	{"eth() arp()", DECAP_FOREIGN, NULL},
	{"eth() ip4() udp(dst=6081 check=0) ip4() " TCP, DECAP_FOREIGN, NULL},
	{"eth() ip4() udp(src=6080 dst=53) data(\"x\")", DECAP_FOREIGN, NULL},
	{"eth() ip4(proto=47) data(hex=00000800) ip4() " TCP, DECAP_FOREIGN, NULL},
	{"eth() ip6() dstopts() ip4() " TCP, DECAP_FOREIGN, NULL},
	{"eth() ip6() fragment(offset=8) ip4() " TCP, DECAP_FOREIGN, NULL},
	{"eth() vlan() vlan() vlan() ip4() ip4() " TCP, DECAP_FOREIGN, NULL},
	{"eth() ip4(frag=8 df=0) udp(dst=6080) data(len=64)", DECAP_FOREIGN, NULL},
	{"eth() ip4(options=94040000) " GUE "ip4() " TCP, DECAP_FOREIGN, NULL},
	{"eth() ip4() ip4() " TCP " cut(24)", DECAP_FOREIGN, NULL},
	{"eth() ip4(version=5) ip4() " TCP, DECAP_FOREIGN, NULL},

	/* left to the kernel */
	{"eth() ip4(mf=1 df=0) ip4() " TCP, DECAP_UNSUPPORTED, NULL},
	{"eth() ip4(frag=8 df=0) ip4() " TCP, DECAP_UNSUPPORTED, NULL},
	{"eth() ip4(mf=1 df=0) " GUE "ip4() " TCP, DECAP_UNSUPPORTED, NULL},
	{"eth() ip4(options=94040000) ip4() " TCP, DECAP_UNSUPPORTED, NULL},
	{IN4 GUE "data(hex=20040000) ip4() " TCP, DECAP_UNSUPPORTED, NULL},
	{IN4 GUE "data(hex=0104800000000000) ip4() " TCP, DECAP_UNSUPPORTED, NULL},
	{IN4 GUE "data(hex=00048000) ip4() " TCP, DECAP_UNSUPPORTED, NULL},
	{IN4 GUE "data(hex=003b0000) ip4() " TCP, DECAP_UNSUPPORTED, NULL},
	{IN4 GUE "data(hex=80040000) ip4() " TCP, DECAP_UNSUPPORTED, NULL},

	/* headers that contradict each other */
	{"eth() ip4(len=19) ip4() " TCP, DECAP_MALFORMED, NULL},
	{"eth() ip4(len=61) ip4() " TCP, DECAP_MALFORMED, NULL},
	{"eth() ip4(len=59) ip4() " TCP, DECAP_MALFORMED, NULL},
	{"eth() ip4(check=+1) ip4() " TCP, DECAP_MALFORMED, NULL},
	{"eth() ip6(len=41) ip4() " TCP, DECAP_MALFORMED, NULL},
	{"eth() ip6(len=0) ip4() " TCP, DECAP_MALFORMED, NULL},
	{IN4 "udp(dst=6080 check=0 len=7) ip4() " TCP, DECAP_MALFORMED, NULL},
	{IN4 "udp(dst=6080 check=0 len=49) ip4() " TCP, DECAP_MALFORMED, NULL},
	{IN4 "udp(dst=6080 check=0 len=47) ip4() " TCP, DECAP_MALFORMED, NULL},
	{IN4 GUE, DECAP_MALFORMED, NULL},
	{IN4 "udp(dst=6080 check=0 len=10) data(hex=00040000) ip4() " TCP, DECAP_MALFORMED, NULL},
	{IN4 "ip4(len=19) " TCP, DECAP_MALFORMED, NULL},
	{IN4 "ip4(len=41) " TCP, DECAP_MALFORMED, NULL},
	{IN4 "ip4(ihl=4) " TCP, DECAP_MALFORMED, NULL},
	{IN4 "ip4(ihl=15) " TCP, DECAP_MALFORMED, NULL},
	{IN4 "ip4(version=6) " TCP, DECAP_MALFORMED, NULL},
	{IN4 "ip6(len=21) " TCP, DECAP_MALFORMED, NULL},
	{IN4 "ip6(version=4) " TCP, DECAP_MALFORMED, NULL},
	{"eth() ip4(proto=41) ip4() " TCP, DECAP_MALFORMED, NULL},
	{IN4 GUE "data(hex=00290000) ip4() " TCP, DECAP_MALFORMED, NULL},
	{"eth() ip4() ip4() " TCP " cut(50)", DECAP_MALFORMED, NULL},
	{"eth() ip4(proto=4)", DECAP_MALFORMED, NULL},
};

static void single_packets(void **state)
{
	(void)state;
	need_root();
	configure(DECAP_IPIP | DECAP_GUE, 6080);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(cases[i].in, cases[i].outcome, cases[i].out);
}

/* --- the second chance --- */

#define CHANCE1 "udp(src=50000 dst=6080 check=0) data(hex=020400005b020100c612010c) "
#define CHANCE2 "udp(src=50000 dst=6080 check=0) data(hex=030400005b020200c612010dc612010c) "
#define CHANCE61                                                                                   \
	"udp(src=50000 dst=6080 check=0) "                                                         \
	"data(hex=052900005b02010020010db8000000000000000000010012) "
#define SENT1 "udp(src=50000 dst=6080 check=0) data(hex=020400005b020000c612010c) "
#define SENT2 "udp(src=50000 dst=6080 check=0) data(hex=030400005b020100c612010dc612010c) "
#define SENT61                                                                                     \
	"udp(src=50000 dst=6080 check=0) "                                                         \
	"data(hex=052900005b02000020010db8000000000000000000010012) "

/* Does this host forward? lb_decap is told ways only then. */
static void set_forwarding(const char *value)
{
	static const char *const files[] = {"/proc/sys/net/ipv4/conf/lo/forwarding",
					    "/proc/sys/net/ipv6/conf/all/forwarding"};
	FILE *file;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		file = fopen(files[i], "w");
		assert_non_null(file);
		assert_true(fputs(value, file) > 0);
		assert_int_equal(fclose(file), 0);
	}
}

static void expect_code(const char *in, uint32_t code)
{
	static struct frame sent, got;
	uint32_t found;

	build(in, &sent);
	assert_int_equal(run(&sent, &got, &found), DECAP_SENT_ON);
	assert_int_equal(found, code);
}

static void unknown_connections_go_on(void **state)
{
	static const struct packet_case chances[] = {
		{"eth() " OUTER4 CHANCE1 "ip4() tcp(flags=A)", DECAP_SENT_ON,
		 "eth() ip4(src=172.16.3.4 dst=198.18.1.12 ttl=63 tos=0x28) " SENT1
		 "ip4() tcp(flags=A)"},
		{"eth() " OUTER4 CHANCE2 "ip4() tcp(flags=FA)", DECAP_SENT_ON,
		 "eth() ip4(src=172.16.3.4 dst=198.18.1.12 ttl=63 tos=0x28) " SENT2
		 "ip4() tcp(flags=FA)"},
		{"eth() ip4(dst=198.18.1.12) " SENT2 "ip4() tcp(flags=FA)", DECAP_SENT_ON,
		 "eth() ip4(dst=198.18.1.13) "
		 "udp(src=50000 dst=6080 check=0) data(hex=030400005b020000c612010dc612010c) "
		 "ip4() tcp(flags=FA)"},
		{"eth() " OUTER6 CHANCE61 "ip6() tcp(flags=R)", DECAP_SENT_ON,
		 "eth() ip6(src=100::3:4 dst=2001:db8::1:12 hop=63 class=0x28) " SENT61
		 "ip6() tcp(flags=R)"},
		{"eth() vlan(id=5) " OUTER4 CHANCE1 "ip4() tcp(flags=A)", DECAP_SENT_ON,
		 "eth() vlan(id=5) ip4(src=172.16.3.4 dst=198.18.1.12 ttl=63 tos=0x28) " SENT1
		 "ip4() tcp(flags=A)"},
		/* a checksum that was there does not go along */
		{"eth() " OUTER4 "udp(src=50000 dst=6080 check=0x1234) "
		 "data(hex=020400005b020100c612010c) ip4() tcp(flags=A)",
		 DECAP_SENT_ON,
		 "eth() ip4(src=172.16.3.4 dst=198.18.1.12 ttl=63 tos=0x28) " SENT1
		 "ip4() tcp(flags=A)"},

		/* nobody is left to be asked; or it begins a connection; or nobody can tell */
		{"eth() " OUTER4 SENT1 "ip4() tcp(flags=A)", DECAP_DECAPSULATED,
		 "eth() ip4() tcp(flags=A)"},
		{"eth() " OUTER4 CHANCE1 "ip4() tcp(flags=S)", DECAP_DECAPSULATED,
		 "eth() ip4() tcp(flags=S)"},
		{"eth() " OUTER4 CHANCE1 "ip4() tcp(flags=SA)", DECAP_DECAPSULATED,
		 "eth() ip4() tcp(flags=SA)"},
		{"eth() " OUTER4 CHANCE1 "ip4() udp() data(\"x\")", DECAP_DECAPSULATED,
		 "eth() ip4() udp() data(\"x\")"},
		{"eth() " OUTER4 CHANCE1 "ip4(df=0 mf=1) tcp(flags=A)", DECAP_DECAPSULATED,
		 "eth() ip4(df=0 mf=1) tcp(flags=A)"},
		{"eth() " OUTER4 CHANCE1 "ip4(options=94040000) tcp(flags=A)", DECAP_DECAPSULATED,
		 "eth() ip4(options=94040000) tcp(flags=A)"},
		/* it has come far enough */
		{"eth() ip4(ttl=1) " CHANCE1 "ip4() tcp(flags=A)", DECAP_DECAPSULATED,
		 "eth() ip4() tcp(flags=A)"},
		{"eth() ip6(hop=1) " CHANCE61 "ip6() tcp(flags=A)", DECAP_DECAPSULATED,
		 "eth() ip6() tcp(flags=A)"},
		/* not for us, or not ours */
		{"eth() " OUTER4 CHANCE1 "ip4(dst=198.18.0.11) tcp(flags=A)", DECAP_NOT_VIP, NULL},
		{"eth() " OUTER4 "udp(src=50000 dst=6080 check=0) "
		 "data(hex=020400005b030100c612010c) ip4() tcp(flags=A)",
		 DECAP_UNSUPPORTED, NULL},
		{"eth() " OUTER4 "udp(src=50000 dst=6080 check=0) "
		 "data(hex=020400005b020200c612010c) ip4() tcp(flags=A)",
		 DECAP_UNSUPPORTED, NULL},
		{"eth() " OUTER4 "udp(src=50000 dst=6080 check=0) "
		 "data(hex=040400005b020300c612010dc612010cc612010e) ip4() tcp(flags=A)",
		 DECAP_UNSUPPORTED, NULL},
	};

	(void)state;
	need_root();
	/* It forwards, but knows no way: so its stack is to see what it makes of it. */
	set_forwarding("1");
	configure(DECAP_GUE | DECAP_CHANCE, 6080);
	expect_code(chances[0].in, XDP_PASS);
	for (size_t i = 0; i < sizeof(chances) / sizeof(chances[0]); i++)
		expect(chances[i].in, chances[i].outcome, chances[i].out);
}

/* Who forwards nothing sends it back to the router that it came from, as a router does. */
static void hosts_send_it_back(void **state)
{
	(void)state;
	need_root();
	set_forwarding("0");
	configure(DECAP_GUE | DECAP_CHANCE, 6080);
	expect_code("eth() " OUTER4 CHANCE1 "ip4() tcp(flags=A)", XDP_TX);
	expect("eth() " OUTER4 CHANCE1 "ip4() tcp(flags=A)", DECAP_SENT_ON,
	       "eth(dst=02:00:00:00:00:02 src=02:00:00:00:00:01) "
	       "ip4(src=172.16.3.4 dst=198.18.1.12 ttl=62 tos=0x28) " SENT1 "ip4() tcp(flags=A)");
	expect("eth() " OUTER6 CHANCE61 "ip6() tcp(flags=A)", DECAP_SENT_ON,
	       "eth(dst=02:00:00:00:00:02 src=02:00:00:00:00:01) "
	       "ip6(src=100::3:4 dst=2001:db8::1:12 hop=62 class=0x28) " SENT61
	       "ip6() tcp(flags=A)");
}

static struct sockaddr_storage socket_address(const char *text, uint16_t port)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
	struct sockaddr_in *in = (struct sockaddr_in *)&storage;
	struct address address;
	struct error err;

	assert_int_equal(parse_address(text, &address, &err), 0);
	if (address_is_ipv4(&address)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, &address.ip.s6_addr[12], sizeof(in->sin_addr));
	} else {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		in6->sin6_addr = address.ip;
	}
	return storage;
}

static int open_socket(const char *address, uint16_t port)
{
	struct sockaddr_storage own = socket_address(address, port);
	int fd = socket(own.ss_family, SOCK_STREAM, 0), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	return fd;
}

/* A connection whose server is this host stays here, a listening socket alone keeps nothing. */
static void known_connections_stay(void **state)
{
	static const struct {
		const char *vip, *client, *in, *out;
	} kinds[] = {
		{"198.18.0.10", "198.18.0.2", "eth() " OUTER4 CHANCE1 "ip4() tcp(flags=A)",
		 "eth() ip4() tcp(flags=A)"},
		{"2001:db8::10", "2001:db8::2", "eth() " OUTER6 CHANCE61 "ip6() tcp(flags=A)",
		 "eth() ip6() tcp(flags=A)"},
	};
	struct sockaddr_storage vip;
	int listener, client;

	(void)state;
	need_root();
	set_forwarding("1");
	configure(DECAP_GUE | DECAP_CHANCE, 6080);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		listener = open_socket(kinds[i].vip, 80);
		assert_int_equal(listen(listener, 1), 0);
		expect_code(kinds[i].in, XDP_PASS);
		client = open_socket(kinds[i].client, 40000);
		vip = socket_address(kinds[i].vip, 80);
		assert_int_equal(connect(client, (struct sockaddr *)&vip, sizeof(vip)), 0);
		expect(kinds[i].in, DECAP_DECAPSULATED, kinds[i].out);
		close(client);
		close(listener);
	}
}

/* Whoever is not asked to send on takes it for his own. */
static void nobody_sends_on_unasked(void **state)
{
	(void)state;
	need_root();
	configure(DECAP_GUE, 6080);
	expect("eth() " OUTER4 CHANCE1 "ip4() tcp(flags=A)", DECAP_DECAPSULATED,
	       "eth() ip4() tcp(flags=A)");
	configure(DECAP_GUE | DECAP_CHANCE | DECAP_FROM, 6080);
	expect("eth() ip4(src=172.17.3.4) " CHANCE1 "ip4() tcp(flags=A)", DECAP_SOURCE_REFUSED,
	       NULL);
}

static void only_what_was_asked_for(void **state)
{
	(void)state;
	need_root();
	configure(DECAP_IPIP, 0);
	expect(IN4 GUE "ip4() " TCP, DECAP_FOREIGN, NULL);
	expect(IN4 "udp(dst=0 check=0) ip4() " TCP, DECAP_FOREIGN, NULL);
	expect(IN4 "ip4() " TCP, DECAP_DECAPSULATED, "eth() ip4() " TCP);
	configure(DECAP_GUE, 6081);
	expect(IN4 "ip4() " TCP, DECAP_FOREIGN, NULL);
	expect(IN4 GUE "ip4() " TCP, DECAP_FOREIGN, NULL);
	expect(IN4 "udp(dst=6081 check=0) ip4() " TCP, DECAP_DECAPSULATED, "eth() ip4() " TCP);
	configure(0, 0);
	expect(IN4 "ip4() " TCP, DECAP_FOREIGN, NULL);
}

static void only_from_whom_it_was_asked_for(void **state)
{
	(void)state;
	need_root();
	configure(DECAP_IPIP | DECAP_GUE | DECAP_FROM, 6080);
	expect("eth() ip4(src=172.16.255.1) ip4() " TCP, DECAP_DECAPSULATED, "eth() ip4() " TCP);
	expect("eth() ip4(src=172.17.0.1) ip4() " TCP, DECAP_SOURCE_REFUSED, NULL);
	expect("eth() ip4(src=172.17.0.1) " GUE "ip4() " TCP, DECAP_SOURCE_REFUSED, NULL);
	expect("eth() ip6(src=100::7) ip4() " TCP, DECAP_DECAPSULATED, "eth() ip4() " TCP);
	expect("eth() ip6(src=100:0:0:1::7) ip4() " TCP, DECAP_SOURCE_REFUSED, NULL);
	expect("eth() ip6(src=::ffff:172.16.0.1) ip4() " TCP, DECAP_FOREIGN, NULL);
	expect("eth() ip4(src=172.17.0.1) ip4(dst=198.18.0.11) " TCP, DECAP_NOT_VIP, NULL);
}

/* --- ECN: RFC 6040, figure 4 --- */

enum { NOT_ECT, ECT_1, ECT_0, CE, DROPPED };

static const int ecn_table[4][4] = {
	/* outer:   Not-ECT  ECT(1)   ECT(0)   CE */
	[NOT_ECT] = {NOT_ECT, NOT_ECT, NOT_ECT, DROPPED},
	[ECT_1] = {ECT_1, ECT_1, ECT_1, CE},
	[ECT_0] = {ECT_0, ECT_1, ECT_0, CE},
	[CE] = {CE, CE, CE, CE},
};

static void expect_ecn(bool inner4, bool outer4, int inner, int outer, int want)
{
	/* DSCPs differ too: the inner one stays. */
	int dscp = 0x88;
	char in[256], out[256];
	const char *header = inner4 ? "ip4(tos" : "ip6(class", *link = "eth() vlan(id=9) ";

	snprintf(in, sizeof(in), "%s%s=%#x) %s=%#x) " TCP, link, outer4 ? "ip4(tos" : "ip6(class",
		 0x50 | outer, header, dscp | inner);
	snprintf(out, sizeof(out), "%s%s=%#x) " TCP, link, header, dscp | (want & 3));
	expect(in, want == DROPPED ? DECAP_ECN_DROP : DECAP_DECAPSULATED, out);
}

static void ecn(void **state)
{
	(void)state;
	need_root();
	configure(DECAP_IPIP, 0);
	for (int i = 0; i < 64; i++)
		expect_ecn(i & 1, i & 2, i >> 2 & 3, i >> 4, ecn_table[i >> 2 & 3][i >> 4]);
}

/* A wrong inner header checksum must stay wrong when the mark changes it. */
static void ecn_keeps_a_wrong_checksum(void **state)
{
	(void)state;
	need_root();
	configure(DECAP_IPIP, 0);
	expect("eth() ip4(tos=3) ip4(tos=2 check=+5) " TCP, DECAP_DECAPSULATED,
	       "eth() ip4(tos=3 check=+5) " TCP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_mixes),
		cmocka_unit_test(single_packets),
		cmocka_unit_test(unknown_connections_go_on),
		cmocka_unit_test(hosts_send_it_back),
		cmocka_unit_test(known_connections_stay),
		cmocka_unit_test(nobody_sends_on_unasked),
		cmocka_unit_test(only_what_was_asked_for),
		cmocka_unit_test(only_from_whom_it_was_asked_for),
		cmocka_unit_test(ecn),
		cmocka_unit_test(ecn_keeps_a_wrong_checksum),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
