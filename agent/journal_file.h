/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_JOURNAL_FILE_H
#define SLUICE_JOURNAL_FILE_H

/*
 * A journal on disk, so that it outlives the agent. In the state directory stand
 *
 *   events.jsonl    an event a line, the latest last
 *   events.jsonl.1  what was that before it had grown too long
 *
 * Each event is written at once and as a whole, which kill -9 cannot take back; nothing waits
 * for the disk (no fsync), so that a machine that stops may lose the last of them. A line that
 * cannot be read is skipped.
 */
#include <sys/types.h>

#include "journal.h"

struct journal_file;

/* Fills journal, a new one, with the events that are there. Fails only for want of memory, or if
 * dir cannot be opened. */
int journal_file_open(const char *dir, off_t size_max, struct journal *journal,
		      struct journal_file **ret_file, struct error *err);
/* NULL-safe. */
void journal_file_close(struct journal_file *file);

/* Writes what the journal has and the file has not. Where that fails the file ends with the last
 * event that is whole; the rest is tried again at the next call. */
int journal_file_save(struct journal_file *file, const struct journal *journal, struct error *err);

#endif
