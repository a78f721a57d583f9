/* SPDX-License-Identifier: Apache-2.0 */
#include "config_scale.h"

#include <errno.h>
#include <string.h>

#include "config_check.h"
#include "parse.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define PROMQL_LENGTH_MAX 1023
#define URL_LENGTH_MAX    511
#define DECIMAL_MAX       1e12

/* --- decimals: 0.6, or "0.6" as a command line has it --- */

static int read_decimal(const struct field *field, const cJSON *json, const char *where,
			void *object, struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, field->key);
	double number = cJSON_GetNumberValue(value);
	struct error inner = {0};
	int r = 0;

	if (!value)
		return 0;
	if (cJSON_IsString(value))
		r = parse_decimal(value->valuestring, &number, &inner);
	if (r < 0)
		return refuse_parsed(where, field->key, r, &inner, err);
	if (!(number >= 0 && number <= DECIMAL_MAX)) {
		refuse_value(where, field->key, "not a number from 0 up", err);
		return error_hint(err, -EINVAL, "write it like 0.6 or 250");
	}
	memcpy((char *)object + field->offset, &number, sizeof(number));
	return 0;
}

static bool write_decimal(const struct field *field, const void *object, cJSON *json)
{
	double number;

	memcpy(&number, (const char *)object + field->offset, sizeof(number));
	return cJSON_AddNumberToObject(json, field->key, number);
}

/* --- scale-schedule: one or more; one that is empty is none --- */

static int read_hours(const struct field *field, const cJSON *item, const char *where,
		      struct autoscale_policy *policy, struct error *err)
{
	struct error inner = {0};
	int r;

	if (!cJSON_IsString(item) || policy->schedule_count == SCALE_SCHEDULE_MAX) {
		refuse_value(where, field->key, "not a text or an array of at most 16", err);
		return error_hint(err, -EINVAL, "write it like \"mon-fri 08:00-20:00 4-20\"");
	}
	if (item->valuestring[0] == '\0')
		return 0;
	r = scale_hours_parse(item->valuestring, &policy->schedule[policy->schedule_count], &inner);
	if (r < 0)
		return refuse_parsed(where, field->key, r, &inner, err);
	policy->schedule_count++;
	return 0;
}

static int read_schedule(const struct field *field, const cJSON *json, const char *where,
			 void *object, struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, field->key), *item;
	struct autoscale_policy *policy = object;
	int r = 0;

	if (!value)
		return 0;
	policy->schedule_count = 0;
	for (item = cJSON_IsArray(value) ? value->child : value; item && r == 0;
	     item = cJSON_IsArray(value) ? item->next : NULL)
		r = read_hours(field, item, where, policy, err);
	return r;
}

static bool write_schedule(const struct field *field, const void *object, cJSON *json)
{
	const struct autoscale_policy *policy = object;
	cJSON *array = cJSON_AddArrayToObject(json, field->key);
	char text[SCHEDULE_TEXT_MAX];

	for (size_t i = 0; array && i < policy->schedule_count; i++) {
		if (!cJSON_AddItemToArray(array, cJSON_CreateString(scale_hours_format(
							 &policy->schedule[i], text))))
			return false;
	}
	return array;
}

/* --- the table --- */

/* clang-format off */
#define DECIMAL(key, member) \
	{key, read_decimal, write_decimal, MEMBER(struct autoscale_policy, member)}

static const struct field scale_fields[] = {
	CHOICE("scale", struct autoscale_policy, mode, scale_mode_words),
	CHOICE("scale-metric", struct autoscale_policy, metric, scale_metric_words),
	OWNED_TEXT("scale-promql", struct autoscale_policy, promql, PROMQL_LENGTH_MAX),
	OWNED_TEXT("scale-prometheus", struct autoscale_policy, prometheus, URL_LENGTH_MAX),
	DECIMAL("scale-target", target),
	DECIMAL("scale-up-above", up_above),
	DECIMAL("scale-down-below", down_below),
	DURATION("scale-interval", struct autoscale_policy, interval_ms),
	DURATION("scale-window", struct autoscale_policy, window_ms),
	NUMBER("scale-min", struct autoscale_policy, min, UINT16_MAX),
	NUMBER("scale-max", struct autoscale_policy, max, UINT16_MAX),
	NUMBER("scale-step", struct autoscale_policy, step, UINT16_MAX),
	NUMBER("scale-count", struct autoscale_policy, count, UINT16_MAX),
	DURATION("scale-up-cooldown", struct autoscale_policy, up_cooldown_ms),
	DURATION("scale-down-cooldown", struct autoscale_policy, down_cooldown_ms),
	DURATION("scale-stabilization", struct autoscale_policy, stabilization_ms),
	NUMBER("scale-failures", struct autoscale_policy, failures, UINT16_MAX),
	DURATION("scale-retry", struct autoscale_policy, retry_ms),
	NUMBER("scale-pace", struct autoscale_policy, pace, UINT16_MAX),
	DURATION("scale-drain", struct autoscale_policy, drain_ms),
	DURATION("scale-timeout", struct autoscale_policy, timeout_ms),
	DURATION("scale-replace-after", struct autoscale_policy, replace_after_ms),
	DURATION("scale-predict", struct autoscale_policy, predict_ms),
	DURATION("scale-season", struct autoscale_policy, season_ms),
	{.key = "scale-schedule", .read = read_schedule, .write = write_schedule},
	{"scale-driver", read_words, write_texts, MEMBER(struct autoscale_policy, driver)},
};
/* clang-format on */

const struct table scale_table = {scale_fields, ARRAY_SIZE(scale_fields)};

_Static_assert(sizeof(enum scale_mode) == sizeof(unsigned int) &&
		       sizeof(enum scale_metric) == sizeof(unsigned int),
	       "read_choice() writes them as unsigned int");
