/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define ECHO_MAX 64
#define PORT_MAX 65535

/*
 * A refused token as it may be shown: bounded, and without the bytes that would drive a terminal
 * or make a JSON answer invalid. None of our tokens has a byte outside printable ASCII.
 */
static const char *echo(const char *text, char buffer[ECHO_MAX])
{
	static const char cut[] = "...";
	const size_t room = ECHO_MAX - sizeof(cut);
	size_t i;

	if (!*text)
		return "(empty)";
	for (i = 0; i < room && text[i]; i++)
		buffer[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	snprintf(buffer + i, ECHO_MAX - i, "%s", text[i] ? cut : "");
	return buffer;
}

/* Moves *cursor over at least one digit. False where there is none, or the value overflows. */
static bool read_digits(const char **cursor, uint64_t *ret_value)
{
	const char *digit = *cursor;
	uint64_t value = 0;

	for (; *digit >= '0' && *digit <= '9'; digit++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*digit - '0'), &value))
			return false;
	}
	if (digit == *cursor)
		return false;
	*cursor = digit;
	*ret_value = value;
	return true;
}

int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value,
		 struct error *err)
{
	const char *cursor = text;
	char shown[ECHO_MAX];
	uint64_t value;

	if (!read_digits(&cursor, &value) || *cursor || value < min || value > max)
		return error_set(err, EINVAL, "%s: not a number from %" PRIu64 " to %" PRIu64,
				 echo(text, shown), min, max);
	*ret_value = value;
	return 0;
}

/* Largest first, as format_duration() wants them. */
static const struct duration_unit {
	const char *name;
	uint64_t ms;
} duration_units[] = {
	{"h", 3600000},
	{"m", 60000},
	{"s", 1000},
	{"ms", 1},
};

static int refuse_duration(const char *text, const char *reason, struct error *err)
{
	char shown[ECHO_MAX];

	error_set(err, EINVAL, "%s: %s", echo(text, shown), reason);
	return error_hint(err, -EINVAL, "write 500ms, 30s, 5m or 2h");
}

static const struct duration_unit *find_unit(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
		if (!strcmp(name, duration_units[i].name))
			return &duration_units[i];
	}
	return NULL;
}

int parse_duration(const char *text, uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms,
		   struct error *err)
{
	char shown[ECHO_MAX], least[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];
	const struct duration_unit *unit;
	const char *cursor = text;
	uint64_t count, ms;

	if (!read_digits(&cursor, &count))
		return refuse_duration(text, "not a duration", err);
	if (!*cursor)
		return refuse_duration(text, "no unit", err);
	unit = find_unit(cursor);
	if (!unit)
		return refuse_duration(text, "not a duration", err);
	if (__builtin_mul_overflow(count, unit->ms, &ms) || ms < min_ms || ms > max_ms)
		return error_set(err, EINVAL, "%s: not from %s to %s", echo(text, shown),
				 format_duration(min_ms, least), format_duration(max_ms, most));
	*ret_ms = ms;
	return 0;
}

int parse_time(const char *text, uint64_t *ret_ms, struct error *err)
{
	struct tm utc = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
	char shown[ECHO_MAX];

	if (!rest || strlen(rest) != strlen(".000Z") || rest[0] != '.' || rest[4] != 'Z' ||
	    strspn(rest + 1, "0123456789") != 3) {
		error_set(err, EINVAL, "%s: not a time", echo(text, shown));
		return error_hint(err, -EINVAL, "write 2026-11-21T01:02:03.456Z");
	}
	*ret_ms = (uint64_t)timegm(&utc) * 1000 + (uint64_t)(rest[1] - '0') * 100 +
		  (uint64_t)(rest[2] - '0') * 10 + (uint64_t)(rest[3] - '0');
	return 0;
}

/* Moves *cursor over ".5" or ".25", if it is there. In hundredths. */
static bool read_hundredths(const char **cursor, uint64_t *ret_value)
{
	const char *digits = *cursor + 1;
	uint64_t value = 0;

	*ret_value = 0;
	if (**cursor != '.')
		return true;
	*cursor = digits;
	if (!read_digits(cursor, &value) || *cursor - digits > 2)
		return false;
	*ret_value = *cursor - digits == 1 ? value * 10 : value;
	return true;
}

int parse_percent(const char *text, double *ret_ratio, struct error *err)
{
	const char *cursor = text;
	uint64_t whole = 0, hundredths = 0;
	char shown[ECHO_MAX];

	if (!read_digits(&cursor, &whole) || !read_hundredths(&cursor, &hundredths) ||
	    strcmp(cursor + (*cursor == '%'), "") != 0 || whole > 100 ||
	    whole * 100 + hundredths > 10000) {
		error_set(err, EINVAL, "%s: not a percentage", echo(text, shown));
		return error_hint(err, -EINVAL, "write 0%% to 100%%, like 1%% or 0.25%%");
	}
	*ret_ratio = (double)(whole * 100 + hundredths) / 10000;
	return 0;
}

int parse_decimal(const char *text, double *ret_value, struct error *err)
{
	char *end = NULL, shown[ECHO_MAX];
	double value = strtod(text, &end);

	/* strtod() would also have hexadecimals, blanks in front, infinities and what is no number.
	 */
	if (*text == '\0' || *end != '\0' || strspn(text, "0123456789+-.eE") != strlen(text) ||
	    !isfinite(value)) {
		error_set(err, EINVAL, "%s: not a decimal number", echo(text, shown));
		return error_hint(err, -EINVAL, "write it like 0.6 or 250");
	}
	*ret_value = value;
	return 0;
}

int parse_quality(const char *text, unsigned int *ret_thousandths, struct error *err)
{
	char digits[] = "000", shown[ECHO_MAX];
	size_t length = strlen(text);
	bool one = text[0] == '1';

	if (length > 1 && length <= 5 && text[1] == '.' &&
	    strspn(text + 2, one ? "0" : "0123456789") == length - 2)
		memcpy(digits, text + 2, length - 2);
	else if (length != 1)
		length = 0;
	if (length == 0 || (!one && text[0] != '0'))
		return error_set(err, EINVAL, "%s: not a quality value", echo(text, shown));
	*ret_thousandths = one ? 1000
			       : (unsigned int)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 +
						digits[2] - '0');
	return 0;
}

struct address address_from_ipv4(const void *bytes)
{
	struct address address = {.ip.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(&address.ip.s6_addr[12], bytes, 4);
	return address;
}

int parse_address(const char *text, struct address *ret_address, struct error *err)
{
	char shown[ECHO_MAX], plain[ADDRESS_TEXT_MAX];
	struct address address;
	struct in_addr ipv4;

	if (inet_pton(AF_INET, text, &ipv4) == 1) {
		*ret_address = address_from_ipv4(&ipv4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &address.ip) != 1) {
		error_set(err, EINVAL, "%s: not an IPv4 or IPv6 address", echo(text, shown));
		return error_hint(err, -EINVAL, "write 198.18.0.10 or 2001:db8::10");
	}
	/* It could not be told from the IPv4 address itself, which is not what was written. */
	if (address_is_ipv4(&address)) {
		error_set(err, EINVAL, "%s: an IPv4 address in IPv6 form", echo(text, shown));
		return error_hint(err, -EINVAL, "write %s", format_address(&address, plain));
	}
	*ret_address = address;
	return 0;
}

/* Why no VIP or backend can have this address; NULL if it can. */
static const char *unusable(const struct address *address)
{
	if (address_is_ipv4(address)) {
		const uint32_t ipv4 = ntohl(address_ipv4(address).s_addr);

		if (ipv4 == INADDR_ANY)
			return "the unspecified address";
		if (ipv4 == INADDR_BROADCAST)
			return "the broadcast address";
		if (ipv4 >> 24 == IN_LOOPBACKNET)
			return "a loopback address";
		return IN_MULTICAST(ipv4) ? "a multicast address" : NULL;
	}
	if (IN6_IS_ADDR_UNSPECIFIED(&address->ip))
		return "the unspecified address";
	if (IN6_IS_ADDR_LOOPBACK(&address->ip))
		return "a loopback address";
	return IN6_IS_ADDR_MULTICAST(&address->ip) ? "a multicast address" : NULL;
}

int address_check_usable(const struct address *address, struct error *err)
{
	const char *reason = unusable(address);
	char shown[ADDRESS_TEXT_MAX];

	if (!reason)
		return 0;
	error_set(err, EINVAL, "%s: %s", format_address(address, shown), reason);
	return error_hint(err, -EINVAL, "write an address that other hosts can reach");
}

/* Where an endpoint's text divides. The address may be too long to be one. */
struct endpoint_parts {
	const char *address;
	size_t address_length;
	const char *port; /* NULL: none written */
	bool brackets;
};

static int split_endpoint(const char *text, struct endpoint_parts *ret_parts, struct error *err)
{
	const char *colon = strchr(text, ':');
	const char *close = strchr(text, ']');
	char shown[ECHO_MAX];

	if (*text == '[') {
		if (!close || (close[1] && close[1] != ':')) {
			error_set(err, EINVAL, "%s: not [ADDRESS] or [ADDRESS]:PORT",
				  echo(text, shown));
			return error_hint(err, -EINVAL, "write [2001:db8::10]:80");
		}
		*ret_parts = (struct endpoint_parts){text + 1, (size_t)(close - text) - 1,
						     close[1] ? close + 2 : NULL, true};
	} else if (colon && !strchr(colon + 1, ':')) {
		*ret_parts =
			(struct endpoint_parts){text, (size_t)(colon - text), colon + 1, false};
	} else {
		/* Several colons without brackets are an IPv6 address alone. */
		*ret_parts = (struct endpoint_parts){text, strlen(text), NULL, false};
	}
	return 0;
}

static int parse_part_address(const struct endpoint_parts *parts, struct address *ret_address,
			      struct error *err)
{
	struct address address = {0};
	char text[ECHO_MAX];
	int r;

	/* Cut at ECHO_MAX, it is still too long to be an address. */
	snprintf(text, sizeof(text), "%.*s", (int)parts->address_length, parts->address);
	r = parse_address(text, &address, err);
	if (r < 0)
		return r;
	if (parts->brackets && address_is_ipv4(&address)) {
		error_set(err, EINVAL, "[%s]: brackets around an IPv4 address", text);
		return error_hint(err, -EINVAL, "write %s", text);
	}
	*ret_address = address;
	return 0;
}

static int parse_port(const char *text, uint16_t *ret_port, struct error *err)
{
	char shown[ECHO_MAX];
	uint64_t port = 0;

	if (parse_number(text, 1, PORT_MAX, &port, err) < 0)
		return error_set(err, EINVAL, "port %s: not a number from 1 to %d",
				 echo(text, shown), PORT_MAX);
	*ret_port = (uint16_t)port;
	return 0;
}

int parse_endpoint(const char *text, uint16_t default_port, struct endpoint *ret_endpoint,
		   struct error *err)
{
	struct endpoint endpoint = {.port = default_port};
	struct endpoint_parts parts = {0};
	int r;

	r = split_endpoint(text, &parts, err);
	if (r == 0)
		r = parse_part_address(&parts, &endpoint.address, err);
	if (r == 0 && parts.port)
		r = parse_port(parts.port, &endpoint.port, err);
	if (r == 0)
		*ret_endpoint = endpoint;
	return r;
}

#define VIP_PREFIX_MIN 8 /* shorter ones are mistakes */

static const struct vip_scheme {
	const char *prefix;
	uint8_t protocol;
} vip_schemes[] = {
	{"tcp://", IPPROTO_TCP},
	{"udp://", IPPROTO_UDP},
	{"sctp://", IPPROTO_SCTP},
};

static const struct vip_scheme *find_scheme(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(vip_schemes); i++) {
		if (!strncmp(text, vip_schemes[i].prefix, strlen(vip_schemes[i].prefix)))
			return &vip_schemes[i];
	}
	return NULL;
}

/* The port of a VIP must be written, for it decides what is taken from the host. */
static int parse_vip_port(const struct endpoint_parts *parts, struct vip *vip, struct error *err)
{
	char every_port[VIP_TEXT_MAX], one_port[VIP_TEXT_MAX];
	struct vip example = *vip;

	if (!parts->port) {
		format_vip(vip, every_port);
		example.endpoint.port = 80;
		format_vip(&example, one_port);
		error_set(err, EINVAL, "%.*s: no port", (int)parts->address_length, parts->address);
		return error_hint(err, -EINVAL, "write %s, or %s for every port", one_port,
				  every_port);
	}
	if (!strcmp(parts->port, "*"))
		return 0;
	return parse_port(parts->port, &vip->endpoint.port, err);
}

/* What is left of a prefix's address behind its bits must be zero. */
static bool host_bits_zero(const struct address *address, unsigned int host_bits)
{
	const uint8_t *byte = address->ip.s6_addr + sizeof(address->ip) - 1;

	for (; host_bits >= 8; host_bits -= 8)
		if (*byte--)
			return false;
	return host_bits == 0 || (*byte & ((1U << host_bits) - 1)) == 0;
}

/* A prefix of at least min bits. */
static int read_prefix(const char *text, unsigned int min, struct prefix *ret_prefix,
		       struct error *err)
{
	char address[ADDRESS_TEXT_MAX], shown[ECHO_MAX];
	size_t length = strcspn(text, "/");
	struct prefix prefix = {0};
	uint64_t bits;
	int r;

	if (length >= sizeof(address))
		return error_set(err, EINVAL, "%s: not an IPv4 or IPv6 address", echo(text, shown));
	memcpy(address, text, length); /* a million in a file: snprintf takes as long as all else */
	address[length] = '\0';
	r = parse_address(address, &prefix.address, err);
	if (r < 0)
		return r;
	bits = address_bits(&prefix.address);
	if (text[length] && parse_number(text + length + 1, min, bits, &bits, err) < 0) {
		error_set(err, EINVAL, "%s: not a prefix of %u to %u bits", echo(text, shown), min,
			  address_bits(&prefix.address));
		return error_hint(err, -EINVAL, "write 198.18.0.0/15 or 2001:db8::/32");
	}
	prefix.length = (uint8_t)bits;
	if (!host_bits_zero(&prefix.address, address_bits(&prefix.address) - prefix.length))
		return error_set(err, EINVAL, "%s: address bits are set behind the prefix",
				 echo(text, shown));
	*ret_prefix = prefix;
	return 0;
}

int parse_prefix(const char *text, struct prefix *ret_prefix, struct error *err)
{
	return read_prefix(text, 0, ret_prefix, err);
}

/* The address part, which may be a prefix. */
static int parse_part_prefix(const struct endpoint_parts *parts, struct vip *vip, struct error *err)
{
	struct prefix prefix = {0};
	char text[ECHO_MAX];
	int r;

	/* Cut at ECHO_MAX, it is still too long to be a prefix. */
	snprintf(text, sizeof(text), "%.*s", (int)parts->address_length, parts->address);
	if (!strchr(text, '/'))
		return parse_part_address(parts, &vip->endpoint.address, err);
	r = read_prefix(text, VIP_PREFIX_MIN, &prefix, err);
	if (r < 0)
		return r;
	vip->endpoint.address = prefix.address;
	vip->host_bits = (uint8_t)(address_bits(&prefix.address) - prefix.length);
	return 0;
}

int parse_vip(const char *text, struct vip *ret_vip, struct error *err)
{
	const struct vip_scheme *scheme = find_scheme(text);
	struct endpoint_parts parts = {0};
	char shown[ECHO_MAX];
	struct vip vip = {0};
	int r;

	if (!scheme) {
		error_set(err, EINVAL, "%s: none of tcp://, udp://, sctp://", echo(text, shown));
		return error_hint(err, -EINVAL,
				  "write tcp://198.18.0.10:80 or udp://[2001:db8::10]:53");
	}
	vip.protocol = scheme->protocol;
	r = split_endpoint(text + strlen(scheme->prefix), &parts, err);
	if (r == 0)
		r = parse_part_prefix(&parts, &vip, err);
	if (r == 0)
		r = address_check_usable(&vip.endpoint.address, err);
	if (r == 0)
		r = parse_vip_port(&parts, &vip, err);
	if (r == 0)
		*ret_vip = vip;
	return r;
}

const char *format_time(uint64_t ms, char buffer[TIME_TEXT_MAX])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm utc;
	size_t length;

	gmtime_r(&seconds, &utc);
	length = strftime(buffer, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(buffer + length, TIME_TEXT_MAX - length, ".%03uZ", (unsigned int)(ms % 1000));
	return buffer;
}

int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return digit ? (int)(digit - digits) : -1;
}

/* Reads what stands behind a backslash at *cursor, and moves on. */
static bool read_escape(const char **cursor, uint8_t *ret_byte)
{
	static const char letters[] = "nrt0\\", meanings[] = "\n\r\t\0\\";
	const char *letter = **cursor ? strchr(letters, **cursor) : NULL;
	int high, low;

	if (letter) {
		*ret_byte = (uint8_t)meanings[letter - letters];
		*cursor += 1;
		return true;
	}
	if (**cursor != 'x')
		return false;
	high = hex_digit((*cursor)[1]);
	low = high < 0 ? -1 : hex_digit((*cursor)[2]);
	if (low < 0)
		return false;
	*ret_byte = (uint8_t)(high << 4 | low);
	*cursor += 3;
	return true;
}

static int refuse_bytes(const char *reason, struct error *err)
{
	error_set(err, EINVAL, "%s", reason);
	return error_hint(err, -EINVAL,
			  "write \\xHH for a byte, \\n, \\r, \\t, \\0, \\\\ for a backslash");
}

int parse_bytes(const char *text, size_t max, uint8_t *ret_bytes, size_t *ret_length,
		struct error *err)
{
	size_t length = 0;

	while (*text) {
		char c = *text++;
		uint8_t byte = (uint8_t)c;

		if (c < ' ' || c > '~')
			return refuse_bytes("has a control or non-ASCII character", err);
		if (c == '\\' && !read_escape(&text, &byte))
			return refuse_bytes("has a backslash without a meaning", err);
		if (length == max)
			return error_hint(err, error_set(err, EINVAL, "longer than %zu bytes", max),
					  "give less");
		ret_bytes[length++] = byte;
	}
	*ret_length = length;
	return 0;
}

const char *format_bytes(const uint8_t *bytes, size_t length, char buffer[BYTES_TEXT_MAX])
{
	static const char cut[] = "...";
	const size_t room = BYTES_TEXT_MAX - sizeof(cut) - sizeof("\\xHH");
	size_t used = 0;

	for (size_t i = 0; i < length && used < room; i++) {
		bool plain = bytes[i] >= ' ' && bytes[i] <= '~' && bytes[i] != '\\';

		used += (size_t)snprintf(buffer + used, BYTES_TEXT_MAX - used,
					 plain ? "%c" : "\\x%02x", bytes[i]);
	}
	snprintf(buffer + used, BYTES_TEXT_MAX - used, "%s", used < room ? "" : cut);
	return buffer;
}

const char *format_duration(uint64_t ms, char buffer[DURATION_TEXT_MAX])
{
	const struct duration_unit *unit = duration_units;

	while (unit->ms > 1 && (ms < unit->ms || ms % unit->ms))
		unit++;
	snprintf(buffer, DURATION_TEXT_MAX, "%" PRIu64 "%s", ms / unit->ms, unit->name);
	return buffer;
}

const char *format_address(const struct address *address, char buffer[ADDRESS_TEXT_MAX])
{
	const struct in_addr ipv4 = address_ipv4(address);

	if (address_is_ipv4(address))
		return inet_ntop(AF_INET, &ipv4, buffer, ADDRESS_TEXT_MAX);
	return inet_ntop(AF_INET6, &address->ip, buffer, ADDRESS_TEXT_MAX);
}

/* ADDR:PORT, with brackets where ADDR has colons of its own. */
const char *format_prefix(const struct prefix *prefix, char buffer[PREFIX_TEXT_MAX])
{
	char text[ADDRESS_TEXT_MAX];

	snprintf(buffer, PREFIX_TEXT_MAX, "%s/%u", format_address(&prefix->address, text),
		 prefix->length);
	return buffer;
}

static void join_port(const struct address *address, const char *port,
		      char buffer[ENDPOINT_TEXT_MAX])
{
	const char *format = address_is_ipv4(address) ? "%s:%s" : "[%s]:%s";
	char text[ADDRESS_TEXT_MAX];

	snprintf(buffer, ENDPOINT_TEXT_MAX, format, format_address(address, text), port);
}

const char *format_endpoint(const struct endpoint *endpoint, char buffer[ENDPOINT_TEXT_MAX])
{
	char port[8];

	if (!endpoint->port)
		return format_address(&endpoint->address, buffer);
	snprintf(port, sizeof(port), "%" PRIu16, endpoint->port);
	join_port(&endpoint->address, port, buffer);
	return buffer;
}

const char *format_vip(const struct vip *vip, char buffer[VIP_TEXT_MAX])
{
	const struct address *address = &vip->endpoint.address;
	bool is_ipv4 = address_is_ipv4(address);
	char text[ADDRESS_TEXT_MAX], length[8] = "", port[8] = "*";
	const char *scheme = "tcp://";

	for (size_t i = 0; i < ARRAY_SIZE(vip_schemes); i++)
		if (vip_schemes[i].protocol == vip->protocol)
			scheme = vip_schemes[i].prefix;
	if (vip->host_bits)
		snprintf(length, sizeof(length), "/%d", (is_ipv4 ? 32 : 128) - vip->host_bits);
	if (vip->endpoint.port)
		snprintf(port, sizeof(port), "%" PRIu16, vip->endpoint.port);
	snprintf(buffer, VIP_TEXT_MAX, is_ipv4 ? "%s%s%s:%s" : "%s[%s%s]:%s", scheme,
		 format_address(address, text), length, port);
	return buffer;
}

bool address_is_ipv4(const struct address *address)
{
	return IN6_IS_ADDR_V4MAPPED(&address->ip);
}

bool address_equal(const struct address *a, const struct address *b)
{
	return !memcmp(&a->ip, &b->ip, sizeof(a->ip));
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->length == b->length && address_equal(&a->address, &b->address);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && address_equal(&a->address, &b->address);
}

int endpoint_order(const struct endpoint *a, const struct endpoint *b)
{
	int order = memcmp(&a->address, &b->address, sizeof(a->address));

	return order ?: (int)a->port - (int)b->port;
}

bool vip_equal(const struct vip *a, const struct vip *b)
{
	return a->protocol == b->protocol && a->host_bits == b->host_bits &&
	       endpoint_equal(&a->endpoint, &b->endpoint);
}

uint8_t address_bits(const struct address *address)
{
	return address_is_ipv4(address) ? 32 : 128;
}

struct in_addr address_ipv4(const struct address *address)
{
	struct in_addr ipv4;

	memcpy(&ipv4, &address->ip.s6_addr[12], sizeof(ipv4));
	return ipv4;
}

socklen_t endpoint_sockaddr(const struct endpoint *endpoint, struct sockaddr_storage *ret_addr)
{
	const in_port_t port = htons(endpoint->port);

	memset(ret_addr, 0, sizeof(*ret_addr));
	if (address_is_ipv4(&endpoint->address)) {
		const struct sockaddr_in ipv4 = {
			.sin_family = AF_INET,
			.sin_port = port,
			.sin_addr = address_ipv4(&endpoint->address),
		};

		memcpy(ret_addr, &ipv4, sizeof(ipv4));
		return sizeof(ipv4);
	}
	const struct sockaddr_in6 ipv6 = {
		.sin6_family = AF_INET6,
		.sin6_port = port,
		.sin6_addr = endpoint->address.ip,
	};

	memcpy(ret_addr, &ipv6, sizeof(ipv6));
	return sizeof(ipv6);
}
