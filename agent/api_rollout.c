/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/rollout: a configuration that goes to a fleet by shares of its balancers. */
#include <errno.h>
#include <stdlib.h>

#include "api_call.h"
#include "diff.h"
#include "document.h"
#include "fleet_view.h"
#include "json.h"
#include "remember.h"

static int require_store(struct call *call)
{
	if (call->api->store)
		return 0;
	error_set(&call->err, ENOENT, "lbagent has a configuration of its own: there is no fleet");
	return error_hint(&call->err, -ENOENT,
			  "start it with --store etcd://...; for one machine: lbctl apply --stage");
}

static int answer_fleet(struct call *call, unsigned int status)
{
	const struct fleet_store_view fleet = fleet_store_view(call->api->store);

	return api_answer(call, status, fleet_view_rollout(&fleet));
}

int api_rollout_get(struct call *call)
{
	int ret = require_store(call);

	return ret ? ret : answer_fleet(call, 200);
}

/* As export would write it: what is in force in the end is the same bytes everywhere. */
static int make_canonical(struct call *call, struct rollout *rollout)
{
	struct desired *desired = NULL;
	cJSON *document = NULL;
	int ret = document_read(rollout->document, &desired, &call->err);

	if (ret)
		return ret;
	/* Each balancer takes over what it tells of former owners, so it tells of present ones. */
	if (remember_owners(manager_desired(call->api->manager), desired) == 0)
		document = document_write(desired);
	desired_free(desired);
	if (!document)
		return error_set(&call->err, ENOMEM, "out of memory");
	cJSON_Delete(rollout->document);
	rollout->document = document;
	return 0;
}

/* The state that the document asks for, as in apply. */
static int read_target(struct call *call, const struct rollout *rollout,
		       struct desired **ret_target)
{
	const struct desired *former = manager_desired(call->api->manager);
	struct document_removal removal = {.deadline_ms = api_now_ms(call) + DOCUMENT_DRAIN_MS};
	int ret = document_read(rollout->document, ret_target, &call->err);

	return ret ? ret : document_follow(former, *ret_target, &removal, &call->err);
}

static int require_changes(struct call *call, const struct desired *target)
{
	cJSON *changes = diff_write(manager_desired(call->api->manager), target);
	bool any = changes && changes->child;

	if (!changes)
		return error_set(&call->err, ENOMEM, "out of memory");
	cJSON_Delete(changes);
	if (any)
		return 0;
	error_set(&call->err, EINVAL, "document: no difference to roll out");
	return error_hint(&call->err, -EINVAL,
			  "it is what is in force here: change it, or leave it");
}

/* What is refused here is refused before any balancer has heard of it. 1: it was planned only. */
static int check_target(struct call *call, struct desired *target)
{
	struct plan *plan = NULL;
	int ret = api_change_plan(call, target);

	if (ret == 0)
		ret = require_changes(call, target);
	if (ret == 0)
		ret = manager_plan(call->api->manager, target, &plan, &call->err);
	plan_free(plan);
	return ret;
}

/* Takes rollout over. */
static int begin(struct call *call, struct rollout *rollout, const char *asked)
{
	struct desired *target = NULL;
	int ret = fleet_store_may_begin(call->api->store, &call->err);

	if (ret == 0)
		ret = rollout_check_shares(
			rollout, fleet_store_view(call->api->store).balancer_count, &call->err);
	if (ret == 0)
		ret = make_canonical(call, rollout);
	if (ret == 0)
		ret = read_target(call, rollout, &target);
	if (ret == 0)
		ret = check_target(call, target);
	desired_free(target);
	if (ret == 0)
		return fleet_store_begin(call->api->store, rollout, asked, &call->err);
	rollout_free(rollout);
	return ret;
}

/* Whoever has begun it asks again, when it may be in force here already. So he is known by what he
 * has sent: what is made of that tells of owners, who are others then. */
int api_rollout_post(struct call *call)
{
	struct rollout *rollout = NULL;
	char *asked;
	int ret = require_store(call);

	if (ret == 0)
		ret = rollout_read_request(call->body, "roll-out", &rollout, &call->err);
	if (ret)
		return ret;
	asked = rollout_write(rollout);
	ret = asked ? fleet_store_claim(call->api->store, asked, &call->err)
		    : error_set(&call->err, ENOMEM, "out of memory");
	if (ret == -ENOENT) {
		ret = begin(call, rollout, asked);
	} else {
		rollout_free(rollout);
		ret = ret ? ret : answer_fleet(call, 201);
	}
	free(asked);
	return ret;
}

int api_rollout_delete(struct call *call)
{
	char id[ROLLOUT_ID_MAX];
	cJSON *json;
	int ret = require_store(call);

	if (ret == 0)
		ret = fleet_store_abort(call->api->store, call->request->peer, id, &call->err);
	if (ret)
		return ret;
	json = cJSON_CreateObject();
	return api_answer(call, 200, json_whole(json, cJSON_AddStringToObject(json, "ended", id)));
}
