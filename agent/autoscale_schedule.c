/* SPDX-License-Identifier: Apache-2.0 */
#include "autoscale_schedule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

#define DAYS     7
#define ALL_DAYS ((1u << DAYS) - 1)

static const char *const day_names[DAYS] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

static int refuse(const char *text, const char *reason, struct error *err)
{
	error_set(err, EINVAL, "\"%.60s\": %s", text, reason);
	return error_hint(err, -EINVAL, "write it like \"mon-fri 08:00-20:00 4-20\"");
}

/* Cuts text at the first mark. What is behind it, or NULL if there is none. */
static char *cut(char *text, char mark)
{
	char *at = strchr(text, mark);

	if (!at)
		return NULL;
	*at = '\0';
	return at + 1;
}

static int read_day(const char *name)
{
	for (int day = 0; day < DAYS; day++) {
		if (strcmp(day_names[day], name) == 0)
			return day;
	}
	return -1;
}

/* "mon-fri", "sun". Weeks go round: sat-mon is three days. */
static bool read_days_part(char *part, uint8_t *days)
{
	char *last = cut(part, '-');
	int from = read_day(part), to = last ? read_day(last) : from;

	if (from < 0 || to < 0)
		return false;
	for (int day = from;; day = (day + 1) % DAYS) {
		*days |= (uint8_t)(1u << day);
		if (day == to)
			return true;
	}
}

static bool read_days(char *text, uint8_t *ret_days)
{
	char *rest;

	*ret_days = 0;
	if (strcmp(text, "daily") == 0) {
		*ret_days = ALL_DAYS;
		return true;
	}
	for (char *part = strtok_r(text, ",", &rest); part; part = strtok_r(NULL, ",", &rest)) {
		if (!read_days_part(part, ret_days))
			return false;
	}
	return *ret_days;
}

static bool read_pair(char *text, char mark, uint64_t most, uint64_t *ret_first,
		      uint64_t *ret_second)
{
	struct error unused;
	char *second = cut(text, mark);

	return second && parse_number(text, 0, most, ret_first, &unused) == 0 &&
	       parse_number(second, 0, most, ret_second, &unused) == 0;
}

static bool read_clock(char *text, uint16_t *ret_minute)
{
	uint64_t hour, minute;

	if (!read_pair(text, ':', 59, &hour, &minute) || hour * 60 + minute > MINUTES_OF_DAY)
		return false;
	*ret_minute = (uint16_t)(hour * 60 + minute);
	return true;
}

int scale_hours_parse(const char *text, struct scale_hours *ret_hours, struct error *err)
{
	char copy[SCHEDULE_TEXT_MAX], *clock, *bounds, *end;
	struct scale_hours hours;
	uint64_t min, max;

	if (strlen(text) >= sizeof(copy))
		return refuse(text, "too long", err);
	memcpy(copy, text, strlen(text) + 1);
	clock = cut(copy, ' ');
	bounds = clock ? cut(clock, ' ') : NULL;
	end = clock ? cut(clock, '-') : NULL;
	if (!bounds || !end)
		return refuse(text, "not days, hours and bounds", err);
	if (!read_days(copy, &hours.days))
		return refuse(text, "the days are none: mon to sun, or daily", err);
	if (!read_clock(clock, &hours.from) || !read_clock(end, &hours.to) ||
	    hours.from >= hours.to)
		return refuse(text, "the hours do not end later on the same day", err);
	if (!read_pair(bounds, '-', UINT16_MAX, &min, &max) || min < 1 || min > max)
		return refuse(text, "the bounds are not from 1 up, the lower first", err);
	hours.min = (uint16_t)min;
	hours.max = (uint16_t)max;
	*ret_hours = hours;
	return 0;
}

const char *scale_hours_format(const struct scale_hours *hours, char buffer[SCHEDULE_TEXT_MAX])
{
	char days[DAYS * 4 + 1] = "";

	for (int day = 0; day < DAYS && hours->days != ALL_DAYS; day++) {
		size_t used = strlen(days);

		if (hours->days & 1u << day)
			snprintf(days + used, sizeof(days) - used, "%s%s", used ? "," : "",
				 day_names[day]);
	}
	snprintf(buffer, SCHEDULE_TEXT_MAX, "%s %02u:%02u-%02u:%02u %u-%u", *days ? days : "daily",
		 hours->from / 60u, hours->from % 60u, hours->to / 60u, hours->to % 60u, hours->min,
		 hours->max);
	return buffer;
}

bool scale_hours_hold(const struct scale_hours *hours, uint16_t minute)
{
	uint16_t day = minute / MINUTES_OF_DAY, of_day = minute % MINUTES_OF_DAY;

	return hours->days & 1u << day && of_day >= hours->from && of_day < hours->to;
}
