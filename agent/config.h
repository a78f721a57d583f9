/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

/*
 * Desired state as JSON, in the words of the command line (docs/api.md): request bodies, the
 * configuration file and the state file are all read and written here. Pure.
 * Readers refuse unknown keys and bad values with the key named; outputs stay untouched then.
 */
#include <cjson/cJSON.h>

#include "desired.h"

/* A SPEC. *ret_spec must be empty; it owns its arrays after success. */
int config_read_service(const cJSON *json, struct service_spec *ret_spec, struct error *err);

/* The fields of a SPEC that json names are changed in *spec; all or nothing. `name` and
 * `backends` are refused. */
int config_patch_service(const cJSON *json, struct service_spec *spec, struct error *err);

/* A BACKEND-SPEC of this service. */
int config_read_backend(const cJSON *json, const struct service_spec *service,
			struct backend_spec *ret_backend, struct error *err);

/* What a BACKEND-SPEC has but its address, and deadline. now_ms is of steady_now(). Whether it
 * still fits its service is for service_spec_check() to say. */
int config_patch_backend(const cJSON *json, uint64_t now_ms, struct backend_spec *backend,
			 struct error *err);

/* Every field written out. The caller owns the result; NULL when out of memory. */
cJSON *config_write_service(const struct service_spec *spec);
cJSON *config_write_backend(const struct backend_spec *backend);

/* The state file's document: version, generation, seed, services with their ids. */
cJSON *config_write_state(const struct desired *desired);
/* The inverse. *ret_desired is new and the caller's. */
int config_read_state(const cJSON *json, struct desired **ret_desired, struct error *err);

#endif
