/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include <stdlib.h>
#include <string.h>

/* An event and, behind it, its texts. */
struct entry {
	struct event event;
	size_t size;
	char texts[];
};

struct journal {
	struct entry **ring; /* capacity of them, `count` in use from `first` on */
	size_t capacity, first, count;
	size_t bytes, bytes_max;
	uint64_t newest;
};

struct journal *journal_new(size_t events_max, size_t bytes_max)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (!journal)
		return NULL;
	journal->ring = calloc(events_max, sizeof(struct entry *));
	journal->capacity = events_max;
	journal->bytes_max = bytes_max;
	if (journal->ring)
		return journal;
	journal_free(journal);
	return NULL;
}

static struct entry *entry_at(const struct journal *journal, size_t index)
{
	return journal->ring[(journal->first + index) % journal->capacity];
}

static void drop_oldest(struct journal *journal)
{
	struct entry *entry = entry_at(journal, 0);

	journal->bytes -= entry->size;
	journal->first = (journal->first + 1) % journal->capacity;
	journal->count--;
	free(entry);
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	while (journal->count)
		drop_oldest(journal);
	free(journal->ring);
	free(journal);
}

/* Copies *text to *place, cut at a whole UTF-8 character, and points *text there. */
static void keep_text(const char **text, char **place)
{
	size_t length = *text ? strnlen(*text, EVENT_TEXT_MAX + 1) : 0;

	if (length > EVENT_TEXT_MAX) {
		length = EVENT_TEXT_MAX;
		while (length && ((unsigned char)(*text)[length] & 0xc0) == 0x80)
			length--;
	}
	if (length)
		memcpy(*place, *text, length);
	(*place)[length] = '\0';
	*text = *place;
	*place += length + 1;
}

static size_t text_size(const char *text)
{
	return (text ? strnlen(text, EVENT_TEXT_MAX) : 0) + 1;
}

static struct entry *entry_new(const struct event *event)
{
	size_t size = sizeof(struct entry);
	struct entry *entry;
	char *place;

#define X(text) size += text_size(event->text);
	EVENT_TEXTS(X)
#undef X
	entry = malloc(size);
	if (!entry)
		return NULL;
	entry->event = *event;
	entry->size = size;
	place = entry->texts;
#define X(text) keep_text(&entry->event.text, &place);
	EVENT_TEXTS(X)
#undef X
	return entry;
}

const struct event *journal_add(struct journal *journal, const struct event *event)
{
	uint64_t seq = event->seq ? event->seq : journal->newest + 1;
	struct entry *entry;

	if (seq <= journal->newest)
		return NULL;
	journal->newest = seq;
	entry = entry_new(event);
	if (!entry)
		return NULL;
	entry->event.seq = seq;
	while (journal->count && (journal->count == journal->capacity ||
				  journal->bytes + entry->size > journal->bytes_max))
		drop_oldest(journal);
	journal->ring[(journal->first + journal->count++) % journal->capacity] = entry;
	journal->bytes += entry->size;
	return &entry->event;
}

const struct event *journal_after(const struct journal *journal, uint64_t seq)
{
	size_t low = 0, high = journal->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (entry_at(journal, middle)->event.seq <= seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low < journal->count ? &entry_at(journal, low)->event : NULL;
}

uint64_t journal_oldest(const struct journal *journal)
{
	return journal->count ? entry_at(journal, 0)->event.seq : journal->newest + 1;
}

uint64_t journal_newest(const struct journal *journal)
{
	return journal->newest;
}

size_t journal_count(const struct journal *journal)
{
	return journal->count;
}

size_t journal_bytes(const struct journal *journal)
{
	return journal->bytes;
}
