/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SOURCE_READINGS_H
#define SLUICE_SOURCE_READINGS_H

/*
 * Files of lists of sources that are read a part at a time, before somebody needs them. Who is
 * about to go by a list asks for it until it is there, and takes it then; what nobody asks for any
 * more is forgotten after some seconds.
 */
#include "source_list.h"

struct source_readings;

/* NULL: out of memory. */
struct source_readings *source_readings_new(void);
void source_readings_free(struct source_readings *readings);

/*
 * Is the list of these words read? 0: it can be taken. SOURCE_READER_MORE: it is being read; ask
 * again later. An error: it cannot be read, and is forgotten. Reads up to `lines` lines now, so
 * short files are there at once, as words are that name no file. What was read of a file that is
 * not as it was then is read anew.
 */
int source_readings_ask(struct source_readings *readings, const char *words, size_t lines,
			struct error *err);

/* One that is read, or words that name no file. */
struct source_reading;

/* The caller's until source_reading_free(); others who go by the same file have the same. What was
 * not asked for is read now. */
int source_readings_take(struct source_readings *readings, const char *words,
			 struct source_reading **ret_reading, struct error *err);

/* Of NULL, an empty list. */
const struct source_list *source_reading_list(const struct source_reading *reading);
void source_reading_free(struct source_reading *reading);

/* All have theirs: whoever comes later is to have the file read anew. */
void source_readings_forget_taken(struct source_readings *readings);

/* Goes on with one by so many lines. False: there is nothing to go on with. */
bool source_readings_step(struct source_readings *readings, size_t lines);

/* To be called every now and then: some hundred times, and what nobody asks for is forgotten. */
void source_readings_age(struct source_readings *readings);

#endif
