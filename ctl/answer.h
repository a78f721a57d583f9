/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_ANSWER_H
#define SLUICE_CTL_ANSWER_H

/*
 * The shapes of docs/api.md. An answer is checked once, as a whole; after that the readers below
 * cannot fail.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>

#include "error.h"

/* -EPROTO with err naming what is missing or of the wrong kind. */
int answer_check_sources(const cJSON *answer, struct error *err);
int answer_check_services(const cJSON *answer, struct error *err); /* {"services": [...]} */
int answer_check_service(const cJSON *service, struct error *err);
int answer_check_backend(const cJSON *backend, struct error *err);
int answer_check_backends(const cJSON *answer, struct error *err); /* {"backends": [...]} */
int answer_check_status(const cJSON *status, struct error *err);
int answer_check_doctor(const cJSON *doctor, struct error *err);
int answer_check_explanation(const cJSON *explanation, struct error *err);
int answer_check_drops(const cJSON *answer, struct error *err); /* {"drops": [...]} */
int answer_check_event(const cJSON *event, struct error *err);
int answer_check_events(const cJSON *answer, struct error *err);      /* {"events": [...]} */
int answer_check_flows(const cJSON *answer, struct error *err);       /* {"flows": [...]} */
int answer_check_flow_counts(const cJSON *answer, struct error *err); /* {"services": [...]} */
int answer_check_config(const cJSON *config, struct error *err);
int answer_check_applied(const cJSON *applied, struct error *err);
int answer_check_step(const cJSON *step, struct error *err); /* of a change in steps */
int answer_check_plan(const cJSON *plan, struct error *err);
int answer_check_scale(const cJSON *answer, struct error *err);
int answer_check_rollout(const cJSON *answer, struct error *err);
int answer_check_rollout_ended(const cJSON *answer, struct error *err);
int answer_check_announce(const cJSON *answer, struct error *err);
int answer_check_summaries(const cJSON *answer, struct error *err); /* {"services": [...]} */
int answer_check_version(const cJSON *status, struct error *err);   /* only its version */

const cJSON *answer_item(const cJSON *object, const char *key);
const char *answer_text(const cJSON *object, const char *key);
double answer_number(const cJSON *object, const char *key);
bool answer_true(const cJSON *object, const char *key);

#endif
