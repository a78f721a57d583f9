/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_SCREEN_H
#define SLUICE_CTL_SCREEN_H

/*
 * Tables on standard output: libsmartcols with lbctl's habits. No cell is ever cut, however narrow
 * the terminal: what does not fit is often the very reason that is looked for.
 */
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* Colour belongs on terminals only, and not where NO_COLOR is set (https://no-color.org). */
bool screen_has_colour(void);

struct screen_column {
	const char *name;
	bool right; /* numbers */
};

struct screen_table;

/* columns must outlive the table. */
int screen_table_new(const struct screen_column *columns, size_t count,
		     struct screen_table **ret_table, struct error *err);
void screen_table_free(struct screen_table *table);

/* Adds a line of `count` cells, which are copied. colour, the name of one or NULL, is that of
 * cell `coloured`. */
int screen_table_add(struct screen_table *table, const char *const *cells, size_t coloured,
		     const char *colour, struct error *err);

int screen_table_print(const struct screen_table *table, struct error *err);

#endif
