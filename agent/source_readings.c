/* SPDX-License-Identifier: Apache-2.0 */
#include "source_readings.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define AGE_MAX 250

struct source_reading {
	char *path;
	struct source_reader *reader; /* NULL: of words */
	struct source_list words;
	int ret; /* SOURCE_READER_MORE while it is read */
	struct error err;
	unsigned int age; /* since it was asked for */
	unsigned int takers;
	bool listed; /* somebody may still ask for it */
	LIST_ENTRY(source_reading) link;
};

struct source_readings {
	LIST_HEAD(reading_head, source_reading) head;
};

struct source_readings *source_readings_new(void)
{
	struct source_readings *readings = calloc(1, sizeof(*readings));

	if (readings)
		LIST_INIT(&readings->head);
	return readings;
}

static void release(struct source_reading *reading)
{
	if (reading->listed || reading->takers)
		return;
	source_reader_free(reading->reader);
	source_list_clear(&reading->words);
	free(reading->path);
	free(reading);
}

/* Nobody is to find it any more. */
static void forget(struct source_reading *reading)
{
	LIST_REMOVE(reading, link);
	reading->listed = false;
	release(reading);
}

void source_readings_free(struct source_readings *readings)
{
	struct source_reading *reading, *next;

	if (!readings)
		return;
	for (reading = LIST_FIRST(&readings->head); reading; reading = next) {
		next = LIST_NEXT(reading, link);
		forget(reading);
	}
	free(readings);
}

static struct source_reading *find(const struct source_readings *readings, const char *path)
{
	struct source_reading *reading;

	LIST_FOREACH(reading, &readings->head, link)
	{
		if (strcmp(reading->path, path) == 0)
			return reading;
	}
	return NULL;
}

static int begin(struct source_readings *readings, const char *path,
		 struct source_reading **ret_reading, struct error *err)
{
	struct source_reading *reading = calloc(1, sizeof(*reading));
	int ret;

	if (!reading)
		return error_set(err, ENOMEM, "out of memory");
	reading->path = strdup(path);
	ret = reading->path ? source_reader_open(path, &reading->reader, err)
			    : error_set(err, ENOMEM, "out of memory");
	if (ret) {
		free(reading->path);
		free(reading);
		return ret;
	}
	reading->ret = SOURCE_READER_MORE;
	reading->listed = true;
	LIST_INSERT_HEAD(&readings->head, reading, link);
	*ret_reading = reading;
	return 0;
}

static void go_on(struct source_reading *reading, size_t lines)
{
	if (reading->ret == SOURCE_READER_MORE)
		reading->ret = source_reader_step(reading->reader, lines, &reading->err);
}

int source_readings_ask(struct source_readings *readings, const char *words, size_t lines,
			struct error *err)
{
	struct source_reading *reading;
	int ret = 0;

	if (!source_words_are_file(words))
		return 0;
	reading = find(readings, words);
	if (reading && reading->ret == 0 && !source_reader_fresh(reading->reader)) {
		forget(reading);
		reading = NULL;
	}
	if (!reading)
		ret = begin(readings, words, &reading, err);
	if (!reading)
		return ret;
	reading->age = 0;
	go_on(reading, lines);
	ret = reading->ret;
	if (ret < 0) {
		*err = reading->err;
		forget(reading);
	}
	return ret;
}

static int take_words(const char *words, struct source_reading **ret_reading, struct error *err)
{
	struct source_reading *reading = calloc(1, sizeof(*reading));
	int ret = reading ? source_list_read_words(words, &reading->words, err)
			  : error_set(err, ENOMEM, "out of memory");

	if (ret)
		free(reading);
	else
		*ret_reading = reading;
	return ret;
}

int source_readings_take(struct source_readings *readings, const char *words,
			 struct source_reading **ret_reading, struct error *err)
{
	struct source_reading *reading = NULL;
	int ret;

	if (source_words_are_file(words)) {
		ret = source_readings_ask(readings, words, SIZE_MAX, err);
		reading = ret ? NULL : find(readings, words);
	} else {
		ret = take_words(words, &reading, err);
	}
	if (ret)
		return ret;
	reading->takers++;
	*ret_reading = reading;
	return 0;
}

const struct source_list *source_reading_list(const struct source_reading *reading)
{
	static const struct source_list none;

	if (!reading)
		return &none;
	return reading->reader ? source_reader_list(reading->reader) : &reading->words;
}

void source_reading_free(struct source_reading *reading)
{
	if (!reading)
		return;
	reading->takers--;
	release(reading);
}

void source_readings_forget_taken(struct source_readings *readings)
{
	struct source_reading *reading, *next;

	for (reading = LIST_FIRST(&readings->head); reading; reading = next) {
		next = LIST_NEXT(reading, link);
		if (reading->takers)
			forget(reading);
	}
}

bool source_readings_step(struct source_readings *readings, size_t lines)
{
	struct source_reading *reading;

	LIST_FOREACH(reading, &readings->head, link)
	{
		if (reading->ret == SOURCE_READER_MORE) {
			go_on(reading, lines);
			return true;
		}
	}
	return false;
}

void source_readings_age(struct source_readings *readings)
{
	struct source_reading *reading, *next;

	for (reading = LIST_FIRST(&readings->head); reading; reading = next) {
		next = LIST_NEXT(reading, link);
		if (++reading->age > AGE_MAX)
			forget(reading);
	}
}
