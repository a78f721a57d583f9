/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics_text.h"

#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 20 /* of a 64-bit number */
#define NANO       1000000000ULL

static void put(struct metrics_text *text, const char *bytes, size_t length)
{
	size_t room = (size_t)(text->end - text->at);

	if (length > room)
		length = room;
	memcpy(text->at, bytes, length);
	text->at += length;
}

static void put_text(struct metrics_text *text, const char *word)
{
	put(text, word, strlen(word));
}

/* printf is too slow for a hundred thousand of them. */
static void put_number(struct metrics_text *text, uint64_t value)
{
	char digits[DIGITS_MAX];
	size_t first = DIGITS_MAX;

	do {
		digits[--first] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(text, &digits[first], DIGITS_MAX - first);
}

/* Without zeros behind the last digit. */
static void put_seconds(struct metrics_text *text, uint64_t ns)
{
	uint64_t fraction = ns % NANO, unit = NANO / 10;

	put_number(text, ns / NANO);
	if (fraction)
		put(text, ".", 1);
	for (; fraction; unit /= 10) {
		put(text, &"0123456789"[fraction / unit], 1);
		fraction %= unit;
	}
}

/* --- families --- */

static bool ends_in(const char *name, size_t length, const char *suffix)
{
	size_t suffix_length = strlen(suffix);

	return length > suffix_length &&
	       memcmp(name + length - suffix_length, suffix, suffix_length) == 0;
}

/* A family's unit is the last word of its name, if that is one; "" if not. */
static const char *unit_of(const char *name, size_t length)
{
	static const char *const units[] = {"_seconds", "_bytes", "_ratio"};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (ends_in(name, length, units[i]))
			return units[i] + 1;
	}
	return "";
}

static void put_meta(struct metrics_text *text, const char *keyword, const char *name,
		     size_t length, const char *value)
{
	put_text(text, "# ");
	put_text(text, keyword);
	put(text, " ", 1);
	put(text, name, length);
	put(text, " ", 1);
	put_text(text, value);
	put(text, "\n", 1);
}

void metrics_text_family(struct metrics_text *text, const char *name, enum metric_type type,
			 const char *help)
{
	static const char *const types[] = {"counter", "gauge", "histogram", "info"};
	static const char *const suffixes[] = {"_total", "", "", "_info"};
	size_t length = strlen(name);
	const char *unit;

	text->name = name;
	if (text->openmetrics && ends_in(name, length, suffixes[type]))
		length -= strlen(suffixes[type]);
	else if (type == METRIC_INFO)
		type = METRIC_GAUGE; /* the older format has no other word for it */
	unit = unit_of(name, length);
	put_meta(text, "HELP", name, length, help);
	put_meta(text, "TYPE", name, length, types[type]);
	if (text->openmetrics && unit[0])
		put_meta(text, "UNIT", name, length, unit);
}

void metrics_text_end(struct metrics_text *text)
{
	if (text->openmetrics)
		put_text(text, "# EOF\n");
}

/* --- samples --- */

/* All that stands before the value. */
static void put_sample(struct metrics_text *text, const char *suffix, const char *labels,
		       const char *more)
{
	put_text(text, text->name);
	put_text(text, suffix);
	if (labels[0] || more[0]) {
		put(text, "{", 1);
		put_text(text, labels);
		if (labels[0] && more[0])
			put(text, ",", 1);
		put_text(text, more);
		put(text, "}", 1);
	}
	put(text, " ", 1);
}

void metrics_text_count(struct metrics_text *text, const char *labels, const char *more,
			uint64_t value)
{
	put_sample(text, "", labels, more);
	put_number(text, value);
	put(text, "\n", 1);
}

void metrics_text_measure(struct metrics_text *text, const char *labels, const char *more,
			  double value)
{
	char number[32];

	put_sample(text, "", labels, more);
	if (value >= 0 && value < 1e15 && value == (double)(uint64_t)value) {
		put_number(text, (uint64_t)value);
	} else {
		snprintf(number, sizeof(number), "%.15g", value);
		put_text(text, number);
	}
	put(text, "\n", 1);
}

void metrics_text_seconds(struct metrics_text *text, const char *labels, const char *more,
			  uint64_t ns)
{
	put_sample(text, "", labels, more);
	put_seconds(text, ns);
	put(text, "\n", 1);
}

static void put_bucket(struct metrics_text *text, const char *labels, const char *bound,
		       uint64_t count)
{
	put_text(text, text->name);
	put_text(text, "_bucket{");
	put_text(text, labels);
	put_text(text, labels[0] ? ",le=\"" : "le=\"");
	put_text(text, bound);
	put_text(text, "\"} ");
	put_number(text, count);
	put(text, "\n", 1);
}

void metrics_text_latency(struct metrics_text *text, const char *labels,
			  const struct latency_view *view)
{
	for (unsigned int i = 0; i < LB_LATENCY_BUCKETS; i++)
		put_bucket(text, labels, latency_bound_names[i], view->up_to[i]);
	put_sample(text, "_sum", labels, "");
	put_seconds(text, view->sum_ns);
	put(text, "\n", 1);
	put_sample(text, "_count", labels, "");
	put_number(text, latency_count(view));
	put(text, "\n", 1);
}

/* --- labels --- */

/* What a character of a value is written as, behind a backslash; 0: as it is. */
static char escaped(char c)
{
	switch (c) {
	case '\n':
		return 'n';
	case '\\':
	case '"':
		return c;
	default:
		return 0;
	}
}

void metrics_labels_add(char labels[METRICS_LABELS_MAX], const char *name, const char *value)
{
	size_t before = strlen(labels), length = strlen(name), at = before;

	if (before + length + sizeof(",=\"\"") > METRICS_LABELS_MAX)
		return;
	if (before)
		labels[at++] = ',';
	memcpy(labels + at, name, length);
	at += length;
	labels[at++] = '=';
	labels[at++] = '"';
	/* a character may take two, and a quote and the NUL come behind the last */
	for (; *value && at + 4 <= METRICS_LABELS_MAX; value++) {
		if (escaped(*value))
			labels[at++] = '\\';
		labels[at++] = escaped(*value) ? escaped(*value) : *value;
	}
	labels[at++] = '"';
	labels[*value ? before : at] = '\0';
}
