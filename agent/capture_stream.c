/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_stream.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_file.h"
#include "capture_names.h"
#include "clock.h"
#include "peer.h"

#define LINGER_MS 20 /* at the end, for packets that have come in and not left yet */

enum phase {
	PHASE_RUNS,
	PHASE_LINGERS, /* no packet is asked for any more */
	PHASE_OVER,    /* all is written */
};

/* Who captures. */
struct taker {
	struct http_stream stream; /* its first member */
	struct capture *capture;
	struct capture_file *file;
	struct capture_names *names;
	enum phase phase;
	uint64_t limit;                 /* packets that are wanted; 0: all */
	uint64_t began_ms, end_ms;      /* as the loop counts; end 0: when the client goes */
	struct lb_capture_stats before; /* the data plane's, when it began */
	bool beat;                      /* statistics are due */
	const char *why;                /* it ended */
	char who[PEER_TEXT_MAX];
	char what[CAPTURE_QUERY_TEXT_MAX];
	char service[SERVICE_NAME_MAX + 1];
};

struct capture {
	struct manager *manager;
	struct dataplane *dp;
	struct events *events;
	struct taker *taker; /* NULL: nobody */
	uv_timer_t timer;
	uv_poll_t poll; /* of the ring */
	bool has_poll;  /* once the ring was opened */
	int closing;
};

/* --- clocks --- */

int64_t capture_clock_offset(void)
{
	return (int64_t)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC));
}

/* --- life --- */

static void on_timer(uv_timer_t *timer);

struct capture *capture_new(uv_loop_t *loop, struct manager *manager, struct events *events)
{
	struct capture *capture = calloc(1, sizeof(*capture));

	if (!capture)
		return NULL;
	capture->manager = manager;
	capture->dp = manager_dataplane(manager);
	capture->events = events;
	uv_timer_init(loop, &capture->timer);
	capture->timer.data = capture;
	return capture;
}

static void on_closed(uv_handle_t *handle)
{
	struct capture *capture = handle->data;

	if (--capture->closing == 0)
		free(capture);
}

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	capture->closing = capture->has_poll ? 2 : 1;
	if (capture->has_poll)
		uv_close((uv_handle_t *)&capture->poll, on_closed);
	uv_close((uv_handle_t *)&capture->timer, on_closed);
}

/* --- packets --- */

/* Of this capture. */
static uint64_t lost(const struct taker *taker)
{
	struct dataplane *dp = taker->capture->dp;
	struct lb_capture_stats now;

	dp->ops->capture_stats(dp, &now);
	return now.lost_rate - taker->before.lost_rate + now.lost_ring - taker->before.lost_ring;
}

static const char *interface_name(const struct capture *capture, uint32_t ifindex,
				  char buffer[IFNAMSIZ])
{
	const struct rtnl_link *link = links_find(manager_links(capture->manager), ifindex);

	if (link)
		return link->name;
	snprintf(buffer, IFNAMSIZ, "if%u", ifindex);
	return buffer;
}

/* No packet more. Those that have come in may still be on their way. */
static void wind_up(struct taker *taker, const char *why)
{
	struct capture *capture = taker->capture;

	if (taker->phase != PHASE_RUNS)
		return;
	capture->dp->ops->capture_stop(capture->dp);
	capture_file_close_door(taker->file);
	taker->phase = PHASE_LINGERS;
	taker->why = why;
	uv_timer_start(&capture->timer, on_timer, LINGER_MS, 0);
}

static bool take_packet(void *context, const struct lb_capture_record *record)
{
	struct taker *taker = context;
	char comment[CAPTURE_COMMENT_MAX], name[IFNAMSIZ];

	capture_file_packet(taker->file, record,
			    interface_name(taker->capture, record->head.ifindex, name),
			    capture_comment(taker->names, &record->head, comment));
	if (taker->limit && capture_file_packets(taker->file) == taker->limit)
		wind_up(taker, "it has as many packets as it was asked for");
	return capture_file_has_room(taker->file);
}

static void write_statistics(struct taker *taker)
{
	capture_file_statistics(taker->file, clock_ns(CLOCK_REALTIME), lost(taker));
	taker->beat = false;
}

/* --- the stream --- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
	const struct capture *capture = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll); /* until the client has taken what there is */
	if (capture->taker)
		http_stream_wake(&capture->taker->stream);
}

/* Writes what there is. */
static void fill(struct taker *taker)
{
	struct capture *capture = taker->capture;

	capture_names_follow(taker->names, manager_desired(capture->manager));
	if (capture->dp->ops->capture_read(capture->dp, take_packet, taker) &&
	    taker->phase == PHASE_RUNS)
		uv_poll_start(&capture->poll, UV_READABLE, on_readable);
	if (taker->beat && capture_file_has_room(taker->file))
		write_statistics(taker);
}

static ssize_t on_read(struct http_stream *stream, char *buffer, size_t size)
{
	struct taker *taker = (struct taker *)stream;
	size_t count = capture_file_take(taker->file, buffer, size);

	if (count == 0 && taker->phase != PHASE_OVER) {
		fill(taker);
		count = capture_file_take(taker->file, buffer, size);
	}
	return count == 0 && taker->phase == PHASE_OVER ? HTTP_STREAM_END : (ssize_t)count;
}

static void taker_free(struct taker *taker)
{
	capture_names_free(taker->names);
	capture_file_free(taker->file);
	free(taker);
}

static void tell(const struct taker *taker, enum event_kind kind, const char *what, const char *why)
{
	events_tell(taker->capture->events, &(struct event){
						    .kind = kind,
						    .who = taker->who,
						    .service = taker->service,
						    .after = what,
						    .reason = why,
					    });
}

static void on_close(struct http_stream *stream)
{
	struct taker *taker = (struct taker *)stream;
	struct capture *capture = taker->capture;
	char outcome[96];

	capture->dp->ops->capture_stop(capture->dp);
	uv_timer_stop(&capture->timer);
	uv_poll_stop(&capture->poll);
	snprintf(outcome, sizeof(outcome), "%llu packets captured, %llu lost",
		 (unsigned long long)capture_file_packets(taker->file),
		 (unsigned long long)lost(taker));
	tell(taker, EVENT_CAPTURE_ENDED, outcome, taker->why);
	capture->taker = NULL;
	taker_free(taker);
}

/* The last packets and statistics: then it is over. They wait for room, that is for the client. */
static void write_last(struct taker *taker)
{
	fill(taker);
	if (!capture_file_has_room(taker->file)) {
		uv_timer_start(&taker->capture->timer, on_timer, LINGER_MS, 0);
		return;
	}
	write_statistics(taker);
	taker->phase = PHASE_OVER;
}

/* Until the next statistics, or the end if that comes first. */
static void arm(struct capture *capture)
{
	const struct taker *taker = capture->taker;
	uint64_t now_ms = uv_now(capture->timer.loop), wait_ms = CAPTURE_HEARTBEAT_MS;

	if (taker->end_ms && taker->end_ms < now_ms + wait_ms)
		wait_ms = taker->end_ms > now_ms ? taker->end_ms - now_ms : 0;
	uv_timer_start(&capture->timer, on_timer, wait_ms, 0);
}

static void on_beat(struct taker *taker)
{
	struct capture *capture = taker->capture;
	struct error err;

	if (taker->end_ms && uv_now(capture->timer.loop) >= taker->end_ms) {
		wind_up(taker, "its time is up");
	} else if (capture->dp->ops->capture_renew(capture->dp, &err)) {
		wind_up(taker, "the data plane's filter cannot be written");
	} else {
		taker->beat = true;
		arm(capture);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct capture *capture = timer->data;
	struct taker *taker = capture->taker;

	if (taker->phase == PHASE_RUNS)
		on_beat(taker);
	else if (taker->phase == PHASE_LINGERS)
		write_last(taker);
	http_stream_wake(&taker->stream);
}

/* --- beginning --- */

static int refuse_second(const struct capture *capture, struct error *err)
{
	const struct taker *taker = capture->taker;
	uint64_t span_ms = uv_now(capture->timer.loop) - taker->began_ms;
	int ret = error_set(err, EEXIST,
			    "packets are being captured already: by %s, for %llu s (%.120s)",
			    taker->who, (unsigned long long)span_ms / 1000, taker->what);

	return error_hint(err, ret, "one capture at a time: wait, or have that one ended");
}

static struct capture_file *make_file(const struct capture_request *request)
{
	const char *names[DATAPLANE_INTERFACES_MAX];
	uint32_t ifindexes[DATAPLANE_INTERFACES_MAX];
	char comment[CAPTURE_QUERY_TEXT_MAX + PEER_TEXT_MAX + 32];
	const struct capture_file_head head = {
		.comment = comment,
		.snaplen = request->query->filter.snaplen,
		.offset_ns = capture_clock_offset(),
		.began_ns = clock_ns(CLOCK_REALTIME),
		.ifindexes = ifindexes,
		.names = names,
		.interface_count = request->interface_count,
	};

	snprintf(comment, sizeof(comment), "%s, asked for by %s", request->what, request->who);
	for (size_t i = 0; i < request->interface_count; i++) {
		names[i] = request->interfaces[i].name;
		ifindexes[i] = request->interfaces[i].ifindex;
	}
	return capture_file_new(&head);
}

static struct taker *taker_new(struct capture *capture, const struct capture_request *request)
{
	struct taker *taker = calloc(1, sizeof(*taker));
	const struct capture_query *query = request->query;

	if (!taker)
		return NULL;
	taker->stream.read = on_read;
	taker->stream.close = on_close;
	taker->capture = capture;
	taker->why = "its client has gone";
	taker->limit = query->limit;
	taker->began_ms = uv_now(capture->timer.loop);
	taker->end_ms = query->span_ms ? taker->began_ms + query->span_ms : 0;
	snprintf(taker->who, sizeof(taker->who), "%s", request->who);
	snprintf(taker->what, sizeof(taker->what), "%s", request->what);
	if (query->service)
		snprintf(taker->service, sizeof(taker->service), "%s", query->service->name);
	taker->file = make_file(request);
	taker->names = capture_names_new(&capture->dp->sizes);
	if (taker->file && taker->names)
		return taker;
	taker_free(taker);
	return NULL;
}

static void watch(struct capture *capture, int ring)
{
	if (capture->has_poll)
		return;
	uv_poll_init(capture->timer.loop, &capture->poll, ring);
	capture->poll.data = capture;
	capture->has_poll = true;
}

int capture_open(struct capture *capture, const struct capture_request *request,
		 struct http_stream **ret_stream, struct error *err)
{
	struct dataplane *dp = capture->dp;
	struct taker *taker;
	int ring, ret;

	if (capture->taker)
		return refuse_second(capture, err);
	taker = taker_new(capture, request);
	if (!taker)
		return error_set(err, ENOMEM, "out of memory");
	dp->ops->capture_stats(dp, &taker->before);
	ret = dp->ops->capture_start(dp, &request->query->filter, &ring, err);
	if (ret) {
		taker_free(taker);
		return ret;
	}
	capture->taker = taker;
	watch(capture, ring);
	arm(capture);
	tell(taker, EVENT_CAPTURE_BEGUN, taker->what, NULL);
	*ret_stream = &taker->stream;
	return 0;
}
