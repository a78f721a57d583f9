/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_EVENT_STREAMS_H
#define SLUICE_EVENT_STREAMS_H

/*
 * Events as they come, as server-sent events (HTML, 9.2): text/event-stream. Each follower reads
 * the journal at its own pace and has no queue of its own. One that falls so far behind that the
 * journal has let go what it has yet to see is cut off; it may come back with Last-Event-ID.
 */
#include <uv.h>

#include "events.h"
#include "http_stream.h"

/* More are refused: each holds a connection for as long as it likes. */
#define EVENT_FOLLOWERS_MAX 64

/* How often a comment is sent, at which a client that has gone is noticed. */
#define EVENT_HEARTBEAT_MS 10000

struct event_streams;

/* NULL: out of memory. loop and events must outlive it. */
struct event_streams *event_streams_new(uv_loop_t *loop, struct events *events);

/* There may be no stream any more. The loop must run once more to close handles. NULL-safe. */
void event_streams_free(struct event_streams *streams);

/*
 * A stream of the events behind `since` that the filter, which is copied, lets through.
 * -EBUSY: there are EVENT_FOLLOWERS_MAX already.
 */
int event_streams_open(struct event_streams *streams, uint64_t since,
		       const struct event_filter *filter, struct http_stream **ret_stream,
		       struct error *err);

#endif
