/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "maglev.h"
#include "parse.h"

#define NUMBER_MAX (UINT64_C(1) << 53)

static const struct rollout_share all = {.number = 100, .percent = true};

/* --- shares --- */

int rollout_share_parse(const char *text, struct rollout_share *ret_share, struct error *err)
{
	size_t length = strlen(text);
	bool percent = length > 0 && text[length - 1] == '%';
	char digits[ROLLOUT_SHARE_TEXT_MAX];
	struct error inner;
	uint64_t number = 0;
	int ret;

	snprintf(digits, sizeof(digits), "%.*s", (int)(length - percent), text);
	ret = length < sizeof(digits)
		      ? parse_number(digits, 1, percent ? 100 : UINT32_MAX, &number, &inner)
		      : -EINVAL;
	if (ret) {
		error_set(err, EINVAL, "share %.40s: not a number of balancers or a percentage",
			  text);
		return error_hint(err, -EINVAL, "write 1, 3 or 25%%; 100%% is all of them");
	}
	*ret_share = (struct rollout_share){.number = (uint32_t)number, .percent = percent};
	return 0;
}

const char *rollout_share_format(const struct rollout_share *share,
				 char text[ROLLOUT_SHARE_TEXT_MAX])
{
	snprintf(text, ROLLOUT_SHARE_TEXT_MAX, "%u%s", share->number, share->percent ? "%" : "");
	return text;
}

static int refuse_number(const struct rollout_share *share, size_t count, struct error *err)
{
	error_set(err, EINVAL, "share %u: there %s %zu balancer%s", share->number,
		  count == 1 ? "is" : "are", count, count == 1 ? "" : "s");
	if (share->number <= 100)
		error_hint(err, 0, "write %u%% for a part of them, 100%% for all", share->number);
	else
		error_hint(err, 0, "write 100%% for all of them");
	return error_field(err, -EINVAL, "shares");
}

static int refuse_order(const struct rollout_share *share, struct error *err)
{
	char text[ROLLOUT_SHARE_TEXT_MAX], former[ROLLOUT_SHARE_TEXT_MAX];

	error_set(err, EINVAL, "share %s: it follows %s, which is more",
		  rollout_share_format(share, text), rollout_share_format(share - 1, former));
	error_hint(err, 0, "write the small ones first, as in 1 25%% 100%%");
	return error_field(err, -EINVAL, "shares");
}

/* Which is more of a number and a percentage, the fleet's size says: those follow as they like. */
int rollout_check_shares(const struct rollout *rollout, size_t count, struct error *err)
{
	for (size_t i = 0; i < rollout->share_count; i++) {
		const struct rollout_share *share = &rollout->shares[i];

		if (!share->percent && share->number > count)
			return refuse_number(share, count, err);
		if (i > 0 && share->percent == share[-1].percent &&
		    share->number < share[-1].number)
			return refuse_order(share, err);
	}
	return 0;
}

static bool is_all(const struct rollout_share *share)
{
	return share->percent && share->number == 100;
}

/* --- a roll-out as JSON --- */

void rollout_free(struct rollout *rollout)
{
	if (!rollout)
		return;
	cJSON_Delete(rollout->document);
	free(rollout->members);
	free(rollout);
}

static int too_many_shares(const char *where, struct error *err)
{
	return error_set(err, EINVAL, "%s: more than %d shares", where, ROLLOUT_SHARES_MAX - 1);
}

/* Whatever the shares, in the end it is all. */
static int read_shares(const cJSON *json, const char *where, struct rollout *rollout,
		       struct error *err)
{
	const cJSON *array = NULL, *item;
	size_t *count = &rollout->share_count;
	int ret = json_array(json, where, "shares", &array, err);

	cJSON_ArrayForEach (item, array) {
		if (ret == 0 && *count == ROLLOUT_SHARES_MAX)
			ret = too_many_shares(where, err);
		if (ret == 0)
			ret = rollout_share_parse(cJSON_GetStringValue(item) ?: "",
						  &rollout->shares[*count], err);
		*count += ret == 0;
	}
	if (ret == 0 && *count > 0 && is_all(&rollout->shares[*count - 1]))
		return 0;
	if (ret == 0 && *count == ROLLOUT_SHARES_MAX)
		ret = too_many_shares(where, err);
	if (ret)
		return error_field(err, ret, "shares");
	rollout->shares[(*count)++] = all;
	return 0;
}

static int read_document(const cJSON *json, const char *where, struct rollout *rollout,
			 struct error *err)
{
	const cJSON *document = cJSON_GetObjectItemCaseSensitive(json, "document");

	if (!document) {
		error_set(err, EINVAL, "%s: document is missing", where);
		return error_field(err, -EINVAL, "document");
	}
	rollout->document = cJSON_Duplicate(document, true);
	return rollout->document ? 0 : error_set(err, ENOMEM, "out of memory");
}

/* Without a look at what other keys there are. */
static int read_wishes(const cJSON *json, const char *where, struct rollout *rollout,
		       struct error *err)
{
	int ret = read_shares(json, where, rollout, err);

	rollout->for_ms = ROLLOUT_FOR_MS;
	if (ret == 0)
		ret = json_duration(json, where, "for", 0, ROLLOUT_FOR_MAX_MS, &rollout->for_ms,
				    err);
	return ret ? ret : read_document(json, where, rollout, err);
}

static int rollout_new(struct rollout **ret_rollout, struct error *err)
{
	*ret_rollout = calloc(1, sizeof(**ret_rollout));
	return *ret_rollout ? 0 : error_set(err, ENOMEM, "out of memory");
}

/* Hands rollout out, or frees it. */
static int finish(int ret, struct rollout *rollout, struct rollout **ret_rollout)
{
	if (ret)
		rollout_free(rollout);
	else
		*ret_rollout = rollout;
	return ret;
}

int rollout_read_request(const cJSON *json, const char *where, struct rollout **ret_rollout,
			 struct error *err)
{
	static const char *const keys[] = {"shares", "for", "document", NULL};
	struct rollout *rollout;
	int ret = rollout_new(&rollout, err);

	if (ret)
		return ret;
	ret = json_check_keys(json, where, keys, err);
	if (ret == 0)
		ret = read_wishes(json, where, rollout, err);
	return finish(ret, rollout, ret_rollout);
}

static int read_text(const cJSON *json, const char *key, char *ret_text, size_t size,
		     struct error *err)
{
	const char *text = NULL;
	int ret = json_string(json, "roll-out", key, &text, err);

	if (ret == 0 && (!text || !text[0] || strlen(text) >= size))
		ret = error_set(err, EINVAL, "roll-out: %s is none", key);
	if (ret == 0)
		snprintf(ret_text, size, "%s", text);
	return ret;
}

static int read_members(const cJSON *json, struct rollout *rollout, struct error *err)
{
	const cJSON *array = NULL, *item;
	int ret = json_array(json, "roll-out", "balancers", &array, err);
	size_t room = (size_t)cJSON_GetArraySize(array) + 1;

	if (ret)
		return ret;
	rollout->members = calloc(room, sizeof(*rollout->members));
	if (!rollout->members)
		return error_set(err, ENOMEM, "out of memory");
	cJSON_ArrayForEach (item, array) {
		snprintf(rollout->members[rollout->member_count++], BALANCER_ID_MAX, "%s",
			 cJSON_GetStringValue(item) ?: "");
	}
	return 0;
}

static int read_whole(const cJSON *json, struct rollout *rollout, struct error *err)
{
	uint64_t step = 0;
	int ret = read_text(json, "id", rollout->id, sizeof(rollout->id), err);

	if (ret == 0)
		ret = read_text(json, "by", rollout->by, sizeof(rollout->by), err);
	if (ret == 0)
		ret = read_wishes(json, "roll-out", rollout, err);
	if (ret == 0)
		ret = json_number(json, "roll-out", "base", 0, NUMBER_MAX, &rollout->base, err);
	if (ret == 0)
		ret = json_number(json, "roll-out", "step", 1, rollout->share_count, &step, err);
	if (ret == 0)
		ret = read_members(json, rollout, err);
	rollout->step = step ? step - 1 : 0;
	return ret;
}

int rollout_read(const char *text, size_t length, struct rollout **ret_rollout, struct error *err)
{
	struct rollout *rollout;
	cJSON *json = NULL;
	int ret = rollout_new(&rollout, err);

	if (ret)
		return ret;
	ret = json_parse(text, length, &json, err);
	if (ret == 0)
		ret = read_whole(json, rollout, err);
	cJSON_Delete(json);
	return finish(ret, rollout, ret_rollout);
}

static bool add_shares(cJSON *json, const struct rollout *rollout)
{
	cJSON *array = cJSON_AddArrayToObject(json, "shares");
	char text[ROLLOUT_SHARE_TEXT_MAX];

	for (size_t i = 0; i < rollout->share_count; i++) {
		const char *share = rollout_share_format(&rollout->shares[i], text);

		if (!json_add_item(array, cJSON_CreateString(share)))
			return false;
	}
	return array;
}

static bool add_members(cJSON *json, const struct rollout *rollout)
{
	cJSON *array = cJSON_AddArrayToObject(json, "balancers");

	for (size_t i = 0; i < rollout->member_count; i++) {
		if (!json_add_item(array, cJSON_CreateString(rollout->members[i])))
			return false;
	}
	return array;
}

cJSON *rollout_describe(const struct rollout *rollout)
{
	cJSON *json = cJSON_CreateObject();
	char span[DURATION_TEXT_MAX];
	bool whole = cJSON_AddStringToObject(json, "id", rollout->id) &&
		     cJSON_AddStringToObject(json, "by", rollout->by) &&
		     cJSON_AddNumberToObject(json, "base", (double)rollout->base) &&
		     add_shares(json, rollout) &&
		     cJSON_AddNumberToObject(json, "step", (double)rollout->step + 1) &&
		     cJSON_AddStringToObject(json, "for", format_duration(rollout->for_ms, span)) &&
		     add_members(json, rollout);

	return json_whole(json, whole);
}

/* Takes json over. */
static char *print(cJSON *json, bool whole)
{
	char *text = json && whole ? cJSON_PrintUnformatted(json) : NULL;

	cJSON_Delete(json);
	return text;
}

char *rollout_write(const struct rollout *rollout)
{
	cJSON *json = rollout_describe(rollout);
	bool whole = cJSON_AddItemReferenceToObject(json, "document", rollout->document);

	return print(json, whole);
}

/* --- whose turn it is --- */

bool rollout_has(const struct rollout *rollout, const char *balancer)
{
	for (size_t i = 0; i < rollout->member_count; i++) {
		if (strcmp(rollout->members[i], balancer) == 0)
			return true;
	}
	return false;
}

struct candidate {
	uint64_t key;
	const char *id;
};

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *one = a, *other = b;

	if (one->key != other->key)
		return one->key < other->key ? -1 : 1;
	return strcmp(one->id, other->id);
}

static uint64_t candidate_key(const struct rollout *rollout, const char *balancer)
{
	char text[ROLLOUT_ID_MAX + BALANCER_ID_MAX];

	snprintf(text, sizeof(text), "%s %s", rollout->id, balancer);
	return maglev_key(text, strlen(text));
}

static size_t count_wanted(const struct rollout_share *share, size_t count)
{
	size_t wanted = share->percent ? (count * share->number + 99) / 100 : share->number;

	return wanted < count ? wanted : count;
}

int rollout_choose(struct rollout *rollout, const struct balancer *balancers, size_t count)
{
	size_t wanted = count_wanted(&rollout->shares[rollout->step], count);
	size_t former = rollout->member_count, candidates = 0;
	struct candidate *order = calloc(count + 1, sizeof(*order));
	void *members = realloc(rollout->members, (former + count + 1) * sizeof(*rollout->members));

	rollout->members = members ?: rollout->members;
	if (!order || !members) {
		free(order);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		const char *id = balancers[i].id;

		if (!rollout_has(rollout, id))
			order[candidates++] = (struct candidate){candidate_key(rollout, id), id};
	}
	qsort(order, candidates, sizeof(*order), compare_candidates);
	for (size_t i = 0; i < candidates && rollout->member_count < wanted; i++)
		snprintf(rollout->members[rollout->member_count++], BALANCER_ID_MAX, "%s",
			 order[i].id);
	free(order);
	return rollout->member_count > former;
}

/* --- the gate --- */

static const struct balancer *find(const struct balancer *balancers, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(balancers[i].id, id) == 0)
			return &balancers[i];
	}
	return NULL;
}

static enum rollout_gate judge_member(const struct rollout *rollout, const char *id,
				      const struct balancer *balancer, struct error *why)
{
	if (!balancer) {
		error_set(why, EAGAIN, "balancer %s has gone", id);
		return ROLLOUT_WAIT;
	}
	if (strcmp(balancer->rollout, rollout->id) != 0) {
		error_set(why, EAGAIN, "balancer %s has not taken it yet", id);
		return ROLLOUT_WAIT;
	}
	if (balancer->state == BALANCER_SICK || balancer->state == BALANCER_REFUSED) {
		error_set(why, EINVAL, "balancer %s %s: %.190s", id,
			  balancer->state == BALANCER_SICK ? "is worse off" : "refuses it",
			  balancer->reason);
		return ROLLOUT_FAILED;
	}
	if (balancer->state == BALANCER_WELL && balancer->in_sync)
		return ROLLOUT_OPEN;
	error_set(why, EAGAIN, "balancer %s: %.200s", id,
		  balancer->state == BALANCER_WELL ? "not in sync" : balancer->reason);
	return ROLLOUT_WAIT;
}

enum rollout_gate rollout_judge(const struct rollout *rollout, const struct balancer *balancers,
				size_t count, struct error *ret_why)
{
	enum rollout_gate gate = ROLLOUT_OPEN, one;
	struct error why = {0};

	for (size_t i = 0; i < rollout->member_count && gate != ROLLOUT_FAILED; i++) {
		const char *id = rollout->members[i];

		one = judge_member(rollout, id, find(balancers, count, id), &why);
		if (one == ROLLOUT_OPEN || (one == ROLLOUT_WAIT && gate == ROLLOUT_WAIT))
			continue;
		gate = one;
		*ret_why = why;
	}
	return gate;
}

/* --- how it ended --- */

struct rollout_end rollout_ends(const struct rollout *rollout, bool done, const char *reason)
{
	struct rollout_end end = {.done = done};

	snprintf(end.id, sizeof(end.id), "%s", rollout->id);
	snprintf(end.by, sizeof(end.by), "%s", rollout->by);
	snprintf(end.reason, sizeof(end.reason), "%s", reason);
	return end;
}

cJSON *rollout_end_describe(const struct rollout_end *end)
{
	cJSON *json = cJSON_CreateObject();
	bool whole = cJSON_AddStringToObject(json, "id", end->id) &&
		     cJSON_AddStringToObject(json, "by", end->by) &&
		     cJSON_AddBoolToObject(json, "done", end->done) &&
		     cJSON_AddStringToObject(json, "reason", end->reason);

	return json_whole(json, whole);
}

char *rollout_end_write(const struct rollout_end *end)
{
	return print(rollout_end_describe(end), true);
}

struct rollout_end rollout_end_read(const char *text, size_t length)
{
	struct rollout_end end = {0};
	struct error ignored;
	cJSON *json = NULL;

	if (json_parse(text, length, &json, &ignored))
		return end;
	snprintf(end.id, sizeof(end.id), "%s",
		 cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "id")) ?: "");
	snprintf(end.by, sizeof(end.by), "%s",
		 cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "by")) ?: "");
	snprintf(end.reason, sizeof(end.reason), "%s",
		 cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "reason")) ?: "");
	end.done = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "done"));
	cJSON_Delete(json);
	return end;
}
