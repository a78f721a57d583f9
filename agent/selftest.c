/* SPDX-License-Identifier: Apache-2.0 */
#include "selftest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct play {
	const struct selftest_target *target;
	bool frags;
	struct selftest_result result;
	const char *name; /* of the case under way */
	bool skipped;     /* it is not for us */
	unsigned int packet;
	uint8_t out[SELFTEST_PACKET_MAX];
};

static const char *code_name(uint32_t code)
{
	static const char *const names[] = {"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX",
					    "XDP_REDIRECT"};

	return code < sizeof(names) / sizeof(names[0]) ? names[code] : "no XDP code";
}

static int begin(struct play *play, const struct recording_piece *piece, struct error *err)
{
	play->name = piece->name;
	play->packet = 0;
	play->skipped = piece->number && !play->frags;
	*(play->skipped ? &play->result.left_out : &play->result.played) += 1;
	return play->skipped ? 0 : play->target->reset(play->target->context, err);
}

static int compare(const struct play *play, const struct recording_piece *piece, size_t out_size,
		   uint32_t code, struct error *err)
{
	const uint8_t *wanted = piece->second;
	size_t i;

	if (code != piece->code)
		return error_set(err, EBADMSG, "case \"%s\", packet %u: %s, not %s", play->name,
				 play->packet, code_name(code), code_name(piece->code));
	if (out_size != piece->second_length)
		return error_set(err, EBADMSG, "case \"%s\", packet %u: %zu bytes came out, not %u",
				 play->name, play->packet, out_size, piece->second_length);
	for (i = 0; i < out_size; i++) {
		if (play->out[i] != wanted[i])
			return error_set(err, EBADMSG,
					 "case \"%s\", packet %u: byte %zu is %02x, not %02x",
					 play->name, play->packet, i, play->out[i], wanted[i]);
	}
	return 0;
}

static int run(struct play *play, const struct recording_piece *piece, struct error *err)
{
	const struct selftest_target *target = play->target;
	size_t out_size = 0;
	uint32_t code = 0;
	int ret;

	play->packet++;
	ret = target->run(target->context, piece, play->out, &out_size, &code, err);
	return ret ? ret : compare(play, piece, out_size, code, err);
}

static int take(struct play *play, const struct recording_piece *piece, struct error *err)
{
	const struct selftest_target *target = play->target;

	switch (piece->kind) {
	case RECORDING_CONSTANTS:
		play->result.left_out += piece->number;
		return 0;
	case RECORDING_CASE:
		return begin(play, piece, err);
	case RECORDING_PUT:
		return play->skipped ? 0
				     : target->put(target->context, piece->name, piece->first,
						   piece->second, err);
	case RECORDING_RUN:
		return play->skipped ? 0 : run(play, piece, err);
	case RECORDING_ROOM:
	default:
		return 0;
	}
}

int selftest_play(const void *recording, size_t size, bool frags,
		  const struct selftest_target *target, struct selftest_result *ret_result,
		  struct error *err)
{
	struct play *play = calloc(1, sizeof(*play));
	const uint8_t *at = recording, *end = at + size;
	struct recording_piece piece;
	int more, ret = 0;

	if (!play)
		return error_set(err, ENOMEM, "out of memory");
	play->target = target;
	play->frags = frags;
	while (ret == 0 && (more = recording_next(&at, end, &piece)) != 0)
		ret = more < 0 ? error_set(err, EBADMSG, "the recording is damaged")
			       : take(play, &piece, err);
	if (ret == 0)
		*ret_result = play->result;
	free(play);
	return ret;
}
