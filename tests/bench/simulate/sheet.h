/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SIMULATE_SHEET_H
#define SLUICE_SIMULATE_SHEET_H

/* A table of figures: filled row by row, then printed, and written as JSON. */
#include <cjson/cJSON.h>
#include <stddef.h>

#define SHEET_COLUMNS 9
#define SHEET_ROWS    512

enum sheet_kind {
	SHEET_COUNT,  /* a whole number */
	SHEET_SHARE,  /* of 1; printed as per cent */
	SHEET_RATIO,  /* to the mean */
	SHEET_MILLIS, /* ms */
};

/* Columns of numbers; that of words comes before them. A name of NULL ends them. */
struct sheet_column {
	const char *name;
	enum sheet_kind kind;
};

struct sheet {
	const char *name; /* in JSON */
	const char *title;
	const char *word; /* name of the column of words; NULL: none */
	struct sheet_column columns[SHEET_COLUMNS + 1];
	size_t rows;
	struct {
		const char *word;
		double numbers[SHEET_COLUMNS];
	} row[SHEET_ROWS];
};

/* Adds a row; numbers has one for each column. Dies if there is no room. */
void sheet_add(struct sheet *sheet, const char *word, const double *numbers);

void sheet_print(const struct sheet *sheet);

/* An array of objects, the names of columns their keys. NULL: out of memory. */
cJSON *sheet_write(const struct sheet *sheet);

#endif
