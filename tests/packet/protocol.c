/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
const struct protocol protocols[LAYER_KINDS] = {
	[LAYER_ETH] = {"eth", 14, NULL, 0, {
		{"dst", 0, 48, FIELD_MAC, "02:00:00:00:00:01"},
		{"src", 48, 48, FIELD_MAC, "02:00:00:00:00:02"},
		{"type", 96, 16, FIELD_HEX, NULL}}},
	[LAYER_VLAN] = {"vlan", 4, NULL, 0, {
		{"pcp", 0, 3, FIELD_NUMBER, NULL},
		{"dei", 3, 1, FIELD_NUMBER, NULL},
		{"id", 4, 12, FIELD_NUMBER, NULL},
		{"type", 16, 16, FIELD_HEX, NULL}}},
	[LAYER_ARP] = {"arp", 28, NULL, 0, {
		{"htype", 0, 16, FIELD_NUMBER, "1"},
		{"ptype", 16, 16, FIELD_HEX, "0x800"},
		{"hlen", 32, 8, FIELD_NUMBER, "6"},
		{"plen", 40, 8, FIELD_NUMBER, "4"},
		{"op", 48, 16, FIELD_NUMBER, "1"},
		{"sha", 64, 48, FIELD_MAC, NULL},
		{"spa", 112, 32, FIELD_IP4, NULL},
		{"tha", 144, 48, FIELD_MAC, NULL},
		{"tpa", 192, 32, FIELD_IP4, NULL}}},
	[LAYER_IP4] = {"ip4", 20, "options", 0, {
		{"version", 0, 4, FIELD_NUMBER, "4"},
		{"ihl", 4, 4, FIELD_NUMBER, NULL},
		{"tos", 8, 8, FIELD_HEX, NULL},
		{"len", 16, 16, FIELD_NUMBER, NULL},
		{"id", 32, 16, FIELD_NUMBER, NULL},
		{"reserved", 48, 1, FIELD_NUMBER, NULL},
		{"df", 49, 1, FIELD_NUMBER, "1"},
		{"mf", 50, 1, FIELD_NUMBER, NULL},
		{"frag", 51, 13, FIELD_NUMBER, NULL},
		{"ttl", 64, 8, FIELD_NUMBER, "64"},
		{"proto", 72, 8, FIELD_NUMBER, NULL},
		{"check", 80, 16, FIELD_HEX, NULL},
		{"src", 96, 32, FIELD_IP4, "198.18.0.2"},
		{"dst", 128, 32, FIELD_IP4, "198.18.0.10"}}},
	[LAYER_IP6] = {"ip6", 40, NULL, 0, {
		{"version", 0, 4, FIELD_NUMBER, "6"},
		{"class", 4, 8, FIELD_HEX, NULL},
		{"flow", 12, 20, FIELD_HEX, NULL},
		{"len", 32, 16, FIELD_NUMBER, NULL},
		{"next", 48, 8, FIELD_NUMBER, NULL},
		{"hop", 56, 8, FIELD_NUMBER, "64"},
		{"src", 64, 128, FIELD_IP6, "2001:db8::2"},
		{"dst", 192, 128, FIELD_IP6, "2001:db8::10"}}},
	[LAYER_HOPOPTS] = {"hopopts", 2, "options", 6, {
		{"next", 0, 8, FIELD_NUMBER, NULL},
		{"len", 8, 8, FIELD_NUMBER, NULL}}},
	[LAYER_ROUTING] = {"routing", 4, "rest", 4, {
		{"next", 0, 8, FIELD_NUMBER, NULL},
		{"len", 8, 8, FIELD_NUMBER, NULL},
		{"type", 16, 8, FIELD_NUMBER, "4"},
		{"left", 24, 8, FIELD_NUMBER, NULL}}},
	[LAYER_DSTOPTS] = {"dstopts", 2, "options", 6, {
		{"next", 0, 8, FIELD_NUMBER, NULL},
		{"len", 8, 8, FIELD_NUMBER, NULL}}},
	[LAYER_FRAGMENT] = {"fragment", 8, NULL, 0, {
		{"next", 0, 8, FIELD_NUMBER, NULL},
		{"offset", 16, 13, FIELD_NUMBER, NULL},
		{"more", 31, 1, FIELD_NUMBER, NULL},
		{"id", 32, 32, FIELD_NUMBER, NULL}}},
	[LAYER_TCP] = {"tcp", 20, "options", 0, {
		{"src", 0, 16, FIELD_NUMBER, "40000"},
		{"dst", 16, 16, FIELD_NUMBER, "80"},
		{"seq", 32, 32, FIELD_NUMBER, "1000"},
		{"ack", 64, 32, FIELD_NUMBER, NULL},
		{"doff", 96, 4, FIELD_NUMBER, NULL},
		{"reserved", 100, 4, FIELD_NUMBER, NULL},
		{"flags", 104, 8, FIELD_FLAGS, "A"},
		{"win", 112, 16, FIELD_NUMBER, "64240"},
		{"check", 128, 16, FIELD_HEX, NULL},
		{"urg", 144, 16, FIELD_NUMBER, NULL}}},
	[LAYER_UDP] = {"udp", 8, NULL, 0, {
		{"src", 0, 16, FIELD_NUMBER, "40000"},
		{"dst", 16, 16, FIELD_NUMBER, "53"},
		{"len", 32, 16, FIELD_NUMBER, NULL},
		{"check", 48, 16, FIELD_HEX, NULL}}},
	[LAYER_ICMP] = {"icmp", 8, NULL, 0, {
		{"type", 0, 8, FIELD_NUMBER, "8"},
		{"code", 8, 8, FIELD_NUMBER, NULL},
		{"check", 16, 16, FIELD_HEX, NULL},
		{"rest", 32, 32, FIELD_HEX, NULL}}},
	[LAYER_ICMP6] = {"icmp6", 8, NULL, 0, {
		{"type", 0, 8, FIELD_NUMBER, "128"},
		{"code", 8, 8, FIELD_NUMBER, NULL},
		{"check", 16, 16, FIELD_HEX, NULL},
		{"rest", 32, 32, FIELD_HEX, NULL}}},
	[LAYER_SCTP] = {"sctp", 16, NULL, 0, {
		{"src", 0, 16, FIELD_NUMBER, "40000"},
		{"dst", 16, 16, FIELD_NUMBER, "80"},
		{"tag", 32, 32, FIELD_HEX, "0x11223344"},
		{"crc", 64, 32, FIELD_HEX, "0x55667788"},
		{"chunk", 96, 8, FIELD_NUMBER, NULL},
		{"flags", 104, 8, FIELD_HEX, NULL},
		{"len", 112, 16, FIELD_NUMBER, "4"}}},
	[LAYER_GUE] = {"gue", 4, NULL, 0, {
		{"variant", 0, 2, FIELD_NUMBER, NULL},
		{"control", 2, 1, FIELD_NUMBER, NULL},
		{"hlen", 3, 5, FIELD_NUMBER, NULL},
		{"proto", 8, 8, FIELD_NUMBER, NULL},
		{"flags", 16, 16, FIELD_HEX, NULL}}},
	[LAYER_STAMPS] = {"stamps", 12, NULL, 0, {
		{"before", 0, 16, FIELD_HEX, "0x101"}, /* NOP NOP */
		{"kind", 16, 8, FIELD_NUMBER, "8"},
		{"len", 24, 8, FIELD_NUMBER, "10"},
		{"val", 32, 32, FIELD_NUMBER, NULL},
		{"ecr", 64, 32, FIELD_NUMBER, NULL}}},
	[LAYER_SACK] = {"sack", 12, NULL, 0, {
		{"before", 0, 16, FIELD_HEX, "0x101"},
		{"kind", 16, 8, FIELD_NUMBER, "5"},
		{"len", 24, 8, FIELD_NUMBER, "10"},
		{"from", 32, 32, FIELD_NUMBER, NULL},
		{"to", 64, 32, FIELD_NUMBER, NULL}}},
	[LAYER_DATA] = {"data", 0, "bytes", 0, {{0}}},
	[LAYER_PAD] = {"pad", 0, "bytes", 0, {{0}}},
};
/* clang-format on */

static const struct {
	enum layer_kind kind;
	int ethertype;
	int ip_protocol;
} numbers[] = {
	{LAYER_VLAN, 0x8100, -1}, {LAYER_VLAN, 0x88a8, -1}, {LAYER_ARP, 0x0806, -1},
	{LAYER_IP4, 0x0800, 4},   {LAYER_IP6, 0x86dd, 41},  {LAYER_HOPOPTS, -1, 0},
	{LAYER_ROUTING, -1, 43},  {LAYER_DSTOPTS, -1, 60},  {LAYER_FRAGMENT, -1, 44},
	{LAYER_TCP, -1, 6},       {LAYER_UDP, -1, 17},      {LAYER_ICMP, -1, 1},
	{LAYER_ICMP6, -1, 58},    {LAYER_SCTP, -1, 132},
};

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

enum layer_kind kind_of_ethertype(uint16_t ethertype)
{
	size_t i;

	for (i = 0; i < NUMBERS; i++)
		if (numbers[i].ethertype == ethertype)
			return numbers[i].kind;
	return LAYER_DATA;
}

enum layer_kind kind_of_ip_protocol(uint8_t number)
{
	size_t i;

	for (i = 0; i < NUMBERS; i++)
		if (numbers[i].ip_protocol == number)
			return numbers[i].kind;
	return LAYER_DATA;
}

int ethertype_of_kind(enum layer_kind kind)
{
	size_t i;

	for (i = 0; i < NUMBERS; i++)
		if (numbers[i].kind == kind)
			return numbers[i].ethertype;
	return -1;
}

int ip_protocol_of_kind(enum layer_kind kind)
{
	size_t i;

	for (i = 0; i < NUMBERS; i++)
		if (numbers[i].kind == kind)
			return numbers[i].ip_protocol;
	return -1;
}

bool is_ipv6_extension(enum layer_kind kind)
{
	return kind == LAYER_HOPOPTS || kind == LAYER_ROUTING || kind == LAYER_DSTOPTS ||
	       kind == LAYER_FRAGMENT;
}

const struct field *field_named(const struct protocol *protocol, const char *name,
				size_t *ret_index)
{
	size_t i;

	for (i = 0; i < FIELDS_MAX && protocol->fields[i].name; i++) {
		if (strcmp(protocol->fields[i].name, name) != 0)
			continue;
		*ret_index = i;
		return &protocol->fields[i];
	}
	return NULL;
}

uint64_t field_get(const uint8_t *header, const struct field *field)
{
	uint64_t value = 0;
	unsigned int bit;

	for (bit = field->bit; bit < field->bit + field->width; bit++)
		value = value << 1 | (header[bit / 8] >> (7 - bit % 8) & 1);
	return value;
}

void field_put(uint8_t *header, const struct field *field, uint64_t value)
{
	unsigned int i, bit;

	for (i = 0; i < field->width; i++) {
		bit = field->bit + field->width - 1 - i;
		header[bit / 8] &= ~(1U << (7 - bit % 8));
		header[bit / 8] |= (value >> i & 1) << (7 - bit % 8);
	}
}

static const struct field *require(enum layer_kind kind, const char *name)
{
	size_t index;
	const struct field *field = field_named(&protocols[kind], name, &index);

	if (!field)
		abort(); /* a mistake in these tests */
	return field;
}

uint64_t header_get(enum layer_kind kind, const uint8_t *header, const char *name)
{
	return field_get(header, require(kind, name));
}

void header_put(enum layer_kind kind, uint8_t *header, const char *name, uint64_t value)
{
	field_put(header, require(kind, name), value);
}
