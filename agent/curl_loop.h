/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CURL_LOOP_H
#define SLUICE_CURL_LOOP_H

/*
 * libcurl's transfers on a libuv loop: one CURLM, driven by its socket action interface, so that
 * any number of transfers runs without blocking. Names are looked up by libcurl's own threads,
 * which nobody waits for.
 */
#include <curl/curl.h>
#include <uv.h>

struct curl_loop;

/* The transfer ended; easy has left the loop and is the caller's again: it may be read, freed or
 * added anew. Never called from within curl_loop_add or curl_loop_remove. */
typedef void (*curl_loop_callback)(void *context, CURL *easy, CURLcode result);

/* NULL: out of memory, or libcurl refuses to start. */
struct curl_loop *curl_loop_new(uv_loop_t *loop);

/* All transfers must have ended or been removed, and no callback may be running. libuv's loop
 * must run once more afterwards to close handles. NULL-safe. */
void curl_loop_free(struct curl_loop *curl);

/* Starts a transfer. easy stays the caller's, but must live, unchanged, until callback or
 * curl_loop_remove(); CURLOPT_PRIVATE is used here. Bound it with CURLOPT_TIMEOUT_MS or remove it
 * in time. Returns 0 or -ENOMEM. */
int curl_loop_add(struct curl_loop *curl, CURL *easy, curl_loop_callback callback, void *context);

/* Ends a transfer that has not called back, without a callback. Not from within a callback that
 * libcurl itself makes (CURLOPT_WRITEFUNCTION and the like). */
void curl_loop_remove(struct curl_loop *curl, CURL *easy);

#endif
