/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CHANGE_EVENTS_H
#define SLUICE_CHANGE_EVENTS_H

/* What differs between two desired states, told as events. */
#include "desired.h"
#include "events.h"

/* A change of more than this is told as one event with counts. */
#define CHANGE_EVENTS_MAX 16

/* Tells what became of former in next. A backend's state is not told: its status will be. Nothing
 * is told when out of memory. */
void change_events(struct events *events, const struct desired *former, const struct desired *next);

#endif
