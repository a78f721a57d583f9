/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_CHANGE_H
#define SLUICE_CTL_CHANGE_H

/* Requests that change something: how far they may go, and what they would do. */
#include "command.h"

/*
 * client_call() with what any change may be asked with: --max-disruption, and for `lbctl plan`
 * that nothing be changed. The answer becomes invocation's document. 0: it is done. 1: it was only
 * planned, and the plan is printed. Negative: as client_call().
 */
int change_call(struct invocation *invocation, const struct request *request, struct error *err);

/* Adds key and value, which must outlive it, to what is asked behind the path. */
void change_ask(struct request *request, const char *key, const char *value);

/* The document of --file; - is standard input. */
int change_read_file(const char *path, cJSON **ret_json, struct error *err);

/* Prints an answer's "changes", a line each; says so if there are none. */
void change_print(const cJSON *answer);

/* Prints what a plan says besides its changes: slots, flows, shares. */
int change_print_plan(const cJSON *plan, struct error *err);

#endif
