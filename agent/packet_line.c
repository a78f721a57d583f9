/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_line.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

#define VLAN_TAGS_MAX       2
#define IPV6_EXTENSIONS_MAX 8
#define IPV4_MORE           0x2000
#define IPV4_OFFSET         0x1fff
#define IPV6_MORE           0x0001
#define IPV6_OFFSET         0xfff8

/* What is left to read, and the line so far. */
struct reader {
	const uint8_t *at, *end;
	char *line;
	size_t used;
};

/* What of an IP header is told. */
struct ip {
	struct endpoint src, dst;
	uint8_t l4_proto;
	uint8_t ttl;
	unsigned int offset; /* of a fragment; its ports are unknown unless 0 */
	bool more;
};

__attribute__((format(printf, 2, 3))) static void say(struct reader *reader, const char *format,
						      ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(reader->line + reader->used, PACKET_LINE_MAX - reader->used, format,
			   args);
	va_end(args);
	reader->used += (size_t)length;
	if (reader->used > PACKET_LINE_MAX - 1)
		reader->used = PACKET_LINE_MAX - 1;
}

/* The next `size` bytes, or NULL. */
static const uint8_t *take(struct reader *reader, size_t size)
{
	const uint8_t *at = reader->at;

	if ((size_t)(reader->end - at) < size)
		return NULL;
	reader->at += size;
	return at;
}

static uint16_t read_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* --- IP --- */

static bool read_ipv4(struct reader *reader, struct ip *ip)
{
	const uint8_t *header = take(reader, 20);

	if (!header || header[0] >> 4 != 4 || (header[0] & 15) < 5 ||
	    !take(reader, (size_t)(header[0] & 15) * 4 - 20))
		return false;
	ip->src.address = address_from_ipv4(header + 12);
	ip->dst.address = address_from_ipv4(header + 16);
	ip->ttl = header[8];
	ip->l4_proto = header[9];
	ip->offset = (read_u16(header + 6) & IPV4_OFFSET) * 8U;
	ip->more = read_u16(header + 6) & IPV4_MORE;
	return true;
}

/* Passes over an extension header, if the next one is of the kinds that are so long. */
static bool skip_extension(struct reader *reader, struct ip *ip)
{
	const uint8_t *header = take(reader, 8);

	if (!header)
		return false;
	if (ip->l4_proto == IPPROTO_FRAGMENT) {
		ip->offset = read_u16(header + 2) & IPV6_OFFSET;
		ip->more = read_u16(header + 2) & IPV6_MORE;
	} else if (!take(reader, header[1] * (size_t)8)) {
		return false;
	}
	ip->l4_proto = header[0];
	return true;
}

static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_DSTOPTS;
}

static bool read_ipv6(struct reader *reader, struct ip *ip)
{
	const uint8_t *header = take(reader, 40);

	if (!header || header[0] >> 4 != 6)
		return false;
	memcpy(&ip->src.address.ip, header + 8, 16);
	memcpy(&ip->dst.address.ip, header + 24, 16);
	ip->l4_proto = header[6];
	ip->ttl = header[7];
	for (int i = 0; i < IPV6_EXTENSIONS_MAX && is_extension(ip->l4_proto) && !ip->offset; i++) {
		if (!skip_extension(reader, ip))
			return false;
	}
	return true;
}

/* --- what it carries --- */

static const char *proto_name(uint8_t proto, char buffer[16])
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmp6";
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		return "ipip";
	default:
		snprintf(buffer, 16, "protocol %u", proto);
		return buffer;
	}
}

static void say_tcp_flags(struct reader *reader, uint8_t flags)
{
	static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
	const char *gap = " ";

	for (size_t bit = 0; bit < 8; bit++) {
		if (!(flags >> bit & 1))
			continue;
		say(reader, "%s%s", gap, names[bit]);
		gap = "+";
	}
	if (!flags)
		say(reader, " no flags");
}

static bool has_ports(const struct ip *ip)
{
	return ip->l4_proto == IPPROTO_TCP || ip->l4_proto == IPPROTO_UDP ||
	       ip->l4_proto == IPPROTO_SCTP;
}

static void say_addresses(struct reader *reader, struct ip *ip, const uint8_t *l4)
{
	char src[ENDPOINT_TEXT_MAX], dst[ENDPOINT_TEXT_MAX], proto[16];

	say(reader, "%s ", proto_name(ip->l4_proto, proto));
	if (l4 && has_ports(ip)) {
		ip->src.port = read_u16(l4);
		ip->dst.port = read_u16(l4 + 2);
		say(reader, "%s > %s", format_endpoint(&ip->src, src),
		    format_endpoint(&ip->dst, dst));
	} else {
		say(reader, "%s > %s", format_address(&ip->src.address, src),
		    format_address(&ip->dst.address, dst));
	}
}

static void say_ip(struct reader *reader, struct ip *ip)
{
	size_t left = (size_t)(reader->end - reader->at);
	const uint8_t *l4 = ip->offset || left < 4 ? NULL : reader->at;

	say_addresses(reader, ip, l4);
	if (l4 && ip->l4_proto == IPPROTO_TCP && left >= 14)
		say_tcp_flags(reader, l4[13]);
	if (l4 && (ip->l4_proto == IPPROTO_ICMP || ip->l4_proto == IPPROTO_ICMPV6))
		say(reader, " type %u code %u", l4[0], l4[1]);
	if (ip->offset)
		say(reader, ", fragment from byte %u", ip->offset);
	else if (ip->more)
		say(reader, ", first fragment");
	say(reader, ", ttl %u", ip->ttl);
}

/* --- the frame --- */

static bool is_tag(uint16_t eth_proto)
{
	return eth_proto == ETH_P_8021Q || eth_proto == ETH_P_8021AD;
}

static void say_frame(struct reader *reader)
{
	const uint8_t *header = take(reader, ETH_HLEN), *tag = NULL;
	uint16_t eth_proto = header ? read_u16(header + 12) : 0;
	struct ip ip = {0};
	bool known = false;

	for (int i = 0; i < VLAN_TAGS_MAX && is_tag(eth_proto); i++) {
		tag = take(reader, 4);
		eth_proto = tag ? read_u16(tag + 2) : 0;
		if (tag)
			say(reader, "vlan %u ", read_u16(tag) & 0xfffU);
	}
	if (eth_proto == ETH_P_IP)
		known = read_ipv4(reader, &ip);
	else if (eth_proto == ETH_P_IPV6)
		known = read_ipv6(reader, &ip);
	if (known)
		say_ip(reader, &ip);
	else
		say(reader, "ethertype 0x%04x", eth_proto);
}

const char *packet_line(const uint8_t *data, size_t captured, size_t length,
			char buffer[PACKET_LINE_MAX])
{
	struct reader reader = {.at = data, .end = data + captured, .line = buffer};

	buffer[0] = '\0';
	say_frame(&reader);
	say(&reader, ", %zu bytes", length);
	return buffer;
}
