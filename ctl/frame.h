/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_FRAME_H
#define SLUICE_CTL_FRAME_H

/* The picture that lbctl top shows. Pure. */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "rates.h"

struct frame {
	const cJSON *status; /* the agent's, checked */
	const struct rates *rates;
	const char *only;    /* the one service to show; NULL: all */
	const char *trouble; /* why the figures are old; NULL: they are not */
	const char *clock;   /* the time to show */
	enum rate_order order;
	bool reversed;
	bool live; /* a line at the end says what the keys do */
	bool colour;
	size_t columns, rows; /* of the screen; rows 0: as many as it takes */
	size_t first;         /* rows passed over at the top */
};

/* Draws the picture: lines of at most `columns` characters, at most `rows` of them. Returns how
 * many rows there are, shown or not. */
size_t frame_draw(FILE *out, const struct frame *frame);

#endif
