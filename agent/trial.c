/* SPDX-License-Identifier: Apache-2.0 */
#include "trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that is down, by what it is called rather than by its index, which may be another's soon. */
struct fallen {
	char service[SERVICE_NAME_MAX + 1];
	struct endpoint endpoint;
};

struct trial {
	struct fallen *fallen; /* sorted */
	size_t count;
};

static bool is_down(const struct backend_view *view)
{
	return view->status == BACKEND_DOWN || view->status == BACKEND_NO_NEIGHBOUR ||
	       view->status == BACKEND_EJECTED;
}

static int compare_fallen(const void *a, const void *b)
{
	const struct fallen *one = a, *other = b;
	int order = strcmp(one->service, other->service);

	return order ? order : endpoint_order(&one->endpoint, &other->endpoint);
}

/* Calls back for each backend that is asked to be up. */
typedef void (*backend_visit)(void *context, const struct service_spec *service,
			      const struct backend_spec *backend, const struct backend_view *view);

static void visit_backends(const struct manager *manager, backend_visit visit, void *context)
{
	const struct desired *desired = manager_desired(manager);

	for (size_t i = 0; i < desired->service_count; i++) {
		const struct service_spec *service = &desired->services[i];

		for (size_t k = 0; k < service->backend_count; k++) {
			const struct backend_spec *backend = &service->backends[k];
			struct backend_view view;

			if (!backend_takes_part(backend))
				continue;
			view = manager_backend(manager, backend);
			visit(context, service, backend, &view);
		}
	}
}

/* --- before --- */

static void count_backend(void *context, const struct service_spec *service,
			  const struct backend_spec *backend, const struct backend_view *view)
{
	struct balancer *balancer = context;

	(void)service;
	(void)backend;
	balancer->up += view->status == BACKEND_UP;
	balancer->down += is_down(view);
}

void trial_count(const struct manager *manager, struct balancer *ret_balancer)
{
	ret_balancer->up = ret_balancer->down = 0;
	visit_backends(manager, count_backend, ret_balancer);
}

static void note_fallen(void *context, const struct service_spec *service,
			const struct backend_spec *backend, const struct backend_view *view)
{
	struct trial *trial = context;
	struct fallen *fallen = &trial->fallen[trial->count];

	if (!is_down(view))
		return;
	snprintf(fallen->service, sizeof(fallen->service), "%s", service->name);
	fallen->endpoint = backend->endpoint;
	trial->count++;
}

struct trial *trial_new(const struct manager *manager)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	struct balancer balancer;

	if (!trial)
		return NULL;
	trial_count(manager, &balancer);
	trial->fallen = calloc((size_t)balancer.down + 1, sizeof(*trial->fallen));
	if (!trial->fallen) {
		free(trial);
		return NULL;
	}
	visit_backends(manager, note_fallen, trial);
	qsort(trial->fallen, trial->count, sizeof(*trial->fallen), compare_fallen);
	return trial;
}

void trial_free(struct trial *trial)
{
	if (!trial)
		return;
	free(trial->fallen);
	free(trial);
}

/* --- with the document in force --- */

struct judgement {
	const struct trial *trial;
	struct balancer *balancer;
	enum balancer_state state; /* NONE, then WAITING, then SICK */
};

static bool was_down(const struct trial *trial, const struct service_spec *service,
		     const struct backend_spec *backend)
{
	struct fallen wanted = {.endpoint = backend->endpoint};

	snprintf(wanted.service, sizeof(wanted.service), "%s", service->name);
	return trial &&
	       bsearch(&wanted, trial->fallen, trial->count, sizeof(wanted), compare_fallen);
}

/* The first one of the worst. */
static void judge_backend(void *context, const struct service_spec *service,
			  const struct backend_spec *backend, const struct backend_view *view)
{
	struct judgement *judgement = context;
	enum balancer_state state = BALANCER_NONE;
	char address[ENDPOINT_TEXT_MAX];

	count_backend(judgement->balancer, service, backend, view);
	if (view->status == BACKEND_CHECKING)
		state = BALANCER_WAITING;
	else if (is_down(view) && !was_down(judgement->trial, service, backend))
		state = BALANCER_SICK;
	if (state <= judgement->state)
		return;
	judgement->state = state;
	snprintf(judgement->balancer->reason, sizeof(judgement->balancer->reason),
		 "service %s: backend %s is %s%s%s", service->name,
		 format_endpoint(&backend->endpoint, address), backend_status_name(view->status),
		 view->reason[0] ? ": " : "", view->reason);
}

enum balancer_state trial_judge(const struct trial *trial, const struct manager *manager,
				struct balancer *ret_balancer)
{
	struct judgement judgement = {trial, ret_balancer, BALANCER_NONE};

	ret_balancer->up = ret_balancer->down = 0;
	ret_balancer->reason[0] = '\0';
	visit_backends(manager, judge_backend, &judgement);
	return judgement.state == BALANCER_NONE ? BALANCER_WELL : judgement.state;
}
