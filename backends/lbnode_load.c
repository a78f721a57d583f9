/* SPDX-License-Identifier: Apache-2.0 */
#include "lbnode_load.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

/* --- reading --- */

/* The line that begins with word and a blank; NULL: there is none. */
static const char *find_line(const char *text, const char *word)
{
	size_t length = strlen(word);

	while (text && (strncmp(text, word, length) != 0 || text[length] != ' ')) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text;
}

/* The numbers at `text`, blanks between them, of this line and at most so many. Returns how many.
 */
static size_t read_numbers(const char *text, uint64_t *numbers, size_t most)
{
	size_t count, length;
	struct error ignored;
	char word[24];

	for (count = 0; count < most; count++, text += length) {
		text += strspn(text, " ");
		length = strcspn(text, " \n");
		snprintf(word, sizeof(word), "%.*s", (int)length, text);
		if (parse_number(word, 0, UINT64_MAX, &numbers[count], &ignored))
			break;
	}
	return count;
}

static uint32_t count_processors(const char *text)
{
	uint32_t count = 0;

	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		count += strncmp(text, "cpu", 3) == 0 && text[3] >= '0' && text[3] <= '9';
	}
	return count;
}

int load_read_stat(const char *text, struct load_sample *sample, struct error *err)
{
	/* user, nice, system, idle, iowait, irq, softirq, steal; guests are in user (proc(5)). */
	uint64_t ticks[8] = {0}, total = 0, runnable;
	const char *cpu = find_line(text, "cpu"), *running = find_line(text, "procs_running");

	if (!cpu || !running || read_numbers(cpu + strlen("cpu"), ticks, 8) < 4 ||
	    read_numbers(running + strlen("procs_running"), &runnable, 1) < 1)
		return error_set(err, EINVAL, "/proc/stat does not say what is known of it");
	for (size_t i = 0; i < 8; i++)
		total += ticks[i];
	sample->running = (uint32_t)runnable;
	sample->total = total;
	sample->busy = total - ticks[3] - ticks[4];
	sample->processors = count_processors(text);
	return 0;
}

bool load_read_pressure(const char *text, struct load_sample *sample)
{
	const char *some = find_line(text, "some"), *total = some ? strstr(some, "total=") : NULL;

	return total && read_numbers(total + strlen("total="), &sample->pressure_us, 1) == 1;
}

/* --- means --- */

void load_add(struct load_history *history, const struct load_sample *sample)
{
	history->samples[history->next] = *sample;
	history->next = (history->next + 1) % (LOAD_SAMPLES + 1);
	if (history->count < LOAD_SAMPLES + 1)
		history->count++;
}

/* The i-th of those that there are, from the oldest. */
static const struct load_sample *sample_at(const struct load_history *history, size_t i)
{
	return &history->samples[(history->next + LOAD_SAMPLES + 1 - history->count + i) %
				 (LOAD_SAMPLES + 1)];
}

static double part(uint64_t after, uint64_t before, uint64_t of)
{
	return of && after >= before ? fmin(1, (double)(after - before) / (double)of) : -1;
}

/* Whoever takes the sample runs as well. */
static double runqueue_of(const struct load_sample *sample)
{
	return sample->processors
		       ? (double)(sample->running ? sample->running - 1 : 0) / sample->processors
		       : -1;
}

struct load_figures load_look(const struct load_history *history, bool hooked, double value)
{
	struct load_figures figures = {-1, -1, -1, -1, value, -1};
	const struct load_sample *first, *last;
	double runqueue = 0, backlog = 0;
	size_t i;

	if (history->count < 2)
		return figures;
	first = sample_at(history, 0);
	last = sample_at(history, history->count - 1);
	for (i = 1; i < history->count; i++) {
		runqueue += runqueue_of(sample_at(history, i));
		backlog += sample_at(history, i)->backlog;
	}
	figures.cpu = part(last->busy, first->busy, last->total - first->total);
	figures.runqueue = runqueue / (double)(history->count - 1);
	figures.backlog = backlog / (double)(history->count - 1);
	if (first->pressure_us)
		figures.pressure =
			part(last->pressure_us, first->pressure_us, last->time_us - first->time_us);
	figures.load = hooked ? value : fmax(figures.cpu, fmax(figures.runqueue, figures.backlog));
	return figures;
}

/* --- telling --- */

void load_print(const struct load_figures *figures, const char *problem, FILE *out)
{
	const struct {
		const char *key;
		double value;
	} fields[] = {
		{"load", figures->load},         {"cpu", figures->cpu},
		{"runqueue", figures->runqueue}, {"pressure", figures->pressure},
		{"backlog", figures->backlog},   {"value", figures->value},
	};
	const char *before = "{";

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].value < 0)
			continue;
		fprintf(out, "%s\"%s\": %.3f", before, fields[i].key, fields[i].value);
		before = ", ";
	}
	if (figures->load < 0)
		fprintf(out, "%s\"problem\": \"%s\"", before, problem);
	fputs("}\n", out);
}
