/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SOURCE_LIST_H
#define SLUICE_SOURCE_LIST_H

/*
 * Lists of sources as people write them. The words of a list are prefixes parted by commas, or the
 * absolute path of a file with one prefix a line, where # begins a comment.
 */
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

/* The text of a file; name is for messages, which name the line. Changes text. */
int source_list_read_text(const char *name, char *text, struct source_list *ret_list,
			  struct error *err);

/* Whatever the words are. A file that cannot be read, or is none, is refused, too. */
int source_list_read(const char *words, struct source_list *ret_list, struct error *err);

#endif
