/* SPDX-License-Identifier: Apache-2.0 */
#include "api_call.h"

#include <errno.h>
#include <string.h>

#include "diff.h"
#include "document.h"
#include "log.h"
#include "plan_view.h"

#define DRAIN_DEADLINE_MAX_MS (24ULL * 3600 * 1000)

int api_answer(struct call *call, unsigned int status, cJSON *json)
{
	if (!json)
		return error_set(&call->err, ENOMEM, "out of memory");
	call->status = status;
	call->answer = json;
	return 0;
}

/* --- what is asked behind the path --- */

int api_query_number(struct call *call, const char *name, uint64_t min, uint64_t max,
		     uint64_t *ret_value)
{
	const char *text = http_query(call->request, name);

	if (!text)
		return 0;
	return error_parameter(&call->err, parse_number(text, min, max, ret_value, &call->err),
			       name);
}

int api_query_duration(struct call *call, const char *name, uint64_t min_ms, uint64_t max_ms,
		       uint64_t *ret_ms)
{
	const char *text = http_query(call->request, name);

	if (!text)
		return 0;
	return error_parameter(&call->err, parse_duration(text, min_ms, max_ms, ret_ms, &call->err),
			       name);
}

int api_query_switch(struct call *call, const char *key, bool *ret_on)
{
	const char *text = http_query(call->request, key);

	*ret_on = text && strcmp(text, "true") == 0;
	if (!text || *ret_on || strcmp(text, "false") == 0)
		return 0;
	return error_parameter(&call->err, error_set(&call->err, EINVAL, "neither true nor false"),
			       key);
}

int api_query_deadline(struct call *call, uint64_t *ret_ms)
{
	const char *text = http_query(call->request, "deadline");
	uint64_t span_ms = DOCUMENT_DRAIN_MS;
	int ret = text ? parse_duration(text, 1, DRAIN_DEADLINE_MAX_MS, &span_ms, &call->err) : 0;

	if (ret)
		return error_field(&call->err, ret, "deadline");
	*ret_ms = api_now_ms(call) + span_ms;
	return 0;
}

int api_query_limit(struct call *call, double *ret_limit, bool *ret_given)
{
	const char *text = http_query(call->request, "max-disruption");
	int ret = text ? parse_percent(text, ret_limit, &call->err) : 0;

	*ret_given = text;
	return ret ? error_field(&call->err, ret, "max-disruption") : 0;
}

uint64_t api_now_ms(const struct call *call)
{
	return steady_now(&manager_desired(call->api->manager)->steady);
}

/* --- changes --- */

int api_change_begin(struct call *call, struct change *change)
{
	int ret = 0;

	*change = (struct change){.next = desired_clone(manager_desired(call->api->manager))};
	if (!change->next)
		return error_set(&call->err, ENOMEM, "out of memory");
	if (call->service)
		ret = desired_require_service(change->next, call->service, &change->service,
					      &call->err);
	if (ret == 0 && call->backend)
		ret = service_require_backend(change->service, call->backend, &change->backend,
					      &call->err);
	return ret;
}

/* --- a change that is planned first --- */

/* What a change was asked with besides itself. */
struct guard {
	bool dry_run;
	bool limited;
	double limit; /* of disruption, 0 to 1 */
};

static int guard_read(struct call *call, struct guard *guard)
{
	int ret = api_query_switch(call, "dry-run", &guard->dry_run);

	guard->dry_run = guard->dry_run || call->dry_run;
	return ret ? ret : api_query_limit(call, &guard->limit, &guard->limited);
}

static int refuse_disruption(struct call *call, const struct plan *plan, double limit)
{
	const struct plan_service *worst = plan->services;
	size_t i;
	int ret;

	for (i = 1; i < plan->service_count; i++) {
		if (plan->services[i].disruption > worst->disruption)
			worst = &plan->services[i];
	}
	ret = error_set(&call->err, E2BIG,
			"service %s: %s, %.4g%% disruption, more than the %.4g%% that are allowed",
			worst->name,
			worst->deserted  ? "nobody would take new flows at first"
			: worst->tracked ? "live flows would lose their backend"
					 : "flows would go to another backend",
			worst->disruption * 100, limit * 100);
	error_hint(&call->err, ret,
		   "look at it with lbctl plan; lbctl apply --stage goes in steps");
	return error_field(&call->err, ret, "max-disruption");
}

static int guard_check(struct call *call, const struct guard *guard, const struct plan *plan)
{
	int ret;

	if (!guard->limited)
		return 0;
	ret = plan_require_count(plan->counted, &call->err);
	if (ret || plan->disruption <= guard->limit)
		return ret;
	return refuse_disruption(call, plan, guard->limit);
}

/* {"generation": ..., "applied": false, "changes": ...} and what the plan says. */
static cJSON *plan_json(const struct call *call, const struct desired *next,
			const struct plan *plan)
{
	const struct desired *former = manager_desired(call->api->manager);
	cJSON *json = cJSON_CreateObject(), *changes = diff_write(former, next);

	if (json && changes &&
	    cJSON_AddNumberToObject(json, "generation", (double)former->generation) &&
	    cJSON_AddFalseToObject(json, "applied") &&
	    cJSON_AddItemToObject(json, "changes", changes) && plan_view(json, plan))
		return json;
	cJSON_Delete(json);
	return NULL;
}

/* 0: go on. 1: it was planned only, and is answered. */
static int plan_first(struct call *call, struct desired *next)
{
	struct guard guard = {0};
	struct plan *plan = NULL;
	int ret = guard_read(call, &guard);

	if (ret || (!guard.dry_run && !guard.limited))
		return ret;
	ret = manager_plan(call->api->manager, next, &plan, &call->err);
	if (ret == 0)
		ret = guard_check(call, &guard, plan);
	if (ret == 0 && guard.dry_run)
		ret = api_answer(call, 200, plan_json(call, next, plan)) ?: 1;
	plan_free(plan);
	return ret;
}

int api_change_plan(struct call *call, struct desired *next)
{
	int ret = manager_lists_ready(call->api->manager, next, &call->err);

	return ret ? ret : plan_first(call, next);
}

int api_change_end(struct call *call, struct change *change, int ret)
{
	if (ret == 0)
		ret = api_change_plan(call, change->next);
	if (ret) {
		desired_free(change->next);
		return ret;
	}
	ret = manager_commit(call->api->manager, change->next, &call->err);
	if (ret == 0)
		log_info("changed", "by", call->request->peer, "method", call->request->method,
			 "path", call->request->path);
	return ret;
}
