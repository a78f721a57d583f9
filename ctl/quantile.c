/* SPDX-License-Identifier: Apache-2.0 */
#include "quantile.h"

#include <math.h> /* NAN, a macro: no libm */

#include "answer.h"

double quantile(const cJSON *histogram, double q)
{
	double low = 0, below = 0, rank = q * answer_number(histogram, "count"), high, up_to;
	const cJSON *bound, *bucket = NULL;

	if (!cJSON_IsArray(answer_item(histogram, "buckets")) || !(rank > 0))
		return NAN;
	bucket = answer_item(histogram, "buckets")->child;
	cJSON_ArrayForEach (bound, answer_item(histogram, "le")) {
		high = bound->valuedouble;
		up_to = bucket ? bucket->valuedouble : 0;
		if (up_to >= rank)
			return low + (high - low) * (rank - below) / (up_to - below);
		low = high;
		below = up_to;
		bucket = bucket ? bucket->next : NULL;
	}
	return low > 0 ? low : NAN;
}
