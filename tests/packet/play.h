/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_PLAY_H
#define SLUICE_PACKET_PLAY_H

/* One case on one engine: every step is done, and what comes of it is held against the case. */
#include "case.h"
#include "engine.h"

/* One run of a case. */
struct run {
	const char *path;
	const struct engine *engine;
	const struct test_case *test;
	struct variables variables;
	struct outcome *outcomes;       /* one a step, filled */
	const struct outcome *expected; /* of the engine before; NULL: this is the first */
	double seconds; /* that the steps took, filled; the case's clock ran on so far */
};

/* False: it did not do as the case says; lines that begin with "# " have told why. */
bool play_case(struct run *run);

#endif
