/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_names.h"

#include <stdio.h>
#include <stdlib.h>

#include "verdict_words.h"

struct capture_names {
	const struct desired *desired;
	uint64_t generation;
	struct dataplane_sizes sizes;
	const struct service_spec **services; /* [index]; NULL: none */
	const struct vip_spec **vips;
	const struct backend_spec **backends;
};

/* --- indices --- */

struct capture_names *capture_names_new(const struct dataplane_sizes *sizes)
{
	struct capture_names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->sizes = *sizes;
	names->services = calloc((size_t)sizes->services + 1, sizeof(*names->services));
	names->vips = calloc((size_t)sizes->vips + 1, sizeof(*names->vips));
	names->backends = calloc((size_t)sizes->backends + 1, sizeof(*names->backends));
	if (names->services && names->vips && names->backends)
		return names;
	capture_names_free(names);
	return NULL;
}

void capture_names_free(struct capture_names *names)
{
	if (!names)
		return;
	free(names->services);
	free(names->vips);
	free(names->backends);
	free(names);
}

static void forget_all(struct capture_names *names)
{
	for (size_t i = 0; i <= names->sizes.services; i++)
		names->services[i] = NULL;
	for (size_t i = 0; i <= names->sizes.vips; i++)
		names->vips[i] = NULL;
	for (size_t i = 0; i <= names->sizes.backends; i++)
		names->backends[i] = NULL;
}

void capture_names_follow(struct capture_names *names, const struct desired *desired)
{
	if (names->desired == desired && names->generation == desired->generation)
		return;
	forget_all(names);
	names->desired = desired;
	names->generation = desired->generation;
	for (size_t i = 0; i < desired->service_count; i++) {
		const struct service_spec *service = &desired->services[i];

		names->services[service->id] = service;
		for (size_t v = 0; v < service->vip_count; v++)
			names->vips[service->vips[v].id] = &service->vips[v];
		for (size_t b = 0; b < service->backend_count; b++)
			names->backends[service->backends[b].id] = &service->backends[b];
	}
}

const struct service_spec *capture_service(const struct capture_names *names,
					   const struct lb_capture_head *head)
{
	return head->service && head->service <= names->sizes.services
		       ? names->services[head->service]
		       : NULL;
}

const struct vip_spec *capture_vip(const struct capture_names *names,
				   const struct lb_capture_head *head)
{
	return head->vip && head->vip <= names->sizes.vips ? names->vips[head->vip] : NULL;
}

const struct backend_spec *capture_backend(const struct capture_names *names,
					   const struct lb_capture_head *head)
{
	return head->backend && head->backend <= names->sizes.backends
		       ? names->backends[head->backend]
		       : NULL;
}

/* --- comments --- */

const char *capture_comment(const struct capture_names *names, const struct lb_capture_head *head,
			    char buffer[CAPTURE_COMMENT_MAX])
{
	const struct service_spec *service = capture_service(names, head);
	const struct vip_spec *vip = capture_vip(names, head);
	const struct backend_spec *backend = capture_backend(names, head);
	char vip_text[VIP_TEXT_MAX], backend_text[ENDPOINT_TEXT_MAX];
	bool drops = verdict_is(head->verdict, LB_CLASS_DROP);

	snprintf(buffer, CAPTURE_COMMENT_MAX, "verdict=%s%s%s%s%s%s%s%s%s%s",
		 drops ? "drop reason=" : "", verdict_label(head->verdict),
		 service ? " service=" : "", service ? service->name : "", vip ? " vip=" : "",
		 vip ? format_vip(&vip->vip, vip_text) : "", backend ? " backend=" : "",
		 backend ? format_endpoint(&backend->endpoint, backend_text) : "",
		 drops ? ": " : "", drops ? verdict_text(head->verdict) : "");
	return buffer;
}
