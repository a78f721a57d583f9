/* SPDX-License-Identifier: Apache-2.0 */
#include "sheet.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define WIDTH 12

void sheet_add(struct sheet *sheet, const char *word, const double *numbers)
{
	if (sheet->rows == SHEET_ROWS) {
		fprintf(stderr, "lb_simulate: too many rows of %s\n", sheet->name);
		exit(EXIT_FAILURE);
	}
	sheet->row[sheet->rows].word = word;
	for (size_t i = 0; sheet->columns[i].name; i++)
		sheet->row[sheet->rows].numbers[i] = numbers[i];
	sheet->rows++;
}

static void print_number(enum sheet_kind kind, double number)
{
	switch (kind) {
	case SHEET_COUNT:
		printf(" %*.0f", WIDTH, number);
		break;
	case SHEET_SHARE:
		printf(" %*.3f %%", WIDTH - 2, number * 100);
		break;
	case SHEET_RATIO:
		printf(" %*.3f", WIDTH, number);
		break;
	case SHEET_MILLIS:
		printf(" %*.2f", WIDTH, number);
		break;
	}
}

void sheet_print(const struct sheet *sheet)
{
	printf("\n%s\n", sheet->title);
	if (sheet->word)
		printf("%-*s", WIDTH, sheet->word);
	for (size_t i = 0; sheet->columns[i].name; i++)
		printf(" %*s", WIDTH, sheet->columns[i].name);
	putchar('\n');
	for (size_t n = 0; n < sheet->rows; n++) {
		if (sheet->word)
			printf("%-*s", WIDTH, sheet->row[n].word);
		for (size_t i = 0; sheet->columns[i].name; i++)
			print_number(sheet->columns[i].kind, sheet->row[n].numbers[i]);
		putchar('\n');
	}
}

static bool write_row(const struct sheet *sheet, size_t n, cJSON *row)
{
	if (sheet->word && !cJSON_AddStringToObject(row, sheet->word, sheet->row[n].word))
		return false;
	for (size_t i = 0; sheet->columns[i].name; i++) {
		/* digits beyond these are rounding's, and make files differ for nothing */
		const double number = round(sheet->row[n].numbers[i] * 1e7) / 1e7;

		if (!cJSON_AddNumberToObject(row, sheet->columns[i].name, number))
			return false;
	}
	return true;
}

cJSON *sheet_write(const struct sheet *sheet)
{
	cJSON *rows = cJSON_CreateArray();

	for (size_t n = 0; rows && n < sheet->rows; n++) {
		cJSON *row = cJSON_CreateObject();

		if (!cJSON_AddItemToArray(rows, row) || !write_row(sheet, n, row)) {
			cJSON_Delete(rows);
			return NULL;
		}
	}
	return rows;
}
