/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_JOURNAL_H
#define SLUICE_JOURNAL_H

/*
 * The latest events in memory: so many at most, of so many bytes at most. When there is no more
 * room the oldest go. Pure.
 */
#include "event.h"

struct journal;

/* NULL: out of memory. */
struct journal *journal_new(size_t events_max, size_t bytes_max);
void journal_free(struct journal *journal);

/*
 * Copies an event into the journal, its texts cut where they are too long. Seq 0 is given the
 * next one; any other must be greater than the last. NULL: it is not, or out of memory; the seq
 * is then used up all the same, so that whoever follows sees that one is missing.
 */
const struct event *journal_add(struct journal *journal, const struct event *event);

/* The first event with a greater seq; NULL: none. Valid until the next journal_add(). */
const struct event *journal_after(const struct journal *journal, uint64_t seq);

/* The seq of the oldest event that is still there, or of the next one if there is none. */
uint64_t journal_oldest(const struct journal *journal);

/* The greatest seq given so far; 0: none. */
uint64_t journal_newest(const struct journal *journal);

/* How many there are, and the bytes they take. */
size_t journal_count(const struct journal *journal);
size_t journal_bytes(const struct journal *journal);

#endif
