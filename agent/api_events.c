/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/events: what happened, as a list or as it comes. */
#include <errno.h>
#include <string.h>

#include "api_call.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define SEQ_MAX       (UINT64_C(1) << 53)

static int read_filter(struct call *call, struct event_filter *ret_filter)
{
	const char *kind = http_query(call->request, "kind");
	int ret;

	*ret_filter = (struct event_filter){
		.service = http_query(call->request, "service"),
		.any_kind = !kind,
	};
	if (!kind || event_kind_find(kind, &ret_filter->kind))
		return 0;
	ret = error_set(&call->err, EINVAL, "parameter kind: %.64s: no such kind of event", kind);
	error_hint(&call->err, ret, "docs/api.md lists them");
	return error_field(&call->err, ret, "kind");
}

/* --- as they come --- */

static bool wants_stream(struct call *call)
{
	const char *accept = http_header(call->request, "Accept");

	return accept && strstr(accept, "text/event-stream");
}

/* Without a place to begin it begins with what comes next. */
static int follow(struct call *call, const struct event_filter *filter)
{
	const char *last = http_header(call->request, "Last-Event-ID");
	uint64_t since = journal_newest(events_journal(call->api->events));
	int ret = last ? parse_number(last, 0, SEQ_MAX, &since, &call->err)
		       : api_query_number(call, "since", 0, SEQ_MAX, &since);

	if (ret)
		return ret;
	call->status = 200;
	call->content_type = "text/event-stream";
	return event_streams_open(call->api->streams, since, filter, &call->stream, &call->err);
}

/* --- a list --- */

static const struct event *next_match(const struct journal *journal, uint64_t seq,
				      const struct event_filter *filter)
{
	const struct event *event;

	while ((event = journal_after(journal, seq))) {
		if (event_matches(event, filter))
			return event;
		seq = event->seq;
	}
	return NULL;
}

/* Where the newest `limit` matches begin. */
static uint64_t before_newest(const struct journal *journal, const struct event_filter *filter,
			      uint64_t limit)
{
	const struct event *event, *first;
	uint64_t count = 0, seq = 0;

	first = next_match(journal, 0, filter);
	for (event = first; event; event = next_match(journal, event->seq, filter)) {
		if (++count <= limit)
			continue;
		seq = first->seq;
		first = next_match(journal, first->seq, filter);
	}
	return seq;
}

static cJSON *list_json(const struct journal *journal, const struct event_filter *filter,
			uint64_t since, uint64_t limit)
{
	cJSON *json = cJSON_CreateObject(), *array = cJSON_AddArrayToObject(json, "events"), *item;
	const struct event *event;
	bool whole = array;

	for (; whole && limit; limit--) {
		event = next_match(journal, since, filter);
		if (!event)
			break;
		since = event->seq;
		item = event_write(event);
		whole = cJSON_AddItemToArray(array, item);
	}
	if (whole && cJSON_AddNumberToObject(json, "oldest", (double)journal_oldest(journal)) &&
	    cJSON_AddNumberToObject(json, "newest", (double)journal_newest(journal)))
		return json;
	cJSON_Delete(json);
	return NULL;
}

static int list(struct call *call, const struct event_filter *filter)
{
	const struct journal *journal = events_journal(call->api->events);
	uint64_t limit = LIMIT_DEFAULT, since = 0;
	bool from_oldest = http_query(call->request, "since");
	int ret = api_query_number(call, "limit", 1, LIMIT_MAX, &limit);

	if (ret == 0)
		ret = api_query_number(call, "since", 0, SEQ_MAX, &since);
	if (ret)
		return ret;
	if (!from_oldest)
		since = before_newest(journal, filter, limit);
	return api_answer(call, 200, list_json(journal, filter, since, limit));
}

int api_events_get(struct call *call)
{
	struct event_filter filter;
	bool follows = wants_stream(call);
	int ret = read_filter(call, &filter);

	if (ret == 0 && http_query(call->request, "follow"))
		ret = api_query_switch(call, "follow", &follows);
	if (ret)
		return ret;
	return follows ? follow(call, &filter) : list(call, &filter);
}
