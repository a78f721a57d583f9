/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_EVENTS_H
#define SLUICE_EVENTS_H

/*
 * Where the agent's rooms tell what happens. An event is logged, kept in the journal, saved in
 * the state directory, and those who follow are told that there is one more.
 */
#include <sys/queue.h>

#include "event.h"
#include "journal.h"

struct events;

/* Takes up the journal that a former agent left in state_dir. Fails only for want of memory: a
 * disk that cannot be read or written costs no more than what is saved there, and that is said. */
int events_new(const char *state_dir, struct events **ret_events, struct error *err);

/* Nobody may follow any more. NULL-safe. */
void events_free(struct events *events);

/*
 * Tells it. Who, reason and generation are filled in where the event has none; its seq and time
 * are given. The log says the kind with blanks for dashes: msg="backend down" service=web ...
 */
void events_tell(struct events *events, const struct event *event);

/*
 * Whose doing it is what is told from now on, and the reason where it has none of its own; until
 * the next call. The texts must live as long. NULL: the agent's, and none.
 */
void events_act(struct events *events, const char *who, const char *reason);

/* The generation that is from now on. */
void events_generation(struct events *events, uint64_t generation);

const struct journal *events_journal(const struct events *events);

/* Who follows. told() is called, once or more, after events have come; it may not tell any. */
struct events_follower {
	void (*told)(struct events_follower *follower);
	LIST_ENTRY(events_follower) link; /* the hub's */
};

void events_follow(struct events *events, struct events_follower *follower);
void events_unfollow(struct events_follower *follower);

#endif
