/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_AUTOSCALE_SCHEDULE_H
#define SLUICE_AUTOSCALE_SCHEDULE_H

/*
 * Other bounds for the number of backends at some hours of the week: "mon-fri 08:00-20:00 4-20" is
 * from 4 to 20 of them. Pure; the hours are the host's local time, which the caller tells.
 */
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define SCHEDULE_TEXT_MAX 64
#define MINUTES_OF_DAY    1440

struct scale_hours {
	uint8_t days;      /* bit 0 is Monday */
	uint16_t from, to; /* minutes of the day, from < to <= MINUTES_OF_DAY */
	uint16_t min, max; /* of backends, 1 <= min <= max */
};

/* "DAYS HH:MM-HH:MM MIN-MAX", DAYS as in mon-fri, sat,sun or daily. -EINVAL. */
int scale_hours_parse(const char *text, struct scale_hours *ret_hours, struct error *err);

/* The same the other way. Returns its buffer. */
const char *scale_hours_format(const struct scale_hours *hours, char buffer[SCHEDULE_TEXT_MAX]);

/* minute: of the week, 0 is Monday at 00:00. */
bool scale_hours_hold(const struct scale_hours *hours, uint16_t minute);

#endif
