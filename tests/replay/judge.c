/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include <linux/bpf.h>
#include <string.h>

#include "walk.h"
#include "world.h"

/* --- who is addressed --- */

/* The destination of the first IP header. False: there is none. */
static bool find_destination(const struct frame *frame, struct address *ret_address)
{
	struct walk step = walk_begin(frame->size);
	const uint8_t *header;

	while (walk_next(&step, frame->bytes)) {
		header = frame->bytes + step.start;
		memset(ret_address, 0, sizeof(*ret_address));
		if (step.kind == LAYER_IP6) {
			memcpy(&ret_address->ip, header + 24, 16);
			return true;
		}
		if (step.kind == LAYER_IP4) {
			*ret_address = address_from_ipv4(header + 16);
			return true;
		}
	}
	return false;
}

static bool in_vip(const struct address *address, const struct vip *vip)
{
	const uint8_t *a = address->ip.s6_addr, *b = vip->endpoint.address.ip.s6_addr;
	unsigned int bits = 128 - vip->host_bits;
	uint8_t mask = (uint8_t)(0xff00U >> bits % 8);

	return memcmp(a, b, bits / 8) == 0 &&
	       (bits % 8 == 0 || !((a[bits / 8] ^ b[bits / 8]) & mask));
}

static bool in_service(const struct address *address, const struct case_service *service)
{
	size_t i;

	for (i = 0; i < service->vip_count; i++)
		if (in_vip(address, &service->vips[i].vip))
			return true;
	return false;
}

bool is_foreign(const struct test_case *world, const struct frame *frame)
{
	struct address to;
	size_t i;

	if (!find_destination(frame, &to))
		return true;
	for (i = 0; i < world->service_count; i++)
		if (in_service(&to, &world->services[i]))
			return false;
	for (i = 0; i < world->backend_count; i++)
		if (world->backends[i].nat && address_equal(&to, &world->backends[i].local_address))
			return false;
	return true;
}

/* --- what becomes of a packet --- */

int run_one(const struct engine *engine, const struct frame *frame, enum case_device device,
	    enum case_device redirect_to, struct result *ret_result, struct error *err)
{
	struct world_packets before;
	int r;

	world_packets(engine, &before);
	r = engine->run(frame, device, redirect_to, &ret_result->outcome, err);
	ret_result->verdict = world_verdict_since(engine, &before, ret_result->outcome.code);
	return r;
}

static bool is_sent(int code)
{
	return code == XDP_TX || code == XDP_REDIRECT;
}

const char *judge(const struct frame *sent, const struct result *result, bool foreign)
{
	const struct outcome *outcome = &result->outcome;
	struct error ignored;

	if (result->verdict == LB_VERDICT_COUNT)
		return "it was counted more than once";
	if (result->verdict == LB_INTERNAL || outcome->code == XDP_ABORTED)
		return "an internal error";
	if (foreign && result->verdict != LB_PASS)
		return "the packet is for no VIP and was not passed";
	if (outcome->code == XDP_PASS && !frame_equal(sent, &outcome->frame))
		return "a packet that was passed has changed";
	if (is_sent(outcome->code) && frame_verify(sent, &ignored) == 0 &&
	    frame_verify(&outcome->frame, &ignored) < 0)
		return "a packet that came right left with a wrong checksum";
	return NULL;
}

const char *compare(const struct result *native, const struct result *bpf)
{
	if (native->verdict != bpf->verdict || native->outcome.code != bpf->outcome.code)
		return "natively and in the kernel the verdicts differ";
	/* Cookies tell the time, which is another one natively. */
	if (native->verdict == LB_COOKIE_SENT)
		return native->outcome.frame.size == bpf->outcome.frame.size
			       ? NULL
			       : "natively and in the kernel cookies are sent by other packets";
	if (!frame_equal(&native->outcome.frame, &bpf->outcome.frame))
		return "natively and in the kernel another packet comes out";
	return NULL;
}

void show_in(FILE *out, const struct frame *sent)
{
	fprintf(out, "#   in:\n");
	frame_print(out, sent, NULL);
}

void show_result(FILE *out, const char *engine, const struct result *result,
		 const struct frame *sent)
{
	fprintf(out, "#   %s: %s\n", engine, verdict_name(result->verdict));
	frame_print(out, &result->outcome.frame, sent);
}
