/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any packets through lb_decap, compiled natively: no read or write out of bounds; what is neither
 * decapsulated nor sent on stays as it came; what is decapsulated keeps its link addresses, what is
 * sent on its length, and both their checksums.
 *
 * The first byte is the configuration's flags, the rest the frame.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <string.h>

#include "decap_native.h"
#include "frame.h"
#include "fuzz.h"
#include "parse.h"

#define FRAME_MIN 14

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

static struct decap_prefix prefix_of(const char *text, uint32_t bits)
{
	struct decap_prefix prefix = {.length = bits};
	struct address address;
	struct error err;

	must(parse_address(text, &address, &err) == 0);
	memcpy(&prefix.addr, &address, sizeof(prefix.addr));
	if (address_is_ipv4(&address))
		prefix.length += 96;
	return prefix;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct decap_prefix vips[] = {
		prefix_of("198.18.0.10", 32),
		prefix_of("198.18.64.0", 24),
		prefix_of("2001:db8::10", 128),
	};
	const struct decap_prefix sources[] = {prefix_of("172.16.0.0", 16), prefix_of("100::", 64)};
	size_t i;

	(void)argc;
	(void)argv;
	for (i = 0; i < sizeof(vips) / sizeof(vips[0]); i++)
		decap_put_vip(&vips[i]);
	for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		decap_put_source(&sources[i]);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame in, out; /* large */
	struct decap_config config = {.gue_port = htons(GUE_PORT)};
	enum decap_outcome outcome;
	struct error err;
	int code;

	if (size < 1 + FRAME_MIN || size > DECAP_FRAME_MAX)
		return 0;
	config.flags = data[0];
	in.size = size - 1;
	memcpy(in.bytes, data + 1, in.size);
	out = in;
	code = decap_run(&config, out.bytes, &out.size, &outcome);
	must(outcome < DECAP_OUTCOME_COUNT);
	if (outcome == DECAP_SENT_ON) {
		must(code == XDP_PASS || code == XDP_TX);
		must(out.size == in.size);
		must(frame_verify(&in, &err) < 0 || frame_verify(&out, &err) == 0);
		return 0;
	}
	must(code == (outcome == DECAP_ECN_DROP ? XDP_DROP : XDP_PASS));
	if (outcome != DECAP_DECAPSULATED) {
		must(frame_equal(&in, &out));
		return 0;
	}
	must(out.size < in.size);
	must(memcmp(in.bytes, out.bytes, 12) == 0);
	must(frame_verify(&in, &err) < 0 || frame_verify(&out, &err) == 0);
	return 0;
}

/* Most often with lengths and checksums that are right. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed)
{
	static struct frame frame; /* large */

	size = LLVMFuzzerMutate(data, size, room < DECAP_FRAME_MAX ? room : DECAP_FRAME_MAX);
	if (seed % 4 == 0 || size < 1 + FRAME_MIN)
		return size;
	frame.size = size - 1;
	memcpy(frame.bytes, data + 1, frame.size);
	frame_mend(&frame);
	memcpy(data + 1, frame.bytes, frame.size);
	return size;
}
