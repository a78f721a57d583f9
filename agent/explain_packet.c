/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <string.h>

#include "abi.h"

#define TTL           64
#define DONT_FRAGMENT 0x4000
#define ECHO_REQUEST4 8
#define ECHO_REQUEST6 128

struct vlan_tag {
	uint16_t tci;
	uint16_t eth_proto;
};

/* RFC 9260, 3: the common header and a chunk's. */
struct sctp_packet {
	uint16_t source;
	uint16_t dest;
	uint32_t tag;
	uint32_t check;
	uint8_t chunk_type;
	uint8_t chunk_flags;
	uint16_t chunk_length;
};

struct icmp_packet {
	uint8_t type;
	uint8_t code;
	uint16_t check;
	uint32_t info;
};

static bool is_ipv4(const struct explain_query *query)
{
	return address_is_ipv4(&query->destination.address);
}

static uint32_t ip_length(const struct explain_query *query)
{
	return is_ipv4(query) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* --- write --- */

static uint64_t sum_bytes(uint64_t sum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	size_t i;

	for (i = 0; i < size; i++)
		sum += i % 2 ? at[i] : (uint64_t)at[i] << 8;
	return sum;
}

/* RFC 1071, in network order. */
static uint16_t checksum(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* That of an L4 header which covers the pseudo header of its IP packet. */
static uint16_t l4_checksum(const struct explain_query *query, uint8_t protocol, const void *l4,
			    size_t size)
{
	const size_t skip = is_ipv4(query) ? 12 : 0; /* ::ffff: */
	const struct in6_addr *source = &query->source.address.ip;
	const struct in6_addr *destination = &query->destination.address.ip;
	uint64_t sum = size + protocol;

	sum = sum_bytes(sum, source->s6_addr + skip, sizeof(*source) - skip);
	sum = sum_bytes(sum, destination->s6_addr + skip, sizeof(*destination) - skip);
	return checksum(sum_bytes(sum, l4, size));
}

static size_t write_link(const struct explain_query *query, uint8_t *frame)
{
	static const uint8_t somebody[6] = {0x02}; /* locally administered */
	uint16_t eth_proto = htons(is_ipv4(query) ? ETH_P_IP : ETH_P_IPV6);
	uint32_t count = query->vlan >> LB_VLAN_COUNT_SHIFT & 3;
	uint16_t tag = query->vlan & LB_VLAN_SERVICE_TAG ? ETH_P_8021AD : ETH_P_8021Q;
	uint32_t outer = count == 2 ? query->vlan >> LB_VLAN_OUTER_SHIFT : query->vlan;
	struct ethhdr eth = {.h_proto = count ? htons(tag) : eth_proto};
	struct vlan_tag tags[2] = {
		{htons(outer & LB_VLAN_ID_MASK), count == 2 ? htons(ETH_P_8021Q) : eth_proto},
		{htons(query->vlan & LB_VLAN_ID_MASK), eth_proto},
	};

	memcpy(eth.h_dest, query->mac, sizeof(eth.h_dest));
	memcpy(eth.h_source, somebody, sizeof(eth.h_source));
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), tags, count * sizeof(*tags));
	return sizeof(eth) + count * sizeof(*tags);
}

static void write_ip(const struct explain_query *query, uint8_t protocol, uint32_t length,
		     uint8_t *at)
{
	struct iphdr ip4 = {
		.version = 4,
		.ihl = sizeof(ip4) / 4,
		.tot_len = htons((uint16_t)length),
		.frag_off = htons(DONT_FRAGMENT),
		.ttl = TTL,
		.protocol = protocol,
	};
	struct ipv6hdr ip6 = {
		.version = 6,
		.payload_len = htons((uint16_t)(length - sizeof(ip6))),
		.nexthdr = protocol,
		.hop_limit = TTL,
		.saddr = query->source.address.ip,
		.daddr = query->destination.address.ip,
	};

	if (!is_ipv4(query)) {
		memcpy(at, &ip6, sizeof(ip6));
		return;
	}
	ip4.saddr = address_ipv4(&query->source.address).s_addr;
	ip4.daddr = address_ipv4(&query->destination.address).s_addr;
	memcpy(at, &ip4, sizeof(ip4));
	ip4.check = checksum(sum_bytes(0, at, sizeof(ip4)));
	memcpy(at, &ip4, sizeof(ip4));
}

/* The chunk that means what TCP's flags do. */
static uint8_t sctp_chunk(uint8_t flags)
{
	if (flags & EXPLAIN_RST)
		return 6; /* ABORT */
	if (flags & EXPLAIN_FIN)
		return 8;                   /* SHUTDOWN ACK */
	return flags & EXPLAIN_SYN ? 1 : 0; /* INIT, DATA */
}

static void write_tcp(const struct explain_query *query, uint8_t *at, uint32_t size)
{
	struct tcphdr tcp = {
		.source = htons(query->source.port),
		.dest = htons(query->destination.port),
		.doff = sizeof(tcp) / 4,
		.fin = !!(query->flags & EXPLAIN_FIN),
		.syn = !!(query->flags & EXPLAIN_SYN),
		.rst = !!(query->flags & EXPLAIN_RST),
		.ack = !!(query->flags & EXPLAIN_ACK),
		.window = htons(65535),
	};

	memcpy(at, &tcp, sizeof(tcp));
	tcp.check = l4_checksum(query, IPPROTO_TCP, at, size);
	memcpy(at, &tcp, sizeof(tcp));
}

static void write_udp(const struct explain_query *query, uint8_t *at, uint32_t size)
{
	struct udphdr udp = {
		.source = htons(query->source.port),
		.dest = htons(query->destination.port),
		.len = htons((uint16_t)size),
	};

	memcpy(at, &udp, sizeof(udp));
	udp.check = l4_checksum(query, IPPROTO_UDP, at, size);
	if (udp.check == 0)
		udp.check = 0xffff; /* RFC 768 */
	memcpy(at, &udp, sizeof(udp));
}

static void write_sctp(const struct explain_query *query, uint8_t *at, uint32_t size)
{
	struct sctp_packet sctp = {
		.source = htons(query->source.port),
		.dest = htons(query->destination.port),
		.chunk_type = sctp_chunk(query->flags),
		.chunk_length = htons((uint16_t)(size - offsetof(struct sctp_packet, chunk_type))),
	};

	memcpy(at, &sctp, sizeof(sctp));
}

static void write_echo(const struct explain_query *query, uint8_t *at, uint32_t size)
{
	struct icmp_packet icmp = {.type = is_ipv4(query) ? ECHO_REQUEST4 : ECHO_REQUEST6};

	memcpy(at, &icmp, sizeof(icmp));
	icmp.check = is_ipv4(query) ? checksum(sum_bytes(0, at, size))
				    : l4_checksum(query, IPPROTO_ICMPV6, at, size);
	memcpy(at, &icmp, sizeof(icmp));
}

size_t explain_packet_write(const struct explain_query *query, uint8_t frame[EXPLAIN_FRAME_MAX])
{
	uint32_t length = query->length;
	uint8_t protocol = query->protocol;
	size_t link = write_link(query, frame);
	uint8_t *l4 = frame + link + ip_length(query);
	uint32_t size = length - ip_length(query);

	if (protocol == IPPROTO_ICMP && !is_ipv4(query))
		protocol = IPPROTO_ICMPV6;
	memset(frame + link, 0, length);
	write_ip(query, protocol, length, frame + link);
	if (protocol == IPPROTO_TCP)
		write_tcp(query, l4, size);
	else if (protocol == IPPROTO_UDP)
		write_udp(query, l4, size);
	else if (protocol == IPPROTO_SCTP)
		write_sctp(query, l4, size);
	else
		write_echo(query, l4, size);
	return link + length;
}

/* --- read --- */

struct reader {
	const uint8_t *at;
	size_t left;
};

static bool take(struct reader *reader, void *header, size_t size)
{
	if (reader->left < size)
		return false;
	memcpy(header, reader->at, size);
	reader->at += size;
	reader->left -= size;
	return true;
}

/* Returns the ethertype behind the link header, in network order; 0: there is none. */
static uint16_t read_link(struct reader *reader, struct explain_headers *headers)
{
	struct vlan_tag tag;
	struct ethhdr eth;
	uint32_t count;
	uint16_t proto;

	if (!take(reader, &eth, sizeof(eth)))
		return 0;
	memcpy(headers->destination_mac, eth.h_dest, sizeof(eth.h_dest));
	memcpy(headers->source_mac, eth.h_source, sizeof(eth.h_source));
	proto = eth.h_proto;
	if (proto == htons(ETH_P_8021AD))
		headers->vlan = LB_VLAN_SERVICE_TAG;
	for (count = 1; proto == htons(ETH_P_8021AD) || proto == htons(ETH_P_8021Q); count++) {
		if (count > 2 || !take(reader, &tag, sizeof(tag)))
			return 0;
		proto = tag.eth_proto;
		headers->vlan = (headers->vlan & LB_VLAN_SERVICE_TAG) |
				count << LB_VLAN_COUNT_SHIFT |
				(headers->vlan & LB_VLAN_ID_MASK) << LB_VLAN_OUTER_SHIFT |
				(ntohs(tag.tci) & LB_VLAN_ID_MASK);
	}
	return proto;
}

static void put_ipv4(struct address *address, const void *bytes)
{
	address->ip.s6_addr16[5] = 0xffff;
	memcpy(address->ip.s6_addr + 12, bytes, sizeof(struct in_addr));
}

static bool read_ipv4(struct reader *reader, struct explain_headers *headers)
{
	struct iphdr ip;

	if (!take(reader, &ip, sizeof(ip)))
		return false;
	headers->protocol = ip.protocol;
	headers->length = ntohs(ip.tot_len);
	put_ipv4(&headers->source.address, &ip.saddr);
	put_ipv4(&headers->destination.address, &ip.daddr);
	return true;
}

static bool read_ipv6(struct reader *reader, struct explain_headers *headers)
{
	struct ipv6hdr ip;

	if (!take(reader, &ip, sizeof(ip)))
		return false;
	headers->protocol = ip.nexthdr;
	headers->length = (uint32_t)sizeof(ip) + ntohs(ip.payload_len);
	headers->source.address.ip = ip.saddr;
	headers->destination.address.ip = ip.daddr;
	return true;
}

static void read_ports(struct reader *reader, struct explain_headers *headers)
{
	bool has_ports = headers->protocol == IPPROTO_TCP || headers->protocol == IPPROTO_UDP ||
			 headers->protocol == IPPROTO_SCTP;
	uint16_t ports[2];

	if (!has_ports || !take(reader, ports, sizeof(ports)))
		return;
	headers->source.port = ntohs(ports[0]);
	headers->destination.port = ntohs(ports[1]);
}

/* As far as the IP header. */
static bool read_ip(struct reader *reader, struct explain_headers *headers)
{
	uint16_t proto = read_link(reader, headers);

	if (proto == htons(ETH_P_IP))
		return read_ipv4(reader, headers);
	return proto == htons(ETH_P_IPV6) && read_ipv6(reader, headers);
}

bool explain_packet_read(const uint8_t *frame, size_t size, struct explain_headers *ret_headers)
{
	struct reader reader = {frame, size};
	struct explain_headers headers = {.vlan = 0};

	if (!read_ip(&reader, &headers))
		return false;
	read_ports(&reader, &headers);
	*ret_headers = headers;
	return true;
}

static bool take_address(struct reader *reader, bool is_ipv4, struct address *ret_address)
{
	uint8_t bytes[sizeof(struct in_addr)];

	*ret_address = (struct address){0};
	if (!is_ipv4)
		return take(reader, &ret_address->ip, sizeof(ret_address->ip));
	if (!take(reader, bytes, sizeof(bytes)))
		return false;
	put_ipv4(ret_address, bytes);
	return true;
}

size_t explain_packet_chances(const uint8_t *frame, size_t size,
			      struct address chances[GUE_CHANCES_MAX])
{
	struct reader reader = {frame, size};
	struct explain_headers headers = {.vlan = 0};
	struct gue_chance chance;
	struct gue_header gue;
	struct udphdr udp;
	bool is_ipv4;

	if (!read_ip(&reader, &headers) || !take(&reader, &udp, sizeof(udp)) ||
	    !take(&reader, &gue, sizeof(gue)) || !(gue.version_length & GUE_WORDS_MASK) ||
	    !take(&reader, &chance, sizeof(chance)) || chance.kind != htons(GUE_CHANCE) ||
	    chance.left > GUE_CHANCES_MAX)
		return 0;
	is_ipv4 = address_is_ipv4(&headers.destination.address);
	for (size_t i = chance.left; i > 0; i--) { /* the last of them is asked first */
		if (!take_address(&reader, is_ipv4, &chances[i - 1]))
			return 0;
	}
	return chance.left;
}
