/* SPDX-License-Identifier: Apache-2.0 */
#include "diff.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "json.h"
#include "match.h"

/* Functions that add to a document return false when out of memory: it is then no document. */

static bool add_copy(cJSON *object, const char *key, const cJSON *value)
{
	cJSON *copy = value ? cJSON_Duplicate(value, true) : cJSON_CreateNull();

	if (copy && cJSON_AddItemToObject(object, key, copy))
		return true;
	cJSON_Delete(copy);
	return false;
}

static bool add_field(cJSON *fields, const char *key, const cJSON *from, const cJSON *to)
{
	cJSON *field = cJSON_CreateObject();

	return json_add_item(fields, field) && cJSON_AddStringToObject(field, "field", key) &&
	       add_copy(field, "from", from) && add_copy(field, "to", to);
}

/* The fields of `to` that `from` has otherwise. Both have the same keys: all. */
static bool add_fields(cJSON *change, const cJSON *from, const cJSON *to)
{
	cJSON *fields = cJSON_AddArrayToObject(change, "fields");
	bool whole = fields && from && to;
	const cJSON *item, *former;

	cJSON_ArrayForEach (item, to) {
		former = cJSON_GetObjectItemCaseSensitive(from, item->string);
		if (whole && !cJSON_Compare(item, former, true))
			whole = add_field(fields, item->string, former, item);
	}
	return whole;
}

/* --- backends --- */

/* In one word, which goes before what its fields say. */
static const char *backend_change(const struct backend_match *match)
{
	if (!match->former)
		return "added";
	if (!match->next)
		return "removed";
	if (match->next->removing && !match->former->removing)
		return "removing";
	return !match->next->removing && match->former->removing ? "kept" : "changed";
}

static bool has_fields(const cJSON *change)
{
	const cJSON *fields = cJSON_GetObjectItemCaseSensitive(change, "fields");

	return fields && fields->child;
}

static bool add_backend_fields(cJSON *change, const struct backend_match *match)
{
	cJSON *from = config_write_backend(match->former), *to = config_write_backend(match->next);
	bool whole = add_fields(change, from, to);

	cJSON_Delete(from);
	cJSON_Delete(to);
	return whole;
}

/* At a glance: of many thousands few change, and one state is a copy of the other. Bytes between
 * members may differ, and then it is looked at more closely. */
static bool is_copy(const struct backend_match *match)
{
	const struct backend_spec *former = match->former, *next = match->next;

	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
	return former && next && !memcmp(former, next, sizeof(*next));
}

static bool add_backend(cJSON *backends, const struct backend_match *match)
{
	const struct backend_spec *spec = match->next ?: match->former;
	bool patched = match->former && match->next;
	char text[ENDPOINT_TEXT_MAX];
	cJSON *change = cJSON_CreateObject();
	bool whole = change &&
		     cJSON_AddStringToObject(change, "address",
					     format_endpoint(&spec->endpoint, text)) &&
		     cJSON_AddStringToObject(change, "change", backend_change(match)) &&
		     (!patched || add_backend_fields(change, match));

	if (whole &&
	    (!patched || has_fields(change) || match->former->removing != match->next->removing))
		return json_add_item(backends, change);
	cJSON_Delete(change);
	return whole;
}

static bool add_backends(cJSON *change, const struct service_match *match)
{
	cJSON *backends = cJSON_AddArrayToObject(change, "backends");
	struct backend_match *matches;
	bool whole = backends;
	size_t count;

	if (!whole || match_backends(match->former, match->next, &matches, &count) < 0)
		return false;
	for (size_t i = 0; whole && i < count; i++)
		whole = is_copy(&matches[i]) || add_backend(backends, &matches[i]);
	free(matches);
	return whole;
}

/* --- services --- */

/* Without backends, in the order that means nothing. */
static cJSON *write_alone(const struct service_spec *spec)
{
	struct service_spec alone = *spec;

	alone.backend_count = 0;
	return config_write_service(&alone);
}

static bool has_vip(const struct service_spec *spec, const struct vip *vip)
{
	for (size_t i = 0; i < spec->vip_count; i++) {
		if (vip_equal(&spec->vips[i].vip, vip))
			return true;
	}
	return false;
}

/* Both have each of theirs once. */
static bool same_vips(const struct service_spec *a, const struct service_spec *b)
{
	for (size_t i = 0; i < a->vip_count; i++) {
		if (!has_vip(b, &a->vips[i].vip))
			return false;
	}
	return a->vip_count == b->vip_count;
}

/* Do others own the slots? Then whom the service remembers follows from that. */
static bool owners_change(const struct service_match *match)
{
	struct owners had = {0}, has = {0};
	bool change = owners_of(match->former, &had) == 0 && owners_of(match->next, &has) == 0 &&
		      !owners_equal(&had, &has);

	owners_clear(&had);
	owners_clear(&has);
	return change;
}

static bool add_service_fields(cJSON *change, const struct service_match *match)
{
	struct service_spec former = *match->former;
	cJSON *from, *to;
	bool whole;

	if (same_vips(match->former, match->next)) /* in whatever order */
		former.vips = match->next->vips;
	if (match->next->second_chance == CHANCE_ON && owners_change(match))
		memcpy(former.former, match->next->former, sizeof(former.former));
	from = write_alone(&former);
	to = write_alone(match->next);
	whole = add_fields(change, from, to);
	cJSON_Delete(from);
	cJSON_Delete(to);
	return whole;
}

static bool has_backends(const cJSON *change)
{
	const cJSON *backends = cJSON_GetObjectItemCaseSensitive(change, "backends");

	return backends && backends->child;
}

static bool add_service(cJSON *changes, const struct service_match *match)
{
	const struct service_spec *spec = match->next ?: match->former;
	bool both = match->former && match->next;
	cJSON *change = cJSON_CreateObject();
	bool whole = change && cJSON_AddStringToObject(change, "service", spec->name) &&
		     cJSON_AddStringToObject(change, "change",
					     both          ? "changed"
					     : match->next ? "added"
							   : "removed") &&
		     (!both || add_service_fields(change, match)) && add_backends(change, match);

	if (whole && (!both || has_fields(change) || has_backends(change)))
		return json_add_item(changes, change);
	cJSON_Delete(change);
	return whole;
}

cJSON *diff_write(const struct desired *former, const struct desired *next)
{
	cJSON *changes = cJSON_CreateArray();
	struct service_match *matches;
	bool whole = changes;
	size_t count;

	if (!whole || match_services(former, next, &matches, &count) < 0) {
		cJSON_Delete(changes);
		return NULL;
	}
	for (size_t i = 0; whole && i < count; i++)
		whole = add_service(changes, &matches[i]);
	free(matches);
	if (whole)
		return changes;
	cJSON_Delete(changes);
	return NULL;
}
