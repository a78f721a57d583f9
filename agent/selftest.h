/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SELFTEST_H
#define SLUICE_SELFTEST_H

/*
 * Plays a recording of packet cases (recording.h) on a data plane that stands aside, and compares
 * what comes out. Pure: what a data plane is, the target says.
 */
#include "error.h"
#include "recording.h"

/* Longest packet that comes in or out. */
#define SELFTEST_PACKET_MAX 16384

struct selftest_target {
	void *context;
	/* Empties all maps. */
	int (*reset)(void *context, struct error *err);
	/* Puts an entry into the map of this name. */
	int (*put)(void *context, const char *map, const void *key, const void *value,
		   struct error *err);
	/* Runs the packet piece->first, which comes in by RECORDING_IFINDEX; out has room for
	 * SELFTEST_PACKET_MAX bytes. */
	int (*run)(void *context, const struct recording_piece *piece, void *out,
		   size_t *ret_out_size, uint32_t *ret_code, struct error *err);
};

struct selftest_result {
	unsigned int played;
	unsigned int left_out; /* not in the recording, or not for a program loaded like this */
};

/*
 * Plays all cases that a program loaded with this lb_frags can do. -EBADMSG: it is not a recording,
 * or one case came out otherwise, which err names; other errors are the target's.
 */
int selftest_play(const void *recording, size_t size, bool frags,
		  const struct selftest_target *target, struct selftest_result *ret_result,
		  struct error *err);

#endif
