/* SPDX-License-Identifier: Apache-2.0 */

/* How long clients waited for a service's backends since the last look, for the autoscaler. */
#include <stdio.h>
#include <stdlib.h>

#include "autoscale_source.h"

void scale_handshakes_clear(struct scale_handshakes *handshakes)
{
	free(handshakes->looks);
	*handshakes = (struct scale_handshakes){0};
}

/* A backend at the last time; now itself if it was not there. */
static const struct latency_view *former_look(const struct scale_handshakes *handshakes,
					      const struct scale_handshake_look *now)
{
	for (size_t i = 0; i < handshakes->count; i++) {
		if (handshakes->looks[i].id == now->id)
			return &handshakes->looks[i].view;
	}
	return &now->view;
}

/* Looks at each backend, and adds up what came since the last time. */
static bool look(struct scale_handshakes *handshakes, const struct manager *manager,
		 const struct service_spec *service, struct latency_view *ret_since)
{
	const struct lb_latency *live = manager_dataplane(manager)->handshakes;
	struct scale_handshake_look *looks = calloc(service->backend_count + 1, sizeof(*looks));
	struct latency_view since;

	*ret_since = (struct latency_view){0};
	if (!looks)
		return false;
	for (size_t i = 0; i < service->backend_count; i++) {
		looks[i].id = service->backends[i].id;
		looks[i].view = latency_look(&live[looks[i].id]);
		since = latency_since(&looks[i].view, former_look(handshakes, &looks[i]));
		latency_merge(ret_since, &since);
	}
	free(handshakes->looks);
	handshakes->looks = looks;
	handshakes->count = service->backend_count;
	return true;
}

bool scale_handshakes_read(struct scale_handshakes *handshakes, const struct manager *manager,
			   const struct service_spec *service, double q, double *ret_seconds,
			   char reason[SCALE_SOURCE_REASON_MAX])
{
	bool first = handshakes->count == 0;
	struct latency_view since;

	if (!look(handshakes, manager, service, &since)) {
		snprintf(reason, SCALE_SOURCE_REASON_MAX, "out of memory");
		return false;
	}
	if (latency_quantile(&since, q, ret_seconds))
		return true;
	snprintf(reason, SCALE_SOURCE_REASON_MAX, "%s",
		 first ? "a difference needs two looks" : "no handshake was timed meanwhile");
	return false;
}
