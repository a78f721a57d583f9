/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_QUANTILE_H
#define SLUICE_CTL_QUANTILE_H

/* Quantiles of the API's histograms (docs/api.md: a backend's handshake). Pure. */
#include <cjson/cJSON.h>

/*
 * How long that part q (0 to 1) of them took at most, in seconds: within a bucket as if spread
 * evenly, as Prometheus' histogram_quantile() has it. Above the last bound it is that bound. NAN:
 * there were none, or it is no histogram.
 */
double quantile(const cJSON *histogram, double q);

#endif
