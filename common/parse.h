/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PARSE_H
#define SLUICE_PARSE_H

/*
 * Text to values and back: the one place where numbers, durations, addresses and VIPs are read
 * and written. Parsers return 0 or a negative errno with err filled (message and hint, not
 * field); outputs stay untouched on failure. Formatters never fail and return their buffer.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "error.h"

/* Either family; IPv4 is held as ::ffff:a.b.c.d. */
struct address {
	struct in6_addr ip;
};

/* Addresses whose first `length` bits are those of address, 0 to 32 or to 128 by its family. */
struct prefix {
	struct address address; /* zero behind length */
	uint8_t length;
};

struct endpoint {
	struct address address;
	uint16_t port; /* host order */
};

struct vip {
	struct endpoint endpoint; /* port 0: every port */
	uint8_t protocol;         /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
	uint8_t host_bits;        /* 0: one address; else of a prefix, those that are not its */
};

#define ADDRESS_TEXT_MAX  46
#define PREFIX_TEXT_MAX   50
#define ENDPOINT_TEXT_MAX 56
#define VIP_TEXT_MAX      72
#define DURATION_TEXT_MAX 24
#define TIME_TEXT_MAX     32
#define BYTES_TEXT_MAX    100

/* Decimal digits only, min to max. */
int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value,
		 struct error *err);

/* The value of a hexadecimal digit of either case; -1: it is none. */
int hex_digit(char c);

/* "500ms", "30s", "5m", "2h" to milliseconds, min_ms to max_ms. A bare number is refused. */
int parse_duration(const char *text, uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms,
		   struct error *err);

/* A time of day in UTC, to the millisecond, as format_time() writes it: Unix time. */
int parse_time(const char *text, uint64_t *ret_ms, struct error *err);

/* "1%", "0.25%" or, the same, "0.25": to a ratio, 0 to 1. At most two digits behind the point. */
int parse_percent(const char *text, double *ret_ratio, struct error *err);

/* "0.6", "250", "-1.5e-05": what is finite and decimal. */
int parse_decimal(const char *text, double *ret_value, struct error *err);

/* "1", "0.5", "0.125": RFC 9110's qvalue (12.4.2), to thousandths. */
int parse_quality(const char *text, unsigned int *ret_thousandths, struct error *err);

/* Four bytes in network order, as packets and the kernel have IPv4 addresses. */
struct address address_from_ipv4(const void *bytes);

/* "198.18.0.10" or "2001:db8::10"; no name lookup, no scope, no IPv4-mapped IPv6. */
int parse_address(const char *text, struct address *ret_address, struct error *err);

/* "198.18.0.0/15", "2001:db8::/32"; without "/N" the one address. No bits behind the prefix. */
int parse_prefix(const char *text, struct prefix *ret_prefix, struct error *err);

/* "ADDR:PORT", "[ADDR6]:PORT", "ADDR", "[ADDR6]", "ADDR6"; a missing port becomes default_port. */
int parse_endpoint(const char *text, uint16_t default_port, struct endpoint *ret_endpoint,
		   struct error *err);

/* "tcp://ADDR:PORT", "udp://[ADDR6]:PORT", "sctp://..."; PORT may be *, ADDR a prefix such as
 * 198.18.0.0/24 or [2001:db8::/64]. ADDR must be usable, see below. */
int parse_vip(const char *text, struct vip *ret_vip, struct error *err);

/* Bytes as text: printable ASCII as it is, others as \xHH, \n, \r, \t or \0, a backslash as \\.
 * At most max; ret_bytes may have been written on failure, too. */
int parse_bytes(const char *text, size_t max, uint8_t *ret_bytes, size_t *ret_length,
		struct error *err);

/* The same the other way, cut to its beginning. */
const char *format_bytes(const uint8_t *bytes, size_t length, char buffer[BYTES_TEXT_MAX]);

/* "2026-11-21T01:02:03.456Z" (RFC 3339), for any time before the year 10000. */
const char *format_time(uint64_t ms, char buffer[TIME_TEXT_MAX]);
const char *format_duration(uint64_t ms, char buffer[DURATION_TEXT_MAX]);
const char *format_address(const struct address *address, char buffer[ADDRESS_TEXT_MAX]);
/* With "/N" even if it is one address. */
const char *format_prefix(const struct prefix *prefix, char buffer[PREFIX_TEXT_MAX]);
const char *format_endpoint(const struct endpoint *endpoint, char buffer[ENDPOINT_TEXT_MAX]);
const char *format_vip(const struct vip *vip, char buffer[VIP_TEXT_MAX]);

/* Refuses what no packet can be sent to by other hosts: loopback, unspecified, multicast. */
int address_check_usable(const struct address *address, struct error *err);

bool address_is_ipv4(const struct address *address);
bool address_equal(const struct address *a, const struct address *b);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* By address, then by port; as memcmp(). */
int endpoint_order(const struct endpoint *a, const struct endpoint *b);
bool vip_equal(const struct vip *a, const struct vip *b);

/* 32 or 128, by the family. */
uint8_t address_bits(const struct address *address);

/* The IPv4 part of a mapped address, network order. Only where address_is_ipv4(). */
struct in_addr address_ipv4(const struct address *address);

/* Fills a sockaddr_in or sockaddr_in6 as the family asks. Returns its length. */
socklen_t endpoint_sockaddr(const struct endpoint *endpoint, struct sockaddr_storage *ret_addr);

#endif
