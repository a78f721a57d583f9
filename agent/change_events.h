/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CHANGE_EVENTS_H
#define SLUICE_CHANGE_EVENTS_H

/* What differs between two desired states (diff.h), told as events. */
#include <cjson/cJSON.h>

#include "events.h"

/* A change of more than this is told as one event with counts. */
#define CHANGE_EVENTS_MAX 16

/* Tells what diff_write() has found; of NULL, nothing. A backend's state is not told: its status
 * will be. */
void change_events(struct events *events, const cJSON *changes);

#endif
