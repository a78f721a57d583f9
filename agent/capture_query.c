/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "capture_names.h"
#include "verdict_words.h"

#define MAPPED_BITS 96 /* of an IPv4 address, before its own */

/* --- services, VIPs, backends --- */

static const struct vip_spec *find_vip(const struct service_spec *service, const struct vip *vip)
{
	for (size_t i = 0; i < service->vip_count; i++) {
		if (vip_equal(&service->vips[i].vip, vip))
			return &service->vips[i];
	}
	return NULL;
}

static int read_service(const struct desired *desired, const char *name,
			struct capture_query *query, struct error *err)
{
	struct service_spec *service = NULL;
	int ret = desired_require_service(desired, name, &service, err);

	if (ret)
		return error_parameter(err, ret, "service");
	query->service = service;
	query->filter.service = service->id;
	return 0;
}

/* A VIP is of one service. */
static int read_vip(const struct desired *desired, const char *text, struct capture_query *query,
		    struct error *err)
{
	const struct vip_spec *found = NULL;
	struct vip vip;
	int ret = parse_vip(text, &vip, err);

	for (size_t i = 0; ret == 0 && !found && i < desired->service_count; i++) {
		if (query->service && query->service != &desired->services[i])
			continue;
		found = find_vip(&desired->services[i], &vip);
		if (found)
			query->service = &desired->services[i];
	}
	if (ret)
		return error_parameter(err, ret, "vip");
	if (!found) {
		error_set(err, ENOENT, "%.80s: %s has this VIP", text,
			  query->service ? "another service than the one named, or none,"
					 : "no service");
		error_hint(err, -ENOENT, "lbctl show lists VIPs");
		return error_parameter(err, -ENOENT, "vip");
	}
	query->filter.vip = found->id;
	return 0;
}

static int refuse_ambiguous(const char *text, const struct service_spec *first,
			    const struct service_spec *second, struct error *err)
{
	error_set(err, EINVAL, "%.80s: backend of service %s and of %s", text, first->name,
		  second->name);
	error_hint(err, -EINVAL, "name the service, too");
	return error_parameter(err, -EINVAL, "backend");
}

/* The same address may be a backend of several services, with an index for each. */
static int read_backend(const struct desired *desired, const char *text,
			struct capture_query *query, struct error *err)
{
	const struct service_spec *owner = NULL;
	struct backend_spec *backend = NULL;
	struct error why;

	error_set(&why, ENOENT, "%.80s: there is no such backend", text);
	for (size_t i = 0; i < desired->service_count; i++) {
		const struct service_spec *service = &desired->services[i];

		if (query->service && query->service != service)
			continue;
		if (service_require_backend(service, text, &backend, &why))
			continue;
		if (owner)
			return refuse_ambiguous(text, owner, service, err);
		owner = service;
	}
	if (!owner) {
		*err = why;
		return error_parameter(err, -ENOENT, "backend");
	}
	query->filter.backend = backend->id;
	query->service = owner;
	return 0;
}

static int read_client(const char *text, struct lb_capture_filter *filter, struct error *err)
{
	struct prefix prefix;
	uint8_t mask[16] = {0};
	int ret = parse_prefix(text, &prefix, err), bits;

	if (ret)
		return error_parameter(err, ret, "client");
	bits = prefix.length + (address_is_ipv4(&prefix.address) ? MAPPED_BITS : 0);
	for (int i = 0; i < bits; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	memcpy(&filter->client, &prefix.address.ip, sizeof(filter->client));
	memcpy(&filter->client_mask, mask, sizeof(filter->client_mask));
	return 0;
}

/* --- verdicts --- */

static uint32_t all_drops(void)
{
	uint32_t mask = 0;

	for (unsigned int verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
		mask |= verdict_is(verdict, LB_CLASS_DROP) ? 1U << verdict : 0;
	return mask;
}

/* Verdicts of this name, among those allowed. 0: there is none. */
static uint32_t verdicts_named(const char *name, size_t length, bool drops_only)
{
	static const char drop[] = "drop";

	if (!drops_only && length == sizeof(drop) - 1 && memcmp(name, drop, length) == 0)
		return all_drops();
	for (unsigned int verdict = 0; verdict < LB_VERDICT_COUNT; verdict++) {
		const char *label = verdict_label(verdict);

		if (strlen(label) == length && memcmp(label, name, length) == 0)
			return drops_only && !verdict_is(verdict, LB_CLASS_DROP) ? 0
										 : 1U << verdict;
	}
	return 0;
}

/* Every label that may be given, for the hint. */
static void list_labels(bool drops_only, char *buffer, size_t size)
{
	size_t used = (size_t)snprintf(buffer, size, "%s", drops_only ? "" : "drop");

	for (unsigned int verdict = 0; verdict < LB_VERDICT_COUNT && used < size; verdict++) {
		if (verdict_is(verdict, LB_CLASS_DROP) != drops_only)
			continue;
		used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? ", " : "",
					 verdict_label(verdict));
	}
}

static int read_verdicts(const char *parameter, const char *text, bool drops_only, uint32_t *mask,
			 struct error *err)
{
	char labels[sizeof(err->hint)];
	uint32_t named;
	size_t length;

	while (text) {
		length = strcspn(text, ",");
		named = verdicts_named(text, length, drops_only);
		if (!named) {
			list_labels(drops_only, labels, sizeof(labels));
			error_set(err, EINVAL, "\"%.*s\": there is no such %s",
				  length < 64 ? (int)length : 64, text,
				  drops_only ? "drop reason" : "verdict");
			error_hint(err, -EINVAL, "%s", labels);
			return error_parameter(err, -EINVAL, parameter);
		}
		*mask |= named;
		text = text[length] == ',' ? text + length + 1 : NULL;
	}
	return 0;
}

/* What is not for a VIP is only wanted by its name, and has no service. */
static int read_what(const struct capture_words *words, struct capture_query *query,
		     struct error *err)
{
	uint32_t all = (1U << LB_VERDICT_COUNT) - 1, passed = 1U << LB_PASS, mask = 0;
	int ret = read_verdicts("verdict", words->verdict, false, &mask, err);

	if (ret == 0)
		ret = read_verdicts("reason", words->reason, true, &mask, err);
	if (ret)
		return ret;
	if (mask == passed && query->service) {
		error_set(err, EINVAL, "pass: these packets are for no VIP, so for no service");
		error_hint(err, -EINVAL, "leave out service, vip and backend");
		return error_parameter(err, -EINVAL, "verdict");
	}
	query->filter.verdicts = mask ? mask : all & ~passed;
	return 0;
}

/* --- how much --- */

static int read_sample(const char *text, uint32_t *ret_sample, struct error *err)
{
	uint64_t sample = 1;
	int ret = -EINVAL;

	if (strncmp(text, "1/", 2) == 0)
		ret = parse_number(text + 2, 1, CAPTURE_SAMPLE_MAX, &sample, err);
	else
		error_set(err, EINVAL, "\"%.32s\" is not 1/N", text);
	if (ret) {
		error_hint(err, ret, "1/10 for a tenth of the packets; at most 1/%d",
			   CAPTURE_SAMPLE_MAX);
		return error_parameter(err, ret, "sample");
	}
	*ret_sample = (uint32_t)sample;
	return 0;
}

static int read_limits(const struct capture_words *words, struct capture_query *query,
		       struct error *err)
{
	uint64_t snaplen = CAPTURE_SNAPLEN_DEFAULT;
	int ret = 0;

	query->filter.sample = 1;
	if (words->sample)
		ret = read_sample(words->sample, &query->filter.sample, err);
	if (ret == 0 && words->snaplen)
		ret = error_parameter(err,
				      parse_number(words->snaplen, CAPTURE_SNAPLEN_MIN,
						   LB_CAPTURE_SNAP_MAX, &snaplen, err),
				      "snaplen");
	if (ret == 0 && words->limit)
		ret = error_parameter(err,
				      parse_number(words->limit, 1, UINT64_MAX, &query->limit, err),
				      "limit");
	if (ret == 0 && words->span)
		ret = error_parameter(
			err,
			parse_duration(words->span, 1, CAPTURE_FOR_MAX_MS, &query->span_ms, err),
			"for");
	query->filter.snaplen = (uint32_t)snaplen;
	return ret;
}

/* --- all of it --- */

int capture_query_read(const struct desired *desired, const struct capture_words *words,
		       struct capture_query *ret_query, struct error *err)
{
	struct capture_query query = {0};
	int ret = 0;

	if (words->service)
		ret = read_service(desired, words->service, &query, err);
	if (ret == 0 && words->vip)
		ret = read_vip(desired, words->vip, &query, err);
	if (ret == 0 && words->backend)
		ret = read_backend(desired, words->backend, &query, err);
	if (ret == 0 && words->client)
		ret = read_client(words->client, &query.filter, err);
	if (ret == 0)
		ret = read_what(words, &query, err);
	if (ret == 0)
		ret = read_limits(words, &query, err);
	if (ret)
		return ret;
	*ret_query = query;
	return 0;
}

const char *capture_query_text(const struct capture_words *words,
			       char buffer[CAPTURE_QUERY_TEXT_MAX])
{
	const struct {
		const char *name, *text;
	} given[] = {
		{"service", words->service}, {"vip", words->vip},         {"client", words->client},
		{"backend", words->backend}, {"verdict", words->verdict}, {"reason", words->reason},
		{"sample", words->sample},
	};
	size_t used = 0;

	snprintf(buffer, CAPTURE_QUERY_TEXT_MAX, "everything for a VIP");
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		if (!given[i].text || used >= CAPTURE_QUERY_TEXT_MAX)
			continue;
		used += (size_t)snprintf(buffer + used, CAPTURE_QUERY_TEXT_MAX - used, "%s%s=%s",
					 used ? " " : "", given[i].name, given[i].text);
	}
	return buffer;
}
