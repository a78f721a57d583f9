/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_METRICS_TEXT_H
#define SLUICE_METRICS_TEXT_H

/*
 * The writer of both text formats: Prometheus' own, 0.0.4, and OpenMetrics 1.0. They differ in
 * what a family is called (OpenMetrics leaves _total and _info out), in the unit, which
 * OpenMetrics names, and in the end, which it marks. Into memory that is the caller's, without
 * allocating anything; whole pages are made of as many pieces as need be. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latency.h"

#define METRICS_TEXT_TYPE        "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

#define METRICS_LABELS_MAX 192 /* the labels of a sample, with a NUL */

/* Room that is enough for any one of the calls below, a histogram being the longest. */
#define METRICS_PIECE_MAX 8192

enum metric_type {
	METRIC_COUNTER, /* its name ends in _total */
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
	METRIC_INFO, /* its name ends in _info; it is 1 */
};

struct metrics_text {
	char *at, *end; /* of the room that is left */
	bool openmetrics;
	const char *name; /* of the family under way; its samples are called like it */
};

/* Can another call be made? */
static inline bool metrics_text_has_room(const struct metrics_text *text)
{
	return text->end - text->at >= METRICS_PIECE_MAX;
}

/* Begins a family. name stays the caller's, who keeps it; help is one line without quotes or
 * backslashes. */
void metrics_text_family(struct metrics_text *text, const char *name, enum metric_type type,
			 const char *help);

/* One sample. labels as metrics_labels_add() has made them; more is another label, or "". */
void metrics_text_count(struct metrics_text *text, const char *labels, const char *more,
			uint64_t value);
void metrics_text_measure(struct metrics_text *text, const char *labels, const char *more,
			  double value);
/* In seconds, exactly. */
void metrics_text_seconds(struct metrics_text *text, const char *labels, const char *more,
			  uint64_t ns);
void metrics_text_latency(struct metrics_text *text, const char *labels,
			  const struct latency_view *view);

/* Behind the last family. */
void metrics_text_end(struct metrics_text *text);

/* Adds name="value" to labels, with a comma if they are not empty; what the formats want escaped is
 * escaped. Labels that do not fit are left out. */
void metrics_labels_add(char labels[METRICS_LABELS_MAX], const char *name, const char *value);

#endif
