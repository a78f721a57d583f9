/* SPDX-License-Identifier: Apache-2.0 */
#include "screen.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <unistd.h>

struct screen_table {
	struct libscols_table *scols;
	size_t count;
};

bool screen_has_colour(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0');
}

int screen_table_new(const struct screen_column *columns, size_t count,
		     struct screen_table **ret_table, struct error *err)
{
	struct screen_table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return error_set(err, ENOMEM, "out of memory");
	table->count = count;
	table->scols = scols_new_table();
	for (size_t i = 0; i < count; i++) {
		if (table->scols == NULL ||
		    scols_table_new_column(table->scols, columns[i].name, 0,
					   columns[i].right ? SCOLS_FL_RIGHT : 0) == NULL) {
			screen_table_free(table);
			return error_set(err, ENOMEM, "out of memory");
		}
	}
	scols_table_set_termforce(table->scols, SCOLS_TERMFORCE_NEVER);
	scols_table_enable_colors(table->scols, screen_has_colour());
	*ret_table = table;
	return 0;
}

void screen_table_free(struct screen_table *table)
{
	if (table == NULL)
		return;
	scols_unref_table(table->scols);
	free(table);
}

int screen_table_add(struct screen_table *table, const char *const *cells, size_t coloured,
		     const char *colour, struct error *err)
{
	struct libscols_line *line = scols_table_new_line(table->scols, NULL);

	for (size_t i = 0; i < table->count; i++) {
		if (line == NULL || scols_line_set_data(line, i, cells[i]) != 0)
			return error_set(err, ENOMEM, "out of memory");
	}
	if (colour != NULL &&
	    scols_cell_set_color(scols_line_get_cell(line, coloured), colour) != 0)
		return error_set(err, ENOMEM, "out of memory");
	return 0;
}

int screen_table_print(const struct screen_table *table, struct error *err)
{
	if (scols_print_table(table->scols) != 0)
		return error_set(err, EIO, "the table cannot be written to standard output");
	return 0;
}
