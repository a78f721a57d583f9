/* SPDX-License-Identifier: Apache-2.0 */
#include "autoscale_predict.h"

#define OBSERVED_LEAST 3

/* How much a new observation counts for level, trend and season. */
#define ALPHA 0.4
#define BETA  0.1
#define GAMMA 0.3

/* Slots without a sample beyond this are not gone through one by one: it begins anew. */
#define GAP_MAX ((uint64_t)2 * FORECAST_SLOTS_MAX)

void forecast_begin(struct forecast *forecast, uint64_t interval_ms, uint64_t season_ms)
{
	uint64_t slot_ms = interval_ms;

	if (season_ms / FORECAST_SLOTS_MAX > slot_ms)
		slot_ms = season_ms / FORECAST_SLOTS_MAX;
	*forecast = (struct forecast){.slot_ms = slot_ms, .season = season_ms / slot_ms};
}

static bool seasonal(const struct forecast *forecast)
{
	return forecast->season && forecast->observed >= forecast->season;
}

static double index_of(const struct forecast *forecast, uint64_t slot)
{
	return seasonal(forecast) ? forecast->index[slot % forecast->season] : 0;
}

/* The first season is over: what stands there becomes the distance from its mean. */
static void begin_season(struct forecast *forecast)
{
	double mean = 0;

	for (size_t i = 0; i < forecast->season; i++)
		mean += forecast->index[i] / (double)forecast->season;
	for (size_t i = 0; i < forecast->season; i++)
		forecast->index[i] -= mean;
	forecast->level = mean;
	forecast->trend = 0;
}

static void observe(struct forecast *forecast, double value)
{
	double former = forecast->level, *index = NULL;
	bool learned = seasonal(forecast);

	if (forecast->season)
		index = &forecast->index[forecast->slot % forecast->season];
	if (forecast->observed == 0) {
		forecast->level = value;
	} else {
		forecast->level = ALPHA * (value - (learned ? *index : 0)) +
				  (1 - ALPHA) * (former + forecast->trend);
		forecast->trend = BETA * (forecast->level - former) + (1 - BETA) * forecast->trend;
	}
	if (learned)
		*index = GAMMA * (value - forecast->level) + (1 - GAMMA) * *index;
	else if (index)
		*index = value;
	forecast->observed++;
	if (!learned && seasonal(forecast))
		begin_season(forecast);
}

/* The slot that was filled is over; one without a sample is taken to be as was foretold. */
static void end_slot(struct forecast *forecast)
{
	double foretold = forecast->level + forecast->trend + index_of(forecast, forecast->slot);

	observe(forecast, forecast->count ? forecast->sum / forecast->count : foretold);
	forecast->slot++;
	forecast->sum = 0;
	forecast->count = 0;
}

void forecast_feed(struct forecast *forecast, uint64_t time_ms, double value)
{
	uint64_t slot = time_ms / forecast->slot_ms;

	if (forecast->observed + forecast->count == 0 || slot > forecast->slot + GAP_MAX)
		*forecast = (struct forecast){
			.slot_ms = forecast->slot_ms, .season = forecast->season, .slot = slot};
	while (forecast->slot < slot)
		end_slot(forecast);
	forecast->sum += value;
	forecast->count++;
}

bool forecast_at(const struct forecast *forecast, uint64_t time_ms, double *ret_value)
{
	uint64_t slot = time_ms / forecast->slot_ms;
	double ahead = slot + 1 > forecast->slot ? (double)(slot + 1 - forecast->slot) : 0;

	if (forecast->observed < OBSERVED_LEAST)
		return false;
	*ret_value = forecast->level + ahead * forecast->trend + index_of(forecast, slot);
	return true;
}
