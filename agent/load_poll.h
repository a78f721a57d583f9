/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LOAD_POLL_H
#define SLUICE_LOAD_POLL_H

/*
 * Asks one backend's host for its load: GET /load of `lbnode report`, over a connection that is
 * kept.
 */
#include "curl_loop.h"
#include "error.h"
#include "parse.h"

#define LOAD_PROBLEM_MAX 96
#define LOAD_TIMEOUT_MS  2000L

struct load_poll;

/* load is below 0 if it was not told; then problem says why. */
typedef void (*load_poll_callback)(void *context, double load, const char *problem);

/* NULL: out of memory. curl must outlive it. */
struct load_poll *load_poll_new(struct curl_loop *curl, const struct endpoint *endpoint,
				load_poll_callback callback, void *context);

/* Without a callback. NULL-safe. */
void load_poll_free(struct load_poll *poll);

/* Calls back once, later; one that is under way goes on. False: out of memory, and it will not. */
bool load_poll_ask(struct load_poll *poll);

/* What a report says: *ret_load; -EINVAL: it does not, and err says why. */
int load_poll_read(const char *text, size_t length, double *ret_load, struct error *err);

#endif
