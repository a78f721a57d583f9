/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_AUTOSCALE_PREDICT_H
#define SLUICE_AUTOSCALE_PREDICT_H

/*
 * What a metric will be, by level, trend and season: additive Holt-Winters exponential smoothing
 * (C. C. Holt 1957; P. R. Winters, "Forecasting sales by exponentially weighted moving averages",
 * Management Science 6, 1960; R. J. Hyndman and G. Athanasopoulos, "Forecasting: principles and
 * practice", 3rd ed., 8.2 and 8.3). Without a season, or before the first one is over, it is Holt's
 * method with level and trend. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORECAST_SLOTS_MAX 288 /* of a season: 5 minutes each where that is a day */

/* All zero but the first two in the beginning. Samples are put into slots of time; a slot's mean is
 * one observation. */
struct forecast {
	uint64_t slot_ms; /* see forecast_begin() */
	size_t season;    /* slots; 0: none */
	uint64_t slot;    /* the one that is being filled: time / slot_ms */
	double sum;       /* of its samples */
	unsigned int count;
	uint64_t observed;                /* slots that are over, since the first sample */
	double level, trend;              /* trend by slot */
	double index[FORECAST_SLOTS_MAX]; /* the season's, by slot modulo season; in the first
					   * season the observations themselves */
};

/* interval_ms: from one sample to the next; season_ms 0: none. */
void forecast_begin(struct forecast *forecast, uint64_t interval_ms, uint64_t season_ms);

/* A sample, in order of time. One that is missing is not fed: the slot goes by its others, or by
 * what was foretold of it. */
void forecast_feed(struct forecast *forecast, uint64_t time_ms, double value);

/* Of time_ms, which is not past. False: fewer than three slots have been seen. */
bool forecast_at(const struct forecast *forecast, uint64_t time_ms, double *ret_value);

#endif
