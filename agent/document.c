/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "json.h"
#include "match.h"

/* --- reading --- */

/* Says which service it was where the message cannot, for want of a name. */
static int refuse_service(const cJSON *item, size_t index, int code, const struct error *inner,
			  struct error *err)
{
	bool named = cJSON_IsString(cJSON_GetObjectItemCaseSensitive(item, "name"));

	*err = *inner;
	if (named)
		return code;
	error_set(err, -code, "services[%zu]: %.250s", index, inner->message);
	error_hint(err, code, "%s", inner->hint);
	return error_field(err, code, inner->field);
}

static int read_services(const cJSON *array, struct desired *desired, struct error *err)
{
	struct error inner = {0};
	const cJSON *item;
	int r;

	desired->services =
		calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof(*desired->services));
	if (!desired->services)
		return error_set(err, ENOMEM, "out of memory");
	cJSON_ArrayForEach (item, array) {
		size_t i = desired->service_count;

		r = config_read_service(item, &desired->services[i], &inner);
		if (r < 0)
			return refuse_service(item, i, r, &inner, err);
		desired->service_count++;
	}
	return desired_check(desired, err);
}

int document_read_services(const cJSON *services, struct desired **ret_desired, struct error *err)
{
	struct desired *desired = desired_new();
	int r = 0;

	if (!desired)
		return error_set(err, ENOMEM, "out of memory");
	if (services && !cJSON_IsArray(services)) {
		r = error_set(err, EINVAL, "services: not an array");
		error_field(err, r, "services");
	} else if (services) {
		r = read_services(services, desired, err);
	}
	if (r < 0)
		desired_free(desired);
	else
		*ret_desired = desired;
	return r;
}

int document_read(const cJSON *json, struct desired **ret_desired, struct error *err)
{
	static const char *const keys[] = {"services", NULL};
	const cJSON *services = NULL;
	int r = json_check_keys(json, "configuration", keys, err);

	if (r == 0)
		r = json_array(json, "configuration", "services", &services, err);
	if (r == 0 && !services) {
		r = error_set(err, EINVAL, "configuration: services: missing");
		error_hint(err, r, "write {\"services\": []} for none");
		error_field(err, r, "services");
	}
	return r < 0 ? r : document_read_services(services, ret_desired, err);
}

/* --- writing --- */

static int compare_vips(const void *a, const void *b)
{
	const struct vip *left = &((const struct vip_spec *)a)->vip;
	const struct vip *right = &((const struct vip_spec *)b)->vip;
	int order = endpoint_order(&left->endpoint, &right->endpoint);

	if (order == 0)
		order = (int)left->host_bits - (int)right->host_bits;
	return order != 0 ? order : (int)left->protocol - (int)right->protocol;
}

static int compare_backends(const void *a, const void *b)
{
	const struct backend_spec *left = a, *right = b;

	return endpoint_order(&left->endpoint, &right->endpoint);
}

static int compare_services(const void *a, const void *b)
{
	const struct service_spec *left = a, *right = b;

	return strcmp(left->name, right->name);
}

/* Puts a service in its canonical order, without backends that are on their way out, or that come
 * and go by the autoscaler's doing. */
static void settle(struct service_spec *spec)
{
	size_t kept = 0;

	for (size_t i = 0; i < spec->backend_count; i++) {
		if (!spec->backends[i].removing && !spec->backends[i].launched[0])
			spec->backends[kept++] = spec->backends[i];
	}
	spec->backend_count = kept;
	if (kept > 1)
		qsort(spec->backends, kept, sizeof(*spec->backends), compare_backends);
	if (spec->vip_count > 1)
		qsort(spec->vips, spec->vip_count, sizeof(*spec->vips), compare_vips);
}

/* Takes out of json what `usual` has just so. */
static void leave_out(cJSON *json, const cJSON *usual)
{
	cJSON *item = json->child, *next;

	for (; item; item = next) {
		next = item->next;
		if (cJSON_Compare(item, cJSON_GetObjectItemCaseSensitive(usual, item->string),
				  true))
			cJSON_Delete(cJSON_DetachItemViaPointer(json, item));
	}
}

/* What a service and a backend are if nothing is said of them. */
struct usual {
	cJSON *service, *backend;
};

static cJSON *write_service(const struct service_spec *spec, const struct usual *usual)
{
	cJSON *json = config_write_service(spec);
	cJSON *backend;

	if (!json)
		return NULL;
	cJSON_ArrayForEach (backend, cJSON_GetObjectItemCaseSensitive(json, "backends")) {
		leave_out(backend, usual->backend);
	}
	leave_out(json, usual->service);
	return json;
}

static bool write_services(const struct desired *sorted, cJSON *json)
{
	struct service_spec service;
	struct backend_spec backend;
	struct usual usual;
	cJSON *array = cJSON_AddArrayToObject(json, "services");
	bool whole;

	service_spec_init(&service);
	backend_spec_init(&backend);
	usual = (struct usual){config_write_service(&service), config_write_backend(&backend)};
	whole = array && usual.service && usual.backend;
	for (size_t i = 0; whole && i < sorted->service_count; i++)
		whole = cJSON_AddItemToArray(array, write_service(&sorted->services[i], &usual));
	cJSON_Delete(usual.service);
	cJSON_Delete(usual.backend);
	return whole;
}

cJSON *document_write(const struct desired *desired)
{
	struct desired *sorted = desired_clone(desired);
	cJSON *json = cJSON_CreateObject();
	bool whole = sorted && json;

	for (size_t i = 0; whole && i < sorted->service_count; i++)
		settle(&sorted->services[i]);
	if (whole && sorted->service_count > 1)
		qsort(sorted->services, sorted->service_count, sizeof(*sorted->services),
		      compare_services);
	whole = whole && write_services(sorted, json);
	desired_free(sorted);
	if (whole)
		return json;
	cJSON_Delete(json);
	return NULL;
}

/* --- following --- */

/* All VIPs of a state, sorted, to be freed; NULL: out of memory. */
static struct vip_spec *list_vips(const struct desired *desired, size_t *ret_count)
{
	struct vip_spec *vips;
	size_t count = 0;

	for (size_t i = 0; i < desired->service_count; i++)
		count += desired->services[i].vip_count;
	vips = calloc(count + 1, sizeof(*vips));
	*ret_count = 0;
	for (size_t i = 0; vips && i < desired->service_count; i++) {
		const struct service_spec *service = &desired->services[i];

		memcpy(&vips[*ret_count], service->vips, service->vip_count * sizeof(*vips));
		*ret_count += service->vip_count;
	}
	if (count > 1 && vips)
		qsort(vips, count, sizeof(*vips), compare_vips);
	return vips;
}

/* A VIP is the same in whatever service: one that passes to another keeps its counters. */
static int keep_vips(const struct desired *former, struct desired *next)
{
	size_t count;
	struct vip_spec *vips = list_vips(former, &count);

	if (!vips)
		return -ENOMEM;
	for (size_t i = 0; i < next->service_count; i++) {
		struct service_spec *service = &next->services[i];

		for (size_t v = 0; v < service->vip_count; v++) {
			const struct vip_spec *found = bsearch(&service->vips[v], vips, count,
							       sizeof(*vips), compare_vips);

			service->vips[v].id = found ? found->id : 0;
		}
	}
	free(vips);
	return 0;
}

/* A drain that goes on goes on as it was begun. */
static void keep_backend(const struct backend_spec *former, struct backend_spec *next)
{
	next->id = former->id;
	memcpy(next->launched, former->launched, sizeof(next->launched));
	if (!former->removing && former->state == ADMIN_DRAIN && next->state == ADMIN_DRAIN)
		next->deadline_ms = former->deadline_ms;
}

/* What the autoscaler has launched is in no document, and stays while there is an autoscaler. */
static bool stays(const struct backend_spec *former, const struct service_spec *next)
{
	return former->launched[0] && next->scale.mode == SCALE_ON;
}

static struct backend_spec leaving(const struct backend_spec *former,
				   const struct service_spec *next,
				   const struct document_removal *removal)
{
	struct backend_spec spec = *former;

	if (!former->removing && !stays(former, next)) {
		spec.removing = true;
		spec.deadline_ms = removal->deadline_ms;
	}
	return spec;
}

/* Puts the backends that next does not have, but that go only later, behind those that it has. */
static int follow_backends(const struct service_spec *former, struct service_spec *next,
			   const struct document_removal *removal)
{
	struct backend_spec *backends;
	struct backend_match *matches;
	size_t count;
	int r = match_backends(former, next, &matches, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (matches[i].former && matches[i].next)
			keep_backend(matches[i].former, matches[i].next);
	}
	/* From here on matches[].next is good for telling NULL only. */
	backends = reallocarray(next->backends, count + 1, sizeof(*backends));
	for (size_t i = 0; backends && i < count; i++) {
		if (matches[i].former && !matches[i].next &&
		    (!removal->now || stays(matches[i].former, next)))
			backends[next->backend_count++] = leaving(matches[i].former, next, removal);
	}
	next->backends = backends ?: next->backends;
	free(matches);
	return backends ? 0 : -ENOMEM;
}

/* What drains must fit as well: it stays in the saved state until it is gone. */
static int follow_service(const struct service_spec *former, struct service_spec *next,
			  const struct document_removal *removal, struct error *err)
{
	size_t listed = next->backend_count;
	int r;

	next->id = former->id;
	r = follow_backends(former, next, removal);
	if (r < 0)
		return error_set(err, -r, "out of memory");
	if (next->backend_count == listed)
		return 0;
	r = service_spec_check(next, err);
	if (r < 0)
		error_hint(err, r, "it would drain before it goes: remove it at once by --now");
	return r;
}

int document_follow(const struct desired *former, struct desired *document,
		    const struct document_removal *removal, struct error *err)
{
	struct service_match *matches;
	size_t count;
	int r = match_services(former, document, &matches, &count);

	if (r < 0)
		return error_set(err, -r, "out of memory");
	document->generation = former->generation;
	document->seed = former->seed;
	r = keep_vips(former, document);
	if (r < 0)
		error_set(err, -r, "out of memory");
	for (size_t i = 0; i < count && r == 0; i++) {
		if (matches[i].former && matches[i].next)
			r = follow_service(matches[i].former, matches[i].next, removal, err);
	}
	free(matches);
	return r;
}
