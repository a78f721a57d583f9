/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_PROTOCOL_H
#define SLUICE_PACKET_PROTOCOL_H

/*
 * Headers as data: each is a list of named bit fields. From these lists packets are read from
 * text, built, and printed. Written from the RFCs and without the data plane's parser in sight:
 * the tests' own second opinion.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum layer_kind {
	LAYER_ETH,
	LAYER_VLAN,
	LAYER_ARP,
	LAYER_IP4,
	LAYER_IP6,
	LAYER_HOPOPTS,
	LAYER_ROUTING,
	LAYER_DSTOPTS,
	LAYER_FRAGMENT,
	LAYER_TCP,
	LAYER_UDP,
	LAYER_ICMP,
	LAYER_ICMP6,
	LAYER_SCTP,   /* its common header and the first chunk's */
	LAYER_GUE,    /* variant 0 */
	LAYER_STAMPS, /* TCP's timestamps, of which cases bind the values, and what stands before */
	LAYER_SACK,   /* likewise a selective acknowledgement */
	LAYER_DATA,   /* bytes: a payload, or headers that have no name here */
	LAYER_PAD,    /* bytes behind the IP packet, as short Ethernet frames have them */
	LAYER_KINDS,
};

enum field_format {
	FIELD_NUMBER,
	FIELD_HEX,
	FIELD_MAC,
	FIELD_IP4,
	FIELD_IP6,
	FIELD_FLAGS, /* TCP flags as letters */
};

struct field {
	const char *name;
	uint16_t bit; /* from the header's first bit on the wire */
	uint16_t width;
	enum field_format format;
	const char *initial; /* the value where a case gives none; NULL: 0 or computed */
};

#define FIELDS_MAX 16
#define HEADER_MAX 40

struct protocol {
	const char *name;
	size_t size;      /* of the fixed part */
	const char *tail; /* name of the variable part behind it; NULL: none */
	size_t tail_initial;
	struct field fields[FIELDS_MAX]; /* ended by a NULL name */
};

extern const struct protocol protocols[LAYER_KINDS];

/* NULL, or the field and its index in the protocol. */
const struct field *field_named(const struct protocol *protocol, const char *name,
				size_t *ret_index);

/* Fields of at most 64 bits. */
uint64_t field_get(const uint8_t *header, const struct field *field);
void field_put(uint8_t *header, const struct field *field, uint64_t value);

/* By name; the field must exist. */
uint64_t header_get(enum layer_kind kind, const uint8_t *header, const char *name);
void header_put(enum layer_kind kind, uint8_t *header, const char *name, uint64_t value);

/* What an ethertype or an IP protocol number stands for; LAYER_DATA: nothing that is known. */
enum layer_kind kind_of_ethertype(uint16_t ethertype);
enum layer_kind kind_of_ip_protocol(uint8_t number);

/* The inverse; -1: has no such number. */
int ethertype_of_kind(enum layer_kind kind);
int ip_protocol_of_kind(enum layer_kind kind);

#define GUE_PORT 6080 /* in the cases; IANA's */

bool is_ipv6_extension(enum layer_kind kind);

#define TCP_FLAG_LETTERS "FSRPAUEC" /* from the lowest bit up */

#endif
