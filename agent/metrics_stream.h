/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_METRICS_STREAM_H
#define SLUICE_METRICS_STREAM_H

/* The page of metrics as an answer: the figures are those of the moment when it was asked for, and
 * written as the client takes them, so that a long page keeps nobody waiting. */
#include "figures.h"
#include "http_stream.h"

/* More at a time are refused: each holds its figures until its client has taken them. */
#define METRICS_READERS_MAX 8

/*
 * *readers counts those under way, and must outlive the stream. -EBUSY: there are
 * METRICS_READERS_MAX already; -ENOMEM.
 */
int metrics_stream_open(const struct figures_input *input, bool openmetrics, unsigned int *readers,
			struct http_stream **ret_stream, struct error *err);

#endif
