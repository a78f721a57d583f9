/* SPDX-License-Identifier: Apache-2.0 */
#include "human.h"

#include <inttypes.h>
#include <math.h> /* isfinite, a macro: no libm */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define UNSHORTENED_MAX 9999
#define SPAN_MAX        1e15 /* seconds; fits an integer */

static bool is_amount(double value)
{
	return isfinite(value) && value >= 0;
}

/* Three digits of value / base^n and the n-th unit. */
static void shorten(double value, double base, const char *const *units, char *buffer)
{
	size_t n = 0;

	/* 999.5 would be printed with four digits. */
	while (value >= 999.5 && units[n + 1] != NULL) {
		value /= base;
		n++;
	}
	snprintf(buffer, HUMAN_MAX, "%.*f%s",
		 value < 9.995   ? 2
		 : value < 99.95 ? 1
				 : 0,
		 value, units[n]);
}

const char *human_count(double count, char buffer[HUMAN_MAX])
{
	static const char *const units[] = {"", "K", "M", "G", "T", "P", "E", NULL};

	if (!is_amount(count))
		snprintf(buffer, HUMAN_MAX, "-");
	else if (count <= UNSHORTENED_MAX)
		snprintf(buffer, HUMAN_MAX, "%.0f", count);
	else
		shorten(count, 1000, units, buffer);
	return buffer;
}

const char *human_decimal(double value, char buffer[HUMAN_MAX])
{
	if (!is_amount(value))
		snprintf(buffer, HUMAN_MAX, "-");
	else
		snprintf(buffer, HUMAN_MAX, "%.*g", value < 1000 ? 3 : 15, value);
	return buffer;
}

const char *human_bytes(double bytes, char buffer[HUMAN_MAX])
{
	static const char *const units[] = {" B",   " KiB", " MiB", " GiB",
					    " TiB", " PiB", " EiB", NULL};

	if (!is_amount(bytes))
		snprintf(buffer, HUMAN_MAX, "-");
	else if (bytes <= UNSHORTENED_MAX)
		snprintf(buffer, HUMAN_MAX, "%.0f B", bytes);
	else
		shorten(bytes, 1024, units, buffer);
	return buffer;
}

const char *human_share(double share, char buffer[HUMAN_MAX])
{
	if (is_amount(share))
		snprintf(buffer, HUMAN_MAX, "%.1f%%", share * 100);
	else
		snprintf(buffer, HUMAN_MAX, "-");
	return buffer;
}

const char *human_latency(double seconds, char buffer[HUMAN_MAX])
{
	static const char *const units[] = {"us", "ms", "s", NULL};

	if (is_amount(seconds))
		shorten(seconds * 1e6, 1000, units, buffer);
	else
		snprintf(buffer, HUMAN_MAX, "-");
	return buffer;
}

const char *human_span(double seconds, char buffer[HUMAN_MAX])
{
	static const struct {
		double seconds;
		char letter;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};

	if (!is_amount(seconds) || seconds > SPAN_MAX) {
		snprintf(buffer, HUMAN_MAX, "-");
		return buffer;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (seconds >= 2 * units[i].seconds) {
			snprintf(buffer, HUMAN_MAX, "%" PRIu64 "%c",
				 (uint64_t)(seconds / units[i].seconds), units[i].letter);
			return buffer;
		}
	}
	snprintf(buffer, HUMAN_MAX, "%" PRIu64 "s", (uint64_t)seconds);
	return buffer;
}

const char *human_since(const char *timestamp, int64_t now, char buffer[HUMAN_MAX])
{
	struct tm utc = {0};
	int64_t then;

	if (strptime(timestamp, "%Y-%m-%dT%H:%M:%S", &utc) == NULL) {
		snprintf(buffer, HUMAN_MAX, "-");
		return buffer;
	}
	then = timegm(&utc);
	/* The agent's clock may be a little ahead of ours. */
	return human_span(then < now ? (double)(now - then) : 0, buffer);
}
