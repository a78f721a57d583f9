/* SPDX-License-Identifier: Apache-2.0 */
#include "passive.h"

#include <stdlib.h>

/* What is left of a count a window later. Half of it is gone after 1.4 windows: a handshake's
 * second SYN, after 1 s (RFC 6298), still meets the first. */
#define FADE 0.6

/*
 * How far above the typical share a backend must be: three times that, but at least 10 points,
 * for few repeats may be chance, and at most 25, for 100 % is all there is.
 */
#define MARGIN_LEAST 0.10
#define MARGIN_MOST  0.25

/* Where this much is typical, the trouble is not that of single backends. */
#define TYPICAL_MOST 0.20

static uint64_t growth(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

void passive_feed(struct passive *passive, uint64_t new_flows, uint64_t repeats)
{
	if (passive->read) {
		passive->fresh =
			passive->fresh * FADE + (double)growth(new_flows, passive->new_flows);
		passive->repeated =
			passive->repeated * FADE + (double)growth(repeats, passive->repeats);
	}
	passive->new_flows = new_flows;
	passive->repeats = repeats;
	passive->read = true;
}

void passive_forget(struct passive *passive)
{
	*passive = (struct passive){0};
}

double passive_share(const struct passive *passive)
{
	double syns = passive->fresh + passive->repeated;

	return syns >= PASSIVE_SYNS ? passive->repeated / syns : -1;
}

/* The worst first. */
static int compare(const void *left, const void *right)
{
	double a = passive_share(*(struct passive *const *)left);
	double b = passive_share(*(struct passive *const *)right);

	return (a < b) - (a > b);
}

/* The median of those that can be told; the better one of two in the middle. */
static double typical_share(struct passive *const *sorted, size_t count)
{
	size_t known = 0;

	while (known < count && passive_share(sorted[known]) >= 0)
		known++;
	return known ? passive_share(sorted[known / 2]) : 0;
}

static double margin(double typical)
{
	double margin = 2 * typical;

	if (margin < MARGIN_LEAST)
		return MARGIN_LEAST;
	return margin > MARGIN_MOST ? MARGIN_MOST : margin;
}

/* Between bad and good lies half the margin, where the verdict stays what it was. */
static void judge(struct passive *passive, double typical)
{
	double above = passive_share(passive) - typical;
	bool blame = typical <= TYPICAL_MOST && passive->repeated >= PASSIVE_REPEATS;
	bool bad = blame && above >= margin(typical);
	bool good = !blame || above < margin(typical) / 2;

	passive->bad = bad ? (uint8_t)(passive->bad + (passive->bad < UINT8_MAX)) : 0;
	passive->good = good ? (uint8_t)(passive->good + (passive->good < UINT8_MAX)) : 0;
	if (passive->good >= PASSIVE_CLEAR_WINDOWS)
		passive->verdict = PASSIVE_NORMAL;
	if (passive->bad >= PASSIVE_SUSPECT_WINDOWS && passive->verdict == PASSIVE_NORMAL)
		passive->verdict = PASSIVE_SUSPECT;
	if (passive->bad >= PASSIVE_OUTLIER_WINDOWS)
		passive->verdict = PASSIVE_OUTLIER;
}

double passive_judge(struct passive **backends, size_t count)
{
	double typical;
	size_t i;

	if (count == 0)
		return 0;
	qsort(backends, count, sizeof(struct passive *), compare);
	typical = typical_share(backends, count);
	for (i = 0; i < count; i++)
		judge(backends[i], typical);
	return typical;
}
