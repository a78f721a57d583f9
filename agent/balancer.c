/* SPDX-License-Identifier: Apache-2.0 */
#include "balancer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

#define NUMBER_MAX (UINT64_C(1) << 53) /* beyond, a JSON number is no longer exact */

static const char *const states[BALANCER_STATE_COUNT] = {
#define X(NAME, name) [BALANCER_##NAME] = (name),
	BALANCER_STATES(X)
#undef X
};

const char *balancer_state_name(enum balancer_state state)
{
	return states[state];
}

char *balancer_write(const struct balancer *balancer)
{
	cJSON *json = cJSON_CreateObject();
	bool whole = cJSON_AddNumberToObject(json, "revision", (double)balancer->revision) &&
		     cJSON_AddBoolToObject(json, "in-sync", balancer->in_sync) &&
		     cJSON_AddNumberToObject(json, "up", balancer->up) &&
		     cJSON_AddNumberToObject(json, "down", balancer->down);
	char *text;

	if (balancer->rollout[0])
		whole = whole && cJSON_AddStringToObject(json, "rollout", balancer->rollout) &&
			cJSON_AddStringToObject(json, "state", states[balancer->state]) &&
			cJSON_AddStringToObject(json, "reason", balancer->reason);
	text = whole ? cJSON_PrintUnformatted(json) : NULL;
	cJSON_Delete(json);
	return text;
}

static int refuse(const char *id, const char *what, struct error *err)
{
	return error_set(err, EBADMSG, "balancer %.80s: %s", id, what);
}

/* One that this version does not know can only be waited for. */
static enum balancer_state find_state(const char *name)
{
	for (enum balancer_state state = 0; state < BALANCER_STATE_COUNT; state++) {
		if (strcmp(states[state], name) == 0)
			return state;
	}
	return BALANCER_WAITING;
}

static int read_rollout(const cJSON *json, const char *where, struct balancer *balancer,
			struct error *err)
{
	const char *id = "", *state = "", *reason = "";
	int ret = json_string(json, where, "rollout", &id, err);

	if (ret == 0)
		ret = json_string(json, where, "state", &state, err);
	if (ret == 0)
		ret = json_string(json, where, "reason", &reason, err);
	if (ret || !id[0])
		return ret;
	snprintf(balancer->rollout, sizeof(balancer->rollout), "%s", id);
	snprintf(balancer->reason, sizeof(balancer->reason), "%s", reason);
	balancer->state = find_state(state);
	return 0;
}

int balancer_read(const char *id, const char *text, size_t length, struct balancer *ret_balancer,
		  struct error *err)
{
	struct balancer balancer = {0};
	uint64_t up = 0, down = 0;
	struct error inner;
	cJSON *json = NULL;
	int ret = json_parse(text, length, &json, &inner);

	if (ret == 0 && !cJSON_IsObject(json))
		ret = error_set(&inner, EINVAL, "not an object");
	if (ret == 0)
		ret = json_number(json, id, "revision", 0, NUMBER_MAX, &balancer.revision, &inner);
	if (ret == 0)
		ret = json_number(json, id, "up", 0, UINT32_MAX, &up, &inner);
	if (ret == 0)
		ret = json_number(json, id, "down", 0, UINT32_MAX, &down, &inner);
	if (ret == 0)
		ret = read_rollout(json, id, &balancer, &inner);
	balancer.in_sync = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "in-sync"));
	balancer.up = (uint32_t)up;
	balancer.down = (uint32_t)down;
	cJSON_Delete(json);
	if (ret)
		return refuse(id, inner.message, err);
	snprintf(balancer.id, sizeof(balancer.id), "%s", id);
	*ret_balancer = balancer;
	return 0;
}
