/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flowhold: many TCP flows for the price of their packets. It crafts the client's packets in the
 * client's network namespace and watches, in each backend's, which of them got which flow.
 *
 *   flowhold establish|check --vip ADDR --mac MAC --client NETNS --backend NETNS ...
 *            --flows N --owners FILE
 *   flowhold flood --vip ADDR4 --mac MAC --client NETNS --flows N
 *
 * establish sends a SYN and an ACK for each flow and writes who got them into FILE, a byte a
 * flow; check sends an ACK for each and compares; flood sends a SYN of each of as many other flows,
 * and asks for nothing. Prints, for scripts:
 *   flows N answered N moved N     answered: seen at any backend; moved: at another than before
 *   owner I N                      flows at the I-th --backend, from 0
 * The VIP must not be an address of the backends: then nobody answers. TCP checksums are left
 * zero, for nobody takes these packets in.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "parse.h"

#define INTERFACE         "eth0"
#define VIP_PORT          80
#define BACKENDS_MAX      8
#define FLOWS_MAX         (1 << 20)
#define FLOWS_MAX_IPV6    65536
#define FLOOD_MAX         (1u << 28)
#define PORT_BASE         1024
#define PORTS_PER_ADDRESS 256
#define BATCH             128
#define ROUNDS_MAX        20 /* a batch is sent again, what was lost, this often */
#define ROUND_MS          200
#define NOBODY            0xff
#define FRAME_MAX         128

enum mode { ESTABLISH, CHECK, FLOOD };

struct options {
	enum mode mode;
	struct address vip;
	uint8_t mac[6];
	const char *client;
	const char *backends[BACKENDS_MAX];
	size_t backend_count;
	uint64_t flows;
	const char *owners;
};

struct bench {
	const struct options *options;
	int client;
	uint8_t client_mac[6];
	struct pollfd backends[BACKENDS_MAX];
	uint8_t owner[FLOWS_MAX]; /* of this pass */
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list args;

	fputs("flowhold: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* --- packets --- */

/* Flow i's client address and port; flow_of() is the inverse. */
static uint32_t flow_host(uint32_t flow)
{
	return flow / PORTS_PER_ADDRESS;
}

static uint16_t flow_port(uint32_t flow)
{
	return (uint16_t)(PORT_BASE + flow % PORTS_PER_ADDRESS);
}

static uint32_t flow_of(uint32_t host, uint16_t port)
{
	return host * PORTS_PER_ADDRESS + (uint32_t)(port - PORT_BASE);
}

static uint16_t ip_checksum(const struct iphdr *ip)
{
	const uint16_t *word = (const uint16_t *)ip;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(*ip) / sizeof(*word); i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t put_ipv4(uint8_t *frame, const struct address *vip, uint32_t flow)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(sizeof(struct iphdr) + sizeof(struct tcphdr)),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.saddr = htonl(0xc6124000 + flow_host(flow)), /* 198.18.64.0 and up */
		.daddr = address_ipv4(vip).s_addr,
	};

	ip.check = ip_checksum(&ip);
	memcpy(frame, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t put_ipv6(uint8_t *frame, const struct address *vip, uint32_t flow)
{
	struct ip6_hdr ip = {
		.ip6_src = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, [13] = 0x0f}},
		.ip6_dst = vip->ip,
	};

	ip.ip6_flow = htonl(0x60000000);
	ip.ip6_plen = htons(sizeof(struct tcphdr));
	ip.ip6_nxt = IPPROTO_TCP;
	ip.ip6_hlim = 64;
	ip.ip6_src.s6_addr[15] = (uint8_t)flow_host(flow);
	memcpy(frame, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t put_frame(uint8_t frame[FRAME_MAX], const struct bench *bench, uint32_t flow,
			uint8_t tcp_flags)
{
	const struct address *vip = &bench->options->vip;
	struct ether_header ethernet;
	struct tcphdr tcp = {
		.source = htons(flow_port(flow)),
		.dest = htons(VIP_PORT),
		.doff = sizeof(tcp) / 4,
		.window = htons(1000),
	};
	size_t length = sizeof(ethernet);

	memcpy(ethernet.ether_dhost, bench->options->mac, 6);
	memcpy(ethernet.ether_shost, bench->client_mac, 6);
	ethernet.ether_type = htons(address_is_ipv4(vip) ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	memcpy(frame, &ethernet, sizeof(ethernet));
	length += address_is_ipv4(vip) ? put_ipv4(frame + length, vip, flow)
				       : put_ipv6(frame + length, vip, flow);
	tcp.th_flags = tcp_flags;
	memcpy(frame + length, &tcp, sizeof(tcp));
	return length + sizeof(tcp);
}

/* Which flow a frame at a backend belongs to; -1: none of ours. */
static int64_t read_frame(const uint8_t *frame, size_t length, const struct address *vip)
{
	bool ipv4 = address_is_ipv4(vip);
	size_t l4 = sizeof(struct ether_header) +
		    (ipv4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr));
	struct tcphdr tcp;
	uint32_t host, flow;
	struct iphdr ip;

	if (length < l4 + sizeof(tcp))
		return -1;
	memcpy(&tcp, frame + l4, sizeof(tcp));
	memcpy(&ip, frame + sizeof(struct ether_header), sizeof(ip));
	host = ipv4 ? ntohl(ip.saddr) - 0xc6124000 : frame[sizeof(struct ether_header) + 8 + 15];
	flow = flow_of(host, ntohs(tcp.source));
	if (ntohs(tcp.dest) != VIP_PORT || host >= FLOWS_MAX / PORTS_PER_ADDRESS ||
	    ntohs(tcp.source) < PORT_BASE || ntohs(tcp.source) >= PORT_BASE + PORTS_PER_ADDRESS)
		return -1;
	return flow;
}

/* --- sockets in other namespaces --- */

static int packet_socket(const char *netns, const struct address *vip)
{
	const int space = 4 << 20;
	uint16_t protocol = htons(address_is_ipv4(vip) ? ETH_P_IP : ETH_P_IPV6);
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = protocol};
	int ns = open(netns, O_RDONLY | O_CLOEXEC);
	int fd;

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		die("cannot enter %s: %s", netns, strerror(errno));
	close(ns);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	where.sll_ifindex = (int)if_nametoindex(INTERFACE);
	if (fd < 0 || bind(fd, (struct sockaddr *)&where, sizeof(where)) < 0)
		die("%s: cannot open a packet socket on " INTERFACE ": %s", netns, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &space, sizeof(space));
	return fd;
}

static void bench_open(struct bench *bench, const struct options *options)
{
	struct ifreq request = {.ifr_name = INTERFACE};

	bench->options = options;
	for (size_t i = 0; i < options->backend_count; i++) {
		bench->backends[i].fd = packet_socket(options->backends[i], &options->vip);
		bench->backends[i].events = POLLIN;
	}
	bench->client = packet_socket(options->client, &options->vip);
	if (ioctl(bench->client, SIOCGIFHWADDR, &request) < 0)
		die("cannot read the client's MAC: %s", strerror(errno));
	memcpy(bench->client_mac, request.ifr_hwaddr.sa_data, 6);
}

/* --- a pass over all flows --- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Notes who got what. Returns how many flows were seen for the first time in this pass. */
static uint32_t drain(struct bench *bench, size_t backend)
{
	uint8_t frame[FRAME_MAX];
	struct sockaddr_ll from = {0};
	socklen_t from_length = sizeof(from);
	uint32_t fresh = 0;
	ssize_t length;
	int64_t flow;

	while ((length = recvfrom(bench->backends[backend].fd, frame, sizeof(frame), 0,
				  (struct sockaddr *)&from, &from_length)) > 0) {
		flow = read_frame(frame, (size_t)length, &bench->options->vip);
		/* The bridge may flood a frame to ports that it is not for. */
		if (flow < 0 || from.sll_pkttype != PACKET_HOST)
			continue;
		fresh += bench->owner[flow] == NOBODY;
		bench->owner[flow] = (uint8_t)backend;
	}
	return fresh;
}

static void send_missing(struct bench *bench, uint32_t first, uint32_t count, uint8_t tcp_flags)
{
	uint8_t frame[FRAME_MAX];
	size_t length;

	for (uint32_t flow = first; flow < first + count; flow++) {
		if (bench->owner[flow] != NOBODY)
			continue;
		length = put_frame(frame, bench, flow, tcp_flags);
		if (send(bench->client, frame, length, 0) < 0 && errno != ENOBUFS &&
		    errno != EAGAIN)
			die("cannot send: %s", strerror(errno));
	}
}

static void pass_batch(struct bench *bench, uint32_t first, uint32_t count, uint8_t tcp_flags)
{
	nfds_t backends = (nfds_t)bench->options->backend_count;
	uint32_t missing = count;
	int64_t end, left;

	for (int round = 0; round < ROUNDS_MAX && missing > 0; round++) {
		send_missing(bench, first, count, tcp_flags);
		end = now_ms() + ROUND_MS;
		while (missing > 0 && (left = end - now_ms()) > 0 &&
		       poll(bench->backends, backends, (int)left) > 0)
			for (size_t i = 0; i < backends; i++)
				missing -= drain(bench, i);
	}
}

/* An ACK for each flow; afterwards bench->owner says who got it. With `opened`, SYNs go before
 * them, and that says who got those: a batch at a time, for a handshake must not take seconds. */
static void pass(struct bench *bench, uint8_t *opened)
{
	uint32_t flows = (uint32_t)bench->options->flows, count;

	memset(bench->owner, NOBODY, sizeof(bench->owner));
	for (uint32_t first = 0; first < flows; first += BATCH) {
		count = flows - first < BATCH ? flows - first : BATCH;
		if (opened) {
			pass_batch(bench, first, count, TH_SYN);
			memcpy(opened + first, bench->owner + first, count);
			memset(bench->owner + first, NOBODY, count);
		}
		pass_batch(bench, first, count, TH_ACK);
	}
}

/* Flows that no pass has: of clients in 198.19.0.0/16. Sent as fast as the socket takes them. */
static void flood(struct bench *bench)
{
	uint8_t frame[FRAME_MAX];
	size_t length = put_frame(frame, bench, 0, TH_SYN);
	struct iphdr *ip = (struct iphdr *)(frame + sizeof(struct ether_header));
	struct tcphdr *tcp = (struct tcphdr *)(ip + 1);
	struct pollfd ready = {.fd = bench->client, .events = POLLOUT};

	if (!address_is_ipv4(&bench->options->vip))
		die("flood: IPv4 only");
	for (uint32_t flow = 0; flow < bench->options->flows; flow++) {
		ip->saddr = htonl(0xc6130000 + flow % 65536);
		tcp->source = htons((uint16_t)(PORT_BASE + flow / 65536));
		ip->check = 0;
		ip->check = ip_checksum(ip);
		while (send(bench->client, frame, length, 0) < 0) {
			if (errno != ENOBUFS && errno != EAGAIN)
				die("cannot send: %s", strerror(errno));
			poll(&ready, 1, ROUND_MS);
		}
	}
}

static void report(const struct bench *bench, const uint8_t *before)
{
	uint32_t flows = (uint32_t)bench->options->flows, answered = 0, moved = 0;
	uint32_t owned[BACKENDS_MAX] = {0};

	for (uint32_t flow = 0; flow < flows; flow++) {
		if (bench->owner[flow] == NOBODY)
			continue;
		answered++;
		owned[bench->owner[flow]]++;
		moved += bench->owner[flow] != before[flow];
	}
	printf("flows %u answered %u moved %u\n", flows, answered, moved);
	for (size_t i = 0; i < bench->options->backend_count; i++)
		printf("owner %zu %u\n", i, owned[i]);
}

/* --- the command line --- */

static void parse_mac(const char *text, uint8_t mac[6])
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5]) != 6)
		die("--mac %s: not a MAC address", text);
}

static void options_parse(int argc, char **argv, struct options *options)
{
	static const struct option flags[] = {
		{"vip", required_argument, NULL, 'v'},
		{"mac", required_argument, NULL, 'm'},
		{"client", required_argument, NULL, 'c'},
		{"backend", required_argument, NULL, 'b'},
		{"flows", required_argument, NULL, 'f'},
		{"owners", required_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	struct error err = {0};
	uint32_t most;
	int c;

	while ((c = getopt_long(argc, argv, "", flags, NULL)) != -1) {
		if (c == 'v' && parse_address(optarg, &options->vip, &err) < 0)
			die("--vip: %s", err.message);
		if (c == 'f' && parse_number(optarg, 1, FLOOD_MAX, &options->flows, &err) < 0)
			die("--flows: %s", err.message);
		if (c == 'm')
			parse_mac(optarg, options->mac);
		if (c == 'c')
			options->client = optarg;
		if (c == 'o')
			options->owners = optarg;
		if (c == 'b' && options->backend_count < BACKENDS_MAX)
			options->backends[options->backend_count++] = optarg;
		if (c == '?')
			exit(2);
	}
	if (optind + 1 != argc || !options->client || !options->flows)
		die("establish|check|flood --vip --mac --client --flows [--backend... --owners]");
	if (strcmp(argv[optind], "flood") == 0)
		options->mode = FLOOD;
	else
		options->mode = strcmp(argv[optind], "check") == 0 ? CHECK : ESTABLISH;
	most = address_is_ipv4(&options->vip) ? FLOWS_MAX : FLOWS_MAX_IPV6;
	if (options->mode != FLOOD && (!options->owners || options->flows > most))
		die("%s: needs --owners, and at most %u flows", argv[optind], most);
}

static void owners_write(const struct options *options, const uint8_t *owners)
{
	FILE *file = fopen(options->owners, "w");

	if (!file || fwrite(owners, 1, options->flows, file) != options->flows || fclose(file) != 0)
		die("%s: cannot write: %s", options->owners, strerror(errno));
}

static void owners_read(const struct options *options, uint8_t *owners)
{
	FILE *file = fopen(options->owners, "r");

	if (!file || fread(owners, 1, options->flows, file) != options->flows)
		die("%s: not written for %u flows", options->owners, (unsigned)options->flows);
	fclose(file);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	static uint8_t before[FLOWS_MAX];
	struct options options = {0};

	options_parse(argc, argv, &options);
	bench_open(&bench, &options);
	if (options.mode == FLOOD) {
		flood(&bench);
		return EXIT_SUCCESS;
	}
	if (options.mode == CHECK)
		owners_read(&options, before);
	pass(&bench, options.mode == ESTABLISH ? before : NULL);
	if (options.mode == ESTABLISH)
		owners_write(&options, before);
	report(&bench, before);
	return EXIT_SUCCESS;
}
