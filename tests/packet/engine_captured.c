/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "engine_bpf.h"
#include "world.h"

#define RUN 42

/* What was captured of the packet that ran last. */
struct captured {
	struct lb_capture_record record;
	unsigned int count;
};

static struct captured in, out;
static struct ring_buffer *ring; /* of the program in use */

static int on_record(void *context, void *data, size_t size)
{
	const struct lb_capture_record *record = data;
	struct captured *captured = record->head.direction == LB_CAPTURE_OUT ? &out : &in;

	(void)context;
	memcpy(&captured->record, data, size);
	captured->count++;
	return 0;
}

static int reset(const struct constants *constants, struct error *err)
{
	const struct lb_capture_filter filter = {
		.deadline = UINT64_MAX,
		.verdicts = ~0U,
		.run = RUN,
		.sample = 1,
		.snaplen = LB_CAPTURE_SNAP_MAX,
		.per_tick = UINT32_MAX,
	};
	const uint32_t zero = 0;
	int r = engine_bpf.reset(constants, err);

	if (r < 0)
		return r;
	ring_buffer__free(ring);
	ring = ring_buffer__new(engine_bpf_map_fd("capture_ring"), on_record, NULL, NULL);
	if (!ring)
		return error_set(err, errno, "map capture_ring: %s", strerror(errno));
	engine_bpf_put("capture_filter", &zero, &filter);
	engine_bpf_switches()->capture = LB_CAPTURE_ON;
	return 0;
}

/* Of a frame that comes in several parts, the first is captured. */
static int check(const char *way, const struct captured *captured, const struct frame *frame,
		 enum lb_verdict verdict, struct error *err)
{
	const struct lb_capture_head *head = &captured->record.head;
	size_t most = frame->size < LB_CAPTURE_SNAP_MAX ? frame->size : LB_CAPTURE_SNAP_MAX;

	if (captured->count != 1)
		return error_set(err, EBADMSG, "captured %u times as it %s", captured->count, way);
	if (head->length != frame->size || head->captured != most ||
	    memcmp(captured->record.data, frame->bytes, most) != 0)
		return error_set(err, EBADMSG, "captured otherwise than it %s: %u bytes of %u", way,
				 head->captured, head->length);
	if (head->verdict != verdict || head->run != RUN || !head->time_ns)
		return error_set(err, EBADMSG, "captured with verdict %u instead of %u",
				 head->verdict, verdict);
	return 0;
}

/* Both tell of one packet. */
static int check_pair(enum lb_verdict verdict, const struct outcome *outcome, struct error *err)
{
	int r = check("left", &out, &outcome->frame, verdict, err);

	if (r == 0 && (in.record.head.id != out.record.head.id ||
		       in.record.head.service != out.record.head.service ||
		       in.record.head.vip != out.record.head.vip ||
		       in.record.head.backend != out.record.head.backend))
		r = error_set(err, EBADMSG, "captured as two packets");
	if (r == 0 && verdict == LB_FORWARD &&
	    !(in.record.head.vip && in.record.head.service && in.record.head.backend))
		r = error_set(err, EBADMSG, "captured without its VIP, service or backend");
	if (r == 0 && verdict == LB_RETURN && !(in.record.head.service && in.record.head.backend))
		r = error_set(err, EBADMSG, "captured without whose reply it is");
	return r;
}

static int run(const struct frame *frame, enum case_device device, enum case_device redirect_to,
	       struct outcome *ret_outcome, struct error *err)
{
	struct world_packets before;
	enum lb_verdict verdict;
	int r;

	in = out = (struct captured){0};
	world_packets(&engine_bpf, &before);
	r = engine_bpf.run(frame, device, redirect_to, ret_outcome, err);
	if (r < 0)
		return r;
	verdict = world_verdict_since(&engine_bpf, &before, ret_outcome->code);
	ring_buffer__consume(ring);
	r = check("came in", &in, frame, verdict, err);
	if (r < 0)
		return r;
	if (ret_outcome->code == XDP_TX || ret_outcome->code == XDP_REDIRECT)
		return check_pair(verdict, ret_outcome, err);
	return out.count == 0 ? 0 : error_set(err, EBADMSG, "captured as it left, and did not");
}

static void close_ring(void)
{
	ring_buffer__free(ring);
	ring = NULL;
}

const struct engine engine_captured = {
	.name = "bpf, captured",
	.reset = reset,
	.get = engine_bpf_get,
	.put = engine_bpf_put,
	.next_key = engine_bpf_next_key,
	.run = run,
	.switches = engine_bpf_switches,
	.describe = engine_bpf_describe,
	.close = close_ring,
};
