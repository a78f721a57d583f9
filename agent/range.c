/* SPDX-License-Identifier: Apache-2.0 */
#include "range.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "parse.h"

static const char *format(const struct range *range, uint64_t value, char text[DURATION_TEXT_MAX])
{
	if (range->duration)
		return format_duration(value, text);
	snprintf(text, DURATION_TEXT_MAX, "%" PRIu64, value);
	return text;
}

int ranges_check(const char *service, const struct range *ranges, size_t count, struct error *err)
{
	char text[2][DURATION_TEXT_MAX];

	for (const struct range *range = ranges; range < ranges + count; range++) {
		if (range->value >= range->min && range->value <= range->max)
			continue;
		error_set(err, EINVAL, "service %s: %s: %s is out of range", service, range->field,
			  format(range, range->value, text[0]));
		error_hint(err, -EINVAL, "write %s to %s", format(range, range->min, text[0]),
			   format(range, range->max, text[1]));
		return error_field(err, -EINVAL, range->field);
	}
	return 0;
}
