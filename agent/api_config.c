/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/config and /v1/plan: the configuration as one document. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api_call.h"
#include "diff.h"
#include "document.h"
#include "maglev.h"
#include "plan_view.h"
#include "remember.h"

int api_config_get(struct call *call)
{
	return api_answer(call, 200, document_write(manager_desired(call->api->manager)));
}

/* The state that the body asks for. */
static int read_target(struct call *call, struct desired **ret_target)
{
	struct document_removal removal = {0};
	bool dry_run = false;
	int ret = api_query_switch(call, "now", &removal.now);

	if (ret == 0)
		ret = api_query_switch(call, "dry-run", &dry_run);
	if (ret == 0)
		ret = api_query_deadline(call, &removal.deadline_ms);
	if (ret == 0)
		ret = document_read(call->body, ret_target, &call->err);
	if (ret == 0)
		ret = document_follow(manager_desired(call->api->manager), *ret_target, &removal,
				      &call->err);
	/* Or what is written by hand would differ in what it does not tell of. */
	if (ret == 0 && remember_owners(manager_desired(call->api->manager), *ret_target) < 0)
		ret = error_set(&call->err, ENOMEM, "out of memory");
	call->dry_run = call->dry_run || dry_run;
	return ret;
}

/* Fills json, begun by the caller, with what was done. Takes json over. */
static int answer_applied(struct call *call, bool applied, cJSON *json)
{
	double generation = (double)manager_desired(call->api->manager)->generation;

	if (cJSON_AddNumberToObject(json, "generation", generation) &&
	    cJSON_AddBoolToObject(json, "applied", applied))
		return api_answer(call, 200, json);
	cJSON_Delete(json);
	return api_answer(call, 200, NULL);
}

/* {"changes": [...]} from the present state to next. */
static int begin_answer(struct call *call, const struct desired *next, cJSON **ret_json)
{
	cJSON *changes = diff_write(manager_desired(call->api->manager), next);
	cJSON *json = cJSON_CreateObject();

	if (changes && cJSON_AddItemToObject(json, "changes", changes)) {
		*ret_json = json;
		return 0;
	}
	cJSON_Delete(changes);
	cJSON_Delete(json);
	return error_set(&call->err, ENOMEM, "out of memory");
}

static bool has_changes(const cJSON *json)
{
	return cJSON_GetObjectItemCaseSensitive(json, "changes")->child;
}

/* What makes no difference is not committed: neither generation nor disk change. Takes next and
 * json over. */
static int apply(struct call *call, struct desired *next, cJSON *json)
{
	struct change change = {.next = next};
	int ret;

	if (!has_changes(json) && !call->dry_run) {
		desired_free(next);
		return answer_applied(call, false, json);
	}
	ret = api_change_end(call, &change, 0);
	if (ret == 0)
		return answer_applied(call, true, json);
	cJSON_Delete(json);
	return ret;
}

/* --- in steps --- */

#define DIGEST_TEXT_MAX 17

/*
 * Names what an export would be. Unlike the generation it does not change when a drain ends, which
 * happens between steps, but is nobody's doing.
 */
static int digest_config(struct call *call, char digest[DIGEST_TEXT_MAX])
{
	cJSON *json = document_write(manager_desired(call->api->manager));
	char *text = json ? cJSON_PrintUnformatted(json) : NULL;

	cJSON_Delete(json);
	if (!text)
		return error_set(&call->err, ENOMEM, "out of memory");
	snprintf(digest, DIGEST_TEXT_MAX, "%016" PRIx64, maglev_key(text, strlen(text)));
	cJSON_free(text);
	return 0;
}

/* ?if-digest=: whoever walks in steps stops when somebody else has gone another way. */
static int check_digest(struct call *call)
{
	const char *wanted = http_query(call->request, "if-digest");
	char digest[DIGEST_TEXT_MAX];
	int ret = wanted ? digest_config(call, digest) : 0;

	if (ret || !wanted || strcmp(wanted, digest) == 0)
		return ret;
	ret = error_set(&call->err, ESTALE, "somebody else has changed the configuration");
	return error_hint(&call->err, ret, "look at it with lbctl export before you go on");
}

static int read_limit(struct call *call, double *ret_limit)
{
	bool given = false;
	int ret = api_query_limit(call, ret_limit, &given);

	if (ret || given)
		return ret;
	ret = error_set(&call->err, EINVAL, "parameter stage: steps within what limit?");
	error_hint(&call->err, ret, "give --max-disruption PERCENT");
	return error_field(&call->err, ret, "max-disruption");
}

/* Adds what the step does, whether it is the last, and if not, why. next: NULL for none. */
static int describe_step(struct call *call, struct desired *next, bool last,
			 const struct error *why, cJSON *json)
{
	struct plan *plan = NULL;
	bool whole = cJSON_AddBoolToObject(json, "done", last) &&
		     (last || cJSON_AddStringToObject(json, "waiting", why->message));
	int ret = next ? manager_plan(call->api->manager, next, &plan, &call->err) : 0;

	if (ret == 0 && next)
		whole = whole && plan_view(json, plan);
	plan_free(plan);
	return ret || whole ? ret : error_set(&call->err, ENOMEM, "out of memory");
}

static int add_digest(struct call *call)
{
	char digest[DIGEST_TEXT_MAX];
	int ret = digest_config(call, digest);

	if (ret || cJSON_AddStringToObject(call->answer, "digest", digest))
		return ret;
	return error_set(&call->err, ENOMEM, "out of memory");
}

static int apply_step(struct call *call, struct desired *target)
{
	const struct manager *manager = call->api->manager;
	enum stage_outcome outcome = STAGE_WAIT;
	struct desired *next = NULL;
	struct error why = {0};
	cJSON *json = NULL;
	double limit = 0;
	int ret = check_digest(call);

	if (ret == 0)
		ret = read_limit(call, &limit);
	if (ret == 0)
		ret = manager_stage(manager, target, limit, &outcome, &next, &why, &call->err);
	if (ret == 0 && !next && call->dry_run) { /* a plan of nothing, but one like any other */
		next = desired_clone(manager_desired(manager));
		ret = next ? 0 : error_set(&call->err, ENOMEM, "out of memory");
	}
	if (ret == 0)
		ret = begin_answer(call, next ?: manager_desired(manager), &json);
	if (ret == 0)
		ret = describe_step(call, next, outcome == STAGE_LAST, &why, json);
	if (ret) {
		cJSON_Delete(json);
		desired_free(next);
		return ret;
	}
	ret = next ? apply(call, next, json) : answer_applied(call, false, json);
	return ret ? ret : add_digest(call);
}

/* --- as a whole --- */

int api_config_put(struct call *call)
{
	struct desired *target = NULL;
	cJSON *json = NULL;
	bool stage = false;
	int ret = api_query_switch(call, "stage", &stage);

	if (ret == 0)
		ret = read_target(call, &target);
	if (ret == 0 && stage) {
		ret = manager_lists_ready(call->api->manager, target, &call->err);
		ret = ret ? ret : apply_step(call, target);
		desired_free(target);
		return ret;
	}
	if (ret == 0)
		ret = begin_answer(call, target, &json);
	if (ret == 0)
		return apply(call, target, json);
	desired_free(target);
	return ret;
}

int api_plan_post(struct call *call)
{
	call->dry_run = true;
	return api_config_put(call);
}
