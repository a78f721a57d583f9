/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>

#include "json.h"
#include "parse.h"

#define DELAY_MAX_MS 60000
#define MILLION      1000000U

static int parse_rate(const char *text, unsigned int *ret_ppm, struct error *err)
{
	double ratio;
	int r = parse_percent(text, &ratio, err);

	if (r == 0)
		*ret_ppm = (unsigned int)(ratio * MILLION + 0.5);
	return r;
}

static int set_delay(void *target, const char *text, struct error *err)
{
	struct behaviour *behaviour = target;
	uint64_t ms;
	int r = parse_duration(text, 0, DELAY_MAX_MS, &ms, err);

	if (r == 0)
		atomic_store(&behaviour->delay_ms, (unsigned int)ms);
	return r;
}

static int set_error_rate(void *target, const char *text, struct error *err)
{
	struct behaviour *behaviour = target;
	unsigned int ppm;
	int r = parse_rate(text, &ppm, err);

	if (r == 0)
		atomic_store(&behaviour->errors_ppm, ppm);
	return r;
}

const struct webapp_flag behaviour_flags[] = {
	{"delay", "DURATION", "how long it waits before it answers, up to 1m (default 0ms)",
	 set_delay},
	{"error-rate", "RATE", "the part of its answers that are errors (500), as 80% (default 0%)",
	 set_error_rate},
	{NULL, NULL, NULL, NULL},
};

/* --- settings --- */

static int settings_read(const cJSON *json, uint64_t *delay_ms, unsigned int *errors_ppm,
			 struct error *err)
{
	static const char *const keys[] = {"delay", "error-rate", NULL};
	const char *rate = NULL;
	int r = json_check_keys(json, "settings", keys, err);

	if (r == 0)
		r = json_duration(json, "settings", "delay", 0, DELAY_MAX_MS, delay_ms, err);
	if (r == 0)
		r = json_string(json, "settings", "error-rate", &rate, err);
	if (r == 0 && rate) {
		r = parse_rate(rate, errors_ppm, err);
		if (r < 0)
			error_field(err, r, "error-rate");
	}
	return r;
}

int behaviour_apply(struct behaviour *behaviour, const char *body, size_t length, struct error *err)
{
	uint64_t delay_ms = atomic_load(&behaviour->delay_ms);
	unsigned int errors_ppm = atomic_load(&behaviour->errors_ppm);
	cJSON *json;
	int r = json_parse(body, length, &json, err);

	if (r < 0)
		return r;
	r = settings_read(json, &delay_ms, &errors_ppm, err);
	cJSON_Delete(json);
	if (r < 0)
		return r;
	atomic_store(&behaviour->delay_ms, (unsigned int)delay_ms);
	atomic_store(&behaviour->errors_ppm, errors_ppm);
	return 0;
}

void behaviour_get_settings(void *context, struct webapp_call *call)
{
	const struct behaviour *behaviour = context;
	const unsigned int ppm = atomic_load(&behaviour->errors_ppm);
	char delay[DURATION_TEXT_MAX], rate[16];
	cJSON *json = cJSON_CreateObject();

	snprintf(rate, sizeof(rate), "%g%%", ppm / 1e4);
	cJSON_AddStringToObject(json, "delay",
				format_duration(atomic_load(&behaviour->delay_ms), delay));
	cJSON_AddStringToObject(json, "error-rate", rate);
	webapp_answer_json(call, MHD_HTTP_OK, json);
}

void behaviour_put_settings(void *context, struct webapp_call *call)
{
	struct error err;

	if (!webapp_from_this_host(call)) {
		error_set(&err, EACCES, "settings are changed from this host only");
		error_hint(&err, 0, "ask 127.0.0.1 or [::1] there");
		webapp_answer_error(call, MHD_HTTP_FORBIDDEN, &err);
	} else if (behaviour_apply(context, call->body, call->body_length, &err) < 0) {
		webapp_answer_error(call, MHD_HTTP_BAD_REQUEST, &err);
	} else {
		behaviour_get_settings(context, call);
	}
}

/* --- requests --- */

bool behaviour_strikes(const struct behaviour *behaviour, struct webapp_call *call)
{
	const unsigned int errors_ppm = atomic_load(&behaviour->errors_ppm);
	struct error err;

	call->delay_ms = atomic_load(&behaviour->delay_ms);
	if (errors_ppm == 0 || arc4random_uniform(MILLION) >= errors_ppm)
		return false;
	error_set(&err, EIO, "%s fails, as it was told to", call->name);
	error_hint(&err, 0, "--error-rate, PUT /settings");
	webapp_answer_error(call, MHD_HTTP_INTERNAL_SERVER_ERROR, &err);
	return true;
}
