/* SPDX-License-Identifier: Apache-2.0 */
#include "event_streams.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char heartbeat[] = ":\n\n";

struct follower {
	struct http_stream stream; /* its first member */
	struct events_follower link;
	struct event_streams *streams;
	struct event_filter filter;
	char service[64]; /* of filter */
	uint64_t seq;     /* the last event that was sent or passed over */
	bool beat;        /* a heartbeat is due */
	char *text;       /* malloc'ed: what is being sent */
	size_t length, sent;
	LIST_ENTRY(follower) entry;
};

struct event_streams {
	struct events *events;
	uv_timer_t timer;
	size_t count;
	LIST_HEAD(followers, follower) followers;
};

/* --- life --- */

struct event_streams *event_streams_new(uv_loop_t *loop, struct events *events)
{
	struct event_streams *streams = calloc(1, sizeof(*streams));

	if (!streams)
		return NULL;
	streams->events = events;
	LIST_INIT(&streams->followers);
	uv_timer_init(loop, &streams->timer);
	streams->timer.data = streams;
	return streams;
}

static void on_timer_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void event_streams_free(struct event_streams *streams)
{
	if (streams)
		uv_close((uv_handle_t *)&streams->timer, on_timer_closed);
}

static void on_heartbeat(uv_timer_t *timer)
{
	struct event_streams *streams = timer->data;
	struct follower *follower;

	LIST_FOREACH(follower, &streams->followers, entry)
	{
		follower->beat = true;
		http_stream_wake(&follower->stream);
	}
}

/* --- one follower --- */

static void set_text(struct follower *follower, char *text)
{
	free(follower->text);
	follower->text = text;
	follower->length = text ? strlen(text) : 0;
	follower->sent = 0;
}

/* The event as the stream has it; NULL: out of memory. */
static char *event_text(const struct event *event)
{
	cJSON *json = event_write(event);
	char *line = json ? cJSON_PrintUnformatted(json) : NULL;
	char *text = NULL;

	if (!line ||
	    asprintf(&text, "id: %llu\ndata: %s\n\n", (unsigned long long)event->seq, line) < 0)
		text = NULL;
	cJSON_free(line);
	cJSON_Delete(json);
	return text;
}

/* Puts the next thing to send into text. 0: there is nothing; below 0: it is over. */
static int next_text(struct follower *follower)
{
	const struct journal *journal = events_journal(follower->streams->events);
	const struct event *event;

	if (follower->seq + 1 < journal_oldest(journal))
		return -EOVERFLOW; /* too slow: what comes next is gone */
	while ((event = journal_after(journal, follower->seq))) {
		follower->seq = event->seq;
		if (!event_matches(event, &follower->filter))
			continue;
		set_text(follower, event_text(event));
		return follower->text ? 1 : -ENOMEM;
	}
	if (!follower->beat)
		return 0;
	follower->beat = false;
	set_text(follower, strdup(heartbeat));
	return follower->text ? 1 : -ENOMEM;
}

static ssize_t on_read(struct http_stream *stream, char *buffer, size_t size)
{
	struct follower *follower = (struct follower *)stream;
	size_t used = 0, part;
	int ret = 1;

	while (used < size && ret > 0) {
		if (follower->sent == follower->length)
			ret = next_text(follower);
		part = follower->length - follower->sent;
		if (part > size - used)
			part = size - used;
		if (ret > 0)
			memcpy(buffer + used, follower->text + follower->sent, part);
		follower->sent += part;
		used += part;
	}
	return used == 0 && ret < 0 ? HTTP_STREAM_END : (ssize_t)used;
}

static void on_close(struct http_stream *stream)
{
	struct follower *follower = (struct follower *)stream;
	struct event_streams *streams = follower->streams;

	LIST_REMOVE(follower, entry);
	events_unfollow(&follower->link);
	if (--streams->count == 0)
		uv_timer_stop(&streams->timer);
	free(follower->text);
	free(follower);
}

static void on_told(struct events_follower *link)
{
	struct follower *follower =
		(struct follower *)((char *)link - offsetof(struct follower, link));

	http_stream_wake(&follower->stream);
}

/* Where a follower that has seen `since` begins. A later one than there is comes from another
 * journal: then all of this one is news. */
static uint64_t begin_after(const struct journal *journal, uint64_t since)
{
	uint64_t oldest = journal_oldest(journal);

	if (since > journal_newest(journal))
		since = 0;
	return since + 1 < oldest ? oldest - 1 : since;
}

int event_streams_open(struct event_streams *streams, uint64_t since,
		       const struct event_filter *filter, struct http_stream **ret_stream,
		       struct error *err)
{
	struct follower *follower;

	if (streams->count == EVENT_FOLLOWERS_MAX) {
		error_set(err, EBUSY, "%d clients follow the events already", EVENT_FOLLOWERS_MAX);
		return error_hint(err, -EBUSY, "ask without follow, or end one of them");
	}
	follower = calloc(1, sizeof(*follower));
	if (!follower)
		return error_set(err, ENOMEM, "out of memory");
	follower->stream.read = on_read;
	follower->stream.close = on_close;
	follower->link.told = on_told;
	follower->streams = streams;
	follower->filter = *filter;
	if (filter->service) {
		snprintf(follower->service, sizeof(follower->service), "%s", filter->service);
		follower->filter.service = follower->service;
	}
	follower->seq = begin_after(events_journal(streams->events), since);
	follower->beat = true; /* so that the client sees at once that it is heard */
	LIST_INSERT_HEAD(&streams->followers, follower, entry);
	events_follow(streams->events, &follower->link);
	if (streams->count++ == 0)
		uv_timer_start(&streams->timer, on_heartbeat, EVENT_HEARTBEAT_MS,
			       EVENT_HEARTBEAT_MS);
	*ret_stream = &follower->stream;
	return 0;
}
