/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_VIEW_H
#define SLUICE_VIEW_H

/* Services, backends and the agent itself as JSON, as docs/api.md says. The caller owns what is
 * returned; NULL when out of memory. */
#include <cjson/cJSON.h>

#include "dataplane_bpf.h"
#include "manager.h"
#include "ports.h"

cJSON *view_service(const struct manager *manager, const struct service_spec *service);
cJSON *view_services(const struct manager *manager);
cJSON *view_backend(const struct manager *manager, const struct backend_spec *backend);
cJSON *view_backends(const struct manager *manager, const struct service_spec *service);

/* Which VIPs are announced, and whether any is. */
cJSON *view_announce(const struct manager *manager);

/* "table-digest" and "config-digest" of a service. False: out of memory. */
bool view_add_digests(cJSON *json, const struct manager *manager,
		      const struct service_spec *service);

struct interface_views {
	const struct dataplane_interface *attached;
	size_t attached_count;
	const struct port_problem *problems; /* those that should be attached and are not */
	size_t problem_count;
};

/* uptime in seconds. */
cJSON *view_status(const struct manager *manager, const struct interface_views *interfaces,
		   double uptime);

/* X(label) of verdicts.h: the name of a drop reason, NULL if the verdict drops nothing. */
const char *view_drop_reason(enum lb_verdict verdict);

/* Likewise the name of a kind of reply, NULL if the verdict is none. */
const char *view_reply_kind(enum lb_verdict verdict);

#endif
