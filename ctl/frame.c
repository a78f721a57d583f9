/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <math.h>
#include <string.h>

#include "answer.h"
#include "human.h"

#define BAR_WIDTH  12
#define NAME_LEAST 22
#define CELL_MAX   64 /* bytes */

/* Less room than this for a reason says nothing. */
#define REASON_LEAST 12

#define BOLD     "\033[1m"
#define DIM      "\033[2m"
#define REVERSED "\033[7m"
#define RED      "\033[31m"
#define GREEN    "\033[32m"
#define YELLOW   "\033[33m"
#define CYAN     "\033[36m"
#define PLAIN    "\033[0m"

enum column { NAME, STATUS, SHARE, ACTUAL, BAR, NEW, PACKETS, BYTES, FLOWS, RETRANSMITS, COLUMNS };

/* Where there is no room for all, those of the highest rank go first. */
static const struct {
	const char *title;
	int width;
	int rank;
} columns[COLUMNS] = {
	[NAME] = {"SERVICE / BACKEND", NAME_LEAST, 0},
	[STATUS] = {"STATUS", 12, 0},
	[SHARE] = {"SHARE", 6, 0},
	[ACTUAL] = {"ACTUAL", 6, 1},
	[BAR] = {"", BAR_WIDTH, 5},
	[NEW] = {"NEW/s", 7, 0},
	[PACKETS] = {"PACKETS/s", 9, 2},
	[BYTES] = {"BYTES/s", 9, 3},
	[FLOWS] = {"FLOWS", 7, 0},
	[RETRANSMITS] = {"RETRANS/s", 9, 4},
};

/* What is drawn and how wide. */
struct layout {
	FILE *out;
	const struct frame *frame;
	int width[COLUMNS]; /* 0: not shown */
	size_t lines;       /* drawn so far */
};

/* --- layout --- */

static int longest_name(const struct rates *rates)
{
	size_t longest = NAME_LEAST;

	for (size_t i = 0; i < rates->row_count; i++) {
		const struct rate_row *row = &rates->rows[i];
		size_t length =
			row->backend != NULL ? strlen(row->backend) + 2 : strlen(row->service);

		if (length > longest)
			longest = length;
	}
	return (int)longest;
}

static int total_width(const struct layout *layout)
{
	int total = -1;

	for (int i = 0; i < COLUMNS; i++)
		total += layout->width[i] ? layout->width[i] + 1 : 0;
	return total;
}

static void make_layout(struct layout *layout)
{
	int room = (int)layout->frame->columns;

	for (int i = 0; i < COLUMNS; i++)
		layout->width[i] = columns[i].width;
	layout->width[NAME] = longest_name(layout->frame->rates);
	for (int rank = 5; rank > 0 && total_width(layout) > room; rank--) {
		for (int i = 0; i < COLUMNS; i++)
			layout->width[i] = columns[i].rank == rank ? 0 : layout->width[i];
	}
	/* A name is cut last. */
	if (total_width(layout) > room) {
		layout->width[NAME] -= total_width(layout) - room;
		if (layout->width[NAME] < 8)
			layout->width[NAME] = 8;
	}
}

/* --- pieces --- */

static const char *colour(const struct layout *layout, const char *code)
{
	return layout->frame->colour ? code : "";
}

static void end_line(struct layout *layout)
{
	fputc('\n', layout->out);
	layout->lines++;
}

/* Is there room for another line, if so many are to follow at the end? */
static bool has_room(const struct layout *layout, size_t behind)
{
	return layout->frame->rows == 0 || layout->lines + behind < layout->frame->rows;
}

static const char *status_colour(const char *status)
{
	if (strcmp(status, "up") == 0)
		return GREEN;
	if (strcmp(status, "down") == 0 || strcmp(status, "no-neighbour") == 0)
		return RED;
	return strcmp(status, "maint") == 0 ? CYAN : YELLOW;
}

/* share of BAR_WIDTH in eighths of a character; its width on the screen is BAR_WIDTH. */
static void put_bar(FILE *out, double share)
{
	static const char *const parts[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
	int eighths = isnan(share) ? 0 : (int)(share * BAR_WIDTH * 8 + 0.5);

	for (int i = 0; i < BAR_WIDTH; i++) {
		int part = eighths - i * 8;

		fputs(parts[part > 8 ? 8 : part < 0 ? 0 : part], out);
	}
}

static const char *cell_text(enum column column, const struct rate_row *row, char text[CELL_MAX])
{
	char number[HUMAN_MAX];
	const char *shown = "";

	switch (column) {
	case NAME:
		snprintf(text, CELL_MAX, "%s%s", row->backend != NULL ? "  " : "",
			 row->backend != NULL ? row->backend : row->service);
		return text;
	case STATUS:
		snprintf(text, CELL_MAX, "%zu of %zu up", row->up, row->backends);
		return row->backend != NULL ? row->status : text;
	case SHARE:
		shown = row->backend != NULL ? human_share(row->share, number) : "";
		break;
	case ACTUAL:
		shown = row->backend != NULL ? human_share(row->actual, number) : "";
		break;
	case NEW:
		shown = human_count(row->new_flows, number);
		break;
	case PACKETS:
		shown = human_count(row->packets, number);
		break;
	case BYTES:
		shown = human_bytes(row->bytes, number);
		break;
	case FLOWS:
		shown = human_count(row->flows, number);
		break;
	case RETRANSMITS:
		shown = human_count(row->retransmits, number);
		break;
	case BAR:
	case COLUMNS:
		break;
	}
	snprintf(text, CELL_MAX, "%s", shown);
	return text;
}

static const char *cell_colour(enum column column, const struct rate_row *row)
{
	if (column == STATUS && row->backend != NULL)
		return status_colour(row->status);
	if (column == STATUS)
		return row->up == row->backends ? GREEN : row->up > 0 ? YELLOW : RED;
	if (column == RETRANSMITS && row->retransmits > 0)
		return YELLOW;
	return column == BAR ? CYAN : "";
}

/* Why a backend is not up, where there is room for it behind the last column. */
static void put_reason(const struct layout *layout, const struct rate_row *row)
{
	int room = (int)layout->frame->columns - total_width(layout) - 1;

	if (room >= REASON_LEAST && row->reason[0] != '\0')
		fprintf(layout->out, " %s%.*s%s", colour(layout, DIM), room, row->reason,
			colour(layout, PLAIN));
}

static void put_row(struct layout *layout, const struct rate_row *row)
{
	const char *line = row->backend == NULL ? colour(layout, BOLD) : "";
	char text[CELL_MAX];

	for (enum column i = 0; i < COLUMNS; i++) {
		const char *own = colour(layout, cell_colour(i, row));
		int width = layout->width[i];

		if (width == 0)
			continue;
		fprintf(layout->out, "%s%s%s", i == NAME ? "" : " ", line, own);
		if (i == BAR)
			put_bar(layout->out, row->backend != NULL ? row->actual : NAN);
		else
			fprintf(layout->out, "%*.*s", i <= STATUS ? -width : width, width,
				cell_text(i, row, text));
		if (*line != '\0' || *own != '\0')
			fputs(PLAIN, layout->out);
	}
	put_reason(layout, row);
	end_line(layout);
}

static void put_titles(struct layout *layout)
{
	int used = 0;

	fputs(colour(layout, REVERSED), layout->out);
	for (int i = 0; i < COLUMNS; i++) {
		int width = layout->width[i];

		if (width == 0)
			continue;
		fprintf(layout->out, "%s%*.*s", i == NAME ? "" : " ", i <= STATUS ? -width : width,
			width, columns[i].title);
		used += width + (i == NAME ? 0 : 1);
	}
	for (; layout->frame->colour && used < (int)layout->frame->columns; used++)
		fputc(' ', layout->out);
	fputs(colour(layout, PLAIN), layout->out);
	end_line(layout);
}

/* --- head and foot --- */

static double part_of(const cJSON *status, const char *what, const char *name)
{
	const cJSON *number = answer_item(answer_item(status, what), name);

	return cJSON_IsNumber(number) ? number->valuedouble : NAN;
}

/* One line, cut where the screen ends. Colours go around, not into it. */
static void put_line(struct layout *layout, const char *code, const char *text)
{
	const char *own = colour(layout, code);

	fprintf(layout->out, "%s%.*s%s", own, (int)layout->frame->columns, text,
		*own != '\0' ? PLAIN : "");
	end_line(layout);
}

static void put_head(struct layout *layout)
{
	const cJSON *status = layout->frame->status;
	bool in_sync = answer_true(status, "in-sync");
	char span[HUMAN_MAX], used[2][HUMAN_MAX], limit[2][HUMAN_MAX], text[256];

	snprintf(text, sizeof(text), "lbagent %s  up %s  generation %.0f  %s  %s",
		 answer_text(status, "version"),
		 human_span(answer_number(status, "uptime-seconds"), span),
		 answer_number(status, "generation"), in_sync ? "in sync" : "NOT IN SYNC",
		 layout->frame->clock);
	put_line(layout, in_sync ? BOLD : BOLD RED, text);
	snprintf(text, sizeof(text), "flows %s of %s  nat-flows %s of %s",
		 human_count(part_of(status, "used", "flows"), used[0]),
		 human_count(part_of(status, "limits", "flows"), limit[0]),
		 human_count(part_of(status, "used", "nat-flows"), used[1]),
		 human_count(part_of(status, "limits", "nat-flows"), limit[1]));
	put_line(layout, "", text);
	if (layout->frame->trouble != NULL)
		put_line(layout, RED, layout->frame->trouble);
	else
		put_line(layout, "", "");
}

static void put_drops(struct layout *layout)
{
	const struct rates *rates = layout->frame->rates;
	char text[512] = "drops/s ", number[HUMAN_MAX];
	size_t used = strlen(text);

	for (size_t i = 0; i < rates->drop_count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, " %s %s ",
					 rates->drops[i].reason,
					 human_count(rates->drops[i].packets, number));
	if (rates->drop_count == 0)
		snprintf(text + used, sizeof(text) - used, " none");
	put_line(layout, rates->drop_count ? YELLOW : DIM, text);
}

static void put_keys(struct layout *layout)
{
	const struct frame *frame = layout->frame;
	char text[256];

	snprintf(text, sizeof(text),
		 "q quit  s sort: %s%s  r reverse  n service: %s  up/down scroll",
		 rate_order_name(frame->order), frame->reversed ? ", least first" : "",
		 frame->only != NULL ? frame->only : "all");
	put_line(layout, DIM, text);
}

size_t frame_draw(FILE *out, const struct frame *frame)
{
	size_t behind = frame->live ? 2 : 1, rows = 0;
	struct layout layout = {.out = out, .frame = frame};

	make_layout(&layout);
	put_head(&layout);
	put_titles(&layout);
	for (size_t i = 0; i < frame->rates->row_count; i++) {
		const struct rate_row *row = &frame->rates->rows[i];

		if (frame->only != NULL && strcmp(frame->only, row->service) != 0)
			continue;
		if (rows++ >= frame->first && has_room(&layout, behind))
			put_row(&layout, row);
	}
	if (rows == 0)
		put_line(&layout, DIM, "no services");
	while (frame->live && has_room(&layout, behind))
		end_line(&layout);
	put_drops(&layout);
	if (frame->live)
		put_keys(&layout);
	return rows;
}
