/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_JSON_H
#define SLUICE_JSON_H

/*
 * Readers over cJSON for bodies that people write: each names the key and its place when it
 * refuses. `where` is the object's place in words ("service web", "config") and begins messages.
 * A reader leaves its output untouched where the key is absent (and returns 0) or refused
 * (negative errno, err filled with message, field and hint).
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Parses text of length bytes as one JSON value with nothing behind it; names line and column of
 * an error (-EINVAL); -ENOMEM. Depth and size are bounded by cJSON's limits and the caller. The
 * caller owns *ret_json (cJSON_Delete). */
int json_parse(const char *text, size_t length, cJSON **ret_json, struct error *err);

/* Refuses json unless it is an object all of whose keys are in keys (NULL-ended), none twice. */
int json_check_keys(const cJSON *json, const char *where, const char *const *keys,
		    struct error *err);

/* A string; *ret_text points into json. */
int json_string(const cJSON *json, const char *where, const char *key, const char **ret_text,
		struct error *err);

/* A whole number, min to max. */
int json_number(const cJSON *json, const char *where, const char *key, uint64_t min, uint64_t max,
		uint64_t *ret_value, struct error *err);

/* A duration string, in milliseconds. */
int json_duration(const cJSON *json, const char *where, const char *key, uint64_t min_ms,
		  uint64_t max_ms, uint64_t *ret_ms, struct error *err);

/* An array; *ret_array points into json. */
int json_array(const cJSON *json, const char *where, const char *key, const cJSON **ret_array,
	       struct error *err);

/* --- writing: who is out of memory in between has no document --- */

/* Takes item over; NULL: there was no memory for it. False: out of memory, and item is freed. */
bool json_add_item(cJSON *array, cJSON *item);

/* json, if it is whole; else NULL, and json is freed. */
cJSON *json_whole(cJSON *json, bool whole);

#endif
