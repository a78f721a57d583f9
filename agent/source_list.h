/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SOURCE_LIST_H
#define SLUICE_SOURCE_LIST_H

/*
 * Lists of sources as people write them. The words of a list are prefixes parted by commas, or the
 * absolute path of a file with one prefix a line, where # begins a comment.
 */
#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "parse.h"

#define SOURCE_LIST_MAX   1000000 /* prefixes */
#define SOURCE_WORDS_MAX  4096    /* bytes */
#define SOURCE_FILE_BYTES (64UL << 20)

struct source_list {
	struct prefix *prefixes; /* owned; as they stood */
	size_t count;
};

/* Frees what list owns. */
void source_list_clear(struct source_list *list);

/* Do the words name a file? */
bool source_words_are_file(const char *words);

/* Prefixes parted by commas; -EINVAL names the one at fault. */
int source_list_read_words(const char *words, struct source_list *ret_list, struct error *err);

/* Whatever the words are. A file that cannot be read, or is none, is refused, too. */
int source_list_read(const char *words, struct source_list *ret_list, struct error *err);

/* --- a file, a part at a time --- */

struct source_reader;

/* Of an absolute path. A file that cannot be read, or is none, is refused. */
int source_reader_open(const char *path, struct source_reader **ret_reader, struct error *err);

/* Goes on by so many lines, some 0.2 us each. 0: that was the end; SOURCE_READER_MORE: there may be
 * more; -EINVAL names the line at fault. */
#define SOURCE_READER_MORE 1
int source_reader_step(struct source_reader *reader, size_t lines, struct error *err);

/* Is the file still the one that was opened, and as it was? */
bool source_reader_fresh(const struct source_reader *reader);

/* What was read so far; the reader's. */
const struct source_list *source_reader_list(const struct source_reader *reader);

/* NULL-safe. */
void source_reader_free(struct source_reader *reader);

#endif
