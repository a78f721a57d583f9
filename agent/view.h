/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_VIEW_H
#define SLUICE_VIEW_H

/* Services, backends and the agent itself as JSON, as docs/api.md says. The caller owns what is
 * returned; NULL when out of memory. */
#include <cjson/cJSON.h>

#include "dataplane_bpf.h"
#include "manager.h"

cJSON *view_service(const struct manager *manager, const struct service_spec *service);
cJSON *view_services(const struct manager *manager);
cJSON *view_backend(const struct manager *manager, const struct backend_spec *backend);
cJSON *view_backends(const struct manager *manager, const struct service_spec *service);

/* interfaces has count entries; uptime in seconds. */
cJSON *view_status(const struct manager *manager, const struct dataplane_interface *interfaces,
		   size_t count, double uptime);

/* X(label) of verdicts.h: the name of a drop reason, NULL if the verdict drops nothing. */
const char *view_drop_reason(enum lb_verdict verdict);

/* Likewise the name of a kind of reply, NULL if the verdict is none. */
const char *view_reply_kind(enum lb_verdict verdict);

#endif
