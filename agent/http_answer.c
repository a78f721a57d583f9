/* SPDX-License-Identifier: Apache-2.0 */
#include "http_answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int http_answer_init(struct http_answer *answer, const struct check_run *check)
{
	*answer = (struct http_answer){.check = check};
	if (!check->body)
		return 0;
	answer->body = malloc(HTTP_RECEIVE_MAX + 1);
	if (!answer->body)
		return -ENOMEM;
	answer->body[0] = '\0';
	return 0;
}

void http_answer_clear(struct http_answer *answer)
{
	free(answer->body);
}

bool http_answer_take(struct http_answer *answer, const char *data, size_t length)
{
	size_t room = HTTP_RECEIVE_MAX - answer->body_bytes;
	size_t taken = length < room ? length : room;

	if (answer->body) {
		memcpy(answer->body + answer->body_bytes, data, taken);
		answer->body[answer->body_bytes + taken] = '\0';
	}
	answer->body_bytes += taken;
	return length <= room;
}

bool http_answer_is_enough(const struct http_answer *answer)
{
	return answer->body_bytes == HTTP_RECEIVE_MAX;
}

static bool judge_status(const struct check_spec *spec, long status, char reason[PROBE_REASON_MAX])
{
	if (status >= spec->status_min && status <= spec->status_max)
		return true;
	if (spec->status_min == spec->status_max)
		snprintf(reason, PROBE_REASON_MAX, "HTTP status %ld, wanted %u", status,
			 spec->status_min);
	else
		snprintf(reason, PROBE_REASON_MAX, "HTTP status %ld, wanted %u-%u", status,
			 spec->status_min, spec->status_max);
	return false;
}

static bool judge_body(const struct http_answer *answer, char reason[PROBE_REASON_MAX])
{
	const struct check_run *check = answer->check;
	regmatch_t all = {.rm_so = 0, .rm_eo = (regoff_t)answer->body_bytes};

	/* The ends are given, for there may be zero bytes in it. */
	if (!check->body || regexec(check->body, answer->body, 0, &all, REG_STARTEND) == 0)
		return true;
	snprintf(reason, PROBE_REASON_MAX, "HTTP body does not match %.96s", check->spec.body);
	return false;
}

bool http_answer_judge(const struct http_answer *answer, long status, char reason[PROBE_REASON_MAX])
{
	return judge_status(&answer->check->spec, status, reason) && judge_body(answer, reason);
}
