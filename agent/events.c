/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "journal_file.h"

#define EVENTS_MAX  10000
#define BYTES_MAX   (4u << 20)
#define FILE_MAX    (2 << 20) /* twice that, with the former one */
#define MESSAGE_MAX 32

static const char own_name[] = "lbagent";

struct events {
	struct journal *journal;
	struct journal_file *file; /* NULL: nothing is saved */
	struct error trouble;      /* with the file; message empty: none */
	const char *who, *reason;
	uint64_t generation;
	LIST_HEAD(events_followers, events_follower) followers;
};

/* --- life --- */

/* Said once, until it is another one or over. */
static void note_trouble(struct events *events, int ret, const struct error *err)
{
	bool had = events->trouble.message[0];

	if (ret == 0) {
		events->trouble.message[0] = '\0';
		if (had)
			log_info("events are saved again");
		return;
	}
	if (had && strcmp(events->trouble.message, err->message) == 0)
		return;
	events->trouble = *err;
	log_warn("events are not saved", "error", err->message, "consequence",
		 "the latest are kept in memory and written when that is possible", "hint",
		 "see to space and rights in the state directory");
}

int events_new(const char *state_dir, struct events **ret_events, struct error *err)
{
	struct events *events = calloc(1, sizeof(*events));
	struct error trouble;
	int ret;

	if (!events)
		return error_set(err, ENOMEM, "out of memory");
	events->journal = journal_new(EVENTS_MAX, BYTES_MAX);
	if (!events->journal) {
		events_free(events);
		return error_set(err, ENOMEM, "out of memory");
	}
	LIST_INIT(&events->followers);
	events_act(events, NULL, NULL);
	ret = journal_file_open(state_dir, FILE_MAX, events->journal, &events->file, &trouble);
	note_trouble(events, ret, &trouble);
	*ret_events = events;
	return 0;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	journal_file_close(events->file);
	journal_free(events->journal);
	free(events);
}

/* --- telling --- */

void events_act(struct events *events, const char *who, const char *reason)
{
	events->who = who ?: own_name;
	events->reason = reason ?: "";
}

void events_generation(struct events *events, uint64_t generation)
{
	events->generation = generation;
}

/* Whose doing it was is said if it was not the agent's. */
static void log_it(const struct event *event)
{
	bool own = strcmp(event->who, own_name) == 0;
	char message[MESSAGE_MAX];
	const char *pairs[] = {
#define X(text) #text, event->text,
		EVENT_TEXTS(X)
#undef X
			NULL};
	size_t i;

	for (i = 0; i + 1 < MESSAGE_MAX && event_kind_name(event->kind)[i]; i++)
		message[i] = event_kind_name(event->kind)[i] == '-'
				     ? ' '
				     : event_kind_name(event->kind)[i];
	message[i] = '\0';
	/* who comes first, see EVENT_TEXTS */
	log_pairs(event_kind_level(event->kind), message, own ? pairs + 2 : pairs);
}

void events_tell(struct events *events, const struct event *event)
{
	const struct event *kept;
	struct events_follower *follower;
	struct event full = *event;
	struct error err;

	full.time_ms = clock_ms(CLOCK_REALTIME);
	full.generation = full.generation ?: events->generation;
	full.who = full.who ?: events->who;
	if (!full.reason || !full.reason[0])
		full.reason = events->reason;
	kept = journal_add(events->journal, &full);
	if (!kept)
		return;
	log_it(kept);
	if (events->file)
		note_trouble(events, journal_file_save(events->file, events->journal, &err), &err);
	LIST_FOREACH(follower, &events->followers, link)
	follower->told(follower);
}

const struct journal *events_journal(const struct events *events)
{
	return events->journal;
}

void events_follow(struct events *events, struct events_follower *follower)
{
	LIST_INSERT_HEAD(&events->followers, follower, link);
}

void events_unfollow(struct events_follower *follower)
{
	LIST_REMOVE(follower, link);
}
