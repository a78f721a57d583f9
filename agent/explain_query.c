/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi.h"

#define VLAN_ID_MAX 4094

static const struct {
	const char *name;
	uint8_t protocol;
	uint8_t header; /* its length, the shortest; SCTP's with a chunk's */
	bool has_ports, has_flags;
} protocols[] = {
	{"tcp", IPPROTO_TCP, 20, true, true},
	{"udp", IPPROTO_UDP, 8, true, false},
	{"sctp", IPPROTO_SCTP, 16, true, true},
	{"icmp", IPPROTO_ICMP, 8, false, false},
};
#define PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

static const struct {
	const char *name;
	uint8_t flags;
} flag_names[] = {
	{"syn", EXPLAIN_SYN}, {"ack", EXPLAIN_ACK}, {"fin", EXPLAIN_FIN}, {"rst", EXPLAIN_RST}};
#define FLAG_NAMES (sizeof(flag_names) / sizeof(flag_names[0]))

static size_t protocol_index(uint8_t protocol)
{
	size_t i = 0;

	while (i < PROTOCOLS - 1 && protocols[i].protocol != protocol)
		i++;
	return i;
}

uint32_t explain_length_min(const struct explain_query *query)
{
	uint32_t ip = address_is_ipv4(&query->destination.address) ? 20 : 40;

	return ip + protocols[protocol_index(query->protocol)].header;
}

const char *explain_flags_text(uint8_t flags, char buffer[EXPLAIN_FLAGS_MAX])
{
	size_t i, used = 0;

	for (i = 0; i < FLAG_NAMES; i++) {
		if (flags & flag_names[i].flags)
			used += (size_t)snprintf(buffer + used, EXPLAIN_FLAGS_MAX - used, "%s%s",
						 used ? "," : "", flag_names[i].name);
	}
	if (!used)
		snprintf(buffer, EXPLAIN_FLAGS_MAX, "none");
	return buffer;
}

/* --- reading --- */

static int read_protocol(const char *word, struct explain_query *query, struct error *err)
{
	size_t i;
	int ret;

	for (i = 0; word && i < PROTOCOLS; i++) {
		if (strcmp(word, protocols[i].name) != 0)
			continue;
		query->protocol = protocols[i].protocol;
		return 0;
	}
	if (word)
		ret = error_set(err, EINVAL, "protocol %s: not one that services have", word);
	else
		ret = error_set(err, EINVAL, "the protocol is missing");
	ret = error_hint(err, ret, "tcp, udp, sctp or icmp (a ping)");
	return error_field(err, ret, "proto");
}

static int check_port(const struct endpoint *endpoint, const char *word, bool wanted,
		      struct error *err)
{
	int ret;

	if (wanted == (endpoint->port != 0))
		return 0;
	if (!wanted) {
		ret = error_set(err, EINVAL, "%s: a ping has no port", word);
		return error_hint(err, ret, "give the address alone");
	}
	ret = error_set(err, EINVAL, "%s: the port is missing", word);
	return error_hint(err, ret, address_is_ipv4(&endpoint->address) ? "%s:PORT" : "[%s]:PORT",
			  word);
}

static int read_endpoint(const char *word, const char *field, bool has_port,
			 struct endpoint *ret_endpoint, struct error *err)
{
	int ret;

	if (word)
		ret = parse_endpoint(word, 0, ret_endpoint, err);
	else
		ret = error_set(err, EINVAL, "%s is missing",
				strcmp(field, "src") == 0 ? "the source" : "the destination");
	if (ret == 0)
		ret = check_port(ret_endpoint, word, has_port, err);
	return ret ? error_field(err, ret, field) : 0;
}

static int read_endpoints(const struct explain_words *words, struct explain_query *query,
			  struct error *err)
{
	bool has_ports = protocols[protocol_index(query->protocol)].has_ports;
	int ret = read_endpoint(words->source, "src", has_ports, &query->source, err);

	if (ret == 0)
		ret = read_endpoint(words->destination, "dst", has_ports, &query->destination, err);
	if (ret ||
	    address_is_ipv4(&query->source.address) == address_is_ipv4(&query->destination.address))
		return ret;
	ret = error_set(err, EINVAL, "%s and %s are of different address families", words->source,
			words->destination);
	return error_field(err, ret, "src");
}

static int refuse_flags(const char *word, struct error *err)
{
	int ret = error_set(err, EINVAL, "flags %s: not TCP flags", word);

	ret = error_hint(err, ret, "syn, ack, fin and rst, parted by commas, or none");
	return error_field(err, ret, "flags");
}

static int read_flags(const char *word, struct explain_query *query, struct error *err)
{
	const char *at = word;
	size_t length, i;
	int ret;

	if (!word)
		return 0;
	if (!protocols[protocol_index(query->protocol)].has_flags) {
		ret = error_set(err, EINVAL, "flags are for tcp and sctp");
		return error_field(err, ret, "flags");
	}
	query->flags_given = true;
	if (strcmp(word, "none") == 0)
		return 0;
	do {
		length = strcspn(at, ",");
		for (i = 0; i < FLAG_NAMES; i++) {
			if (strlen(flag_names[i].name) == length &&
			    memcmp(flag_names[i].name, at, length) == 0)
				break;
		}
		if (i == FLAG_NAMES)
			return refuse_flags(word, err);
		query->flags |= flag_names[i].flags;
		at += length;
	} while (*at++ == ',');
	return 0;
}

static int read_length(const char *word, struct explain_query *query, struct error *err)
{
	uint64_t length = explain_length_min(query);
	int ret = word ? parse_number(word, length, EXPLAIN_LENGTH_MAX, &length, err) : 0;

	if (ret) {
		ret = error_hint(err, ret, "the length of the IP packet with its headers: %u to %u",
				 explain_length_min(query), EXPLAIN_LENGTH_MAX);
		return error_field(err, ret, "length");
	}
	query->length = (uint32_t)length;
	return 0;
}

/* "ID", or "OUTER.INNER", the outer tag of 802.1ad. */
static int read_vlan(const char *word, struct explain_query *query, struct error *err)
{
	size_t length = word ? strcspn(word, ".") : 0;
	uint64_t id = 0, inner = 0;
	char outer[8] = "";
	int ret;

	if (!word)
		return 0;
	snprintf(outer, sizeof(outer), "%.*s", (int)length, word);
	ret = parse_number(length < sizeof(outer) ? outer : word, 1, VLAN_ID_MAX, &id, err);
	if (ret == 0 && word[length])
		ret = parse_number(word + length + 1, 1, VLAN_ID_MAX, &inner, err);
	if (ret) {
		ret = error_hint(err, ret, "a VLAN ID, or the outer and the inner one: 200.100");
		return error_field(err, ret, "vlan");
	}
	query->vlan = 1U << LB_VLAN_COUNT_SHIFT | (uint32_t)id;
	if (inner)
		query->vlan = 2U << LB_VLAN_COUNT_SHIFT | LB_VLAN_SERVICE_TAG |
			      (uint32_t)id << LB_VLAN_OUTER_SHIFT | (uint32_t)inner;
	return 0;
}

int explain_query_read(const struct explain_words *words, struct explain_query *ret_query,
		       struct error *err)
{
	struct explain_query query = {.protocol = 0};
	int ret = read_protocol(words->protocol, &query, err);

	if (ret == 0)
		ret = read_endpoints(words, &query, err);
	if (ret == 0)
		ret = read_flags(words->flags, &query, err);
	if (ret == 0)
		ret = read_length(words->length, &query, err);
	if (ret == 0)
		ret = read_vlan(words->vlan, &query, err);
	if (ret == 0)
		*ret_query = query;
	return ret;
}
