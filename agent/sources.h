/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SOURCES_H
#define SLUICE_SOURCES_H

/*
 * The lists of sources in force: read, filled into the map sources on the side, made current by one
 * store each (sync.h), and emptied when nobody goes by them any more. A list that cannot be loaded
 * leaves all as it was.
 *
 * A list is read when its words change and when a reload is asked for, and not when its file
 * changes: who edits a file is not to be surprised by half of it.
 */
#include "dataplane.h"
#include "desired.h"
#include "sync.h"

/* Prefixes that a tick looks at: some 2 ms. */
#define SOURCES_SWEEP 2048

struct sources;

/* global_deny: words as in source_list.h, which must outlive it; "": none. NULL: out of memory. */
struct sources *sources_new(struct dataplane *dp, const char *global_deny);
void sources_free(struct sources *sources);

/* May the lists that are new in `next` be loaded? By reading them. */
int sources_check(const struct sources *sources, const struct desired *next, struct error *err);

enum sources_mode {
	SOURCES_CHANGED, /* those whose words have changed */
	SOURCES_ALL,     /* a reload */
	/*
	 * All, at the start, which no list may prevent. One that cannot be loaded is the one that
	 * an adopted data plane has; without that a deny list is empty, and an allow list too: it
	 * lets nobody in. The first error is told, and the rest done all the same.
	 */
	SOURCES_START,
};

/* Fills what is to be loaded, and makes sources_lists() name it: all, or nothing. Takes no list
 * out of the map. */
int sources_load(struct sources *sources, const struct desired *desired, enum sources_mode mode,
		 struct error *err);

/* What the data plane is to go by; valid for as long as sources. */
const struct source_lists *sources_lists(const struct sources *sources);

/* Is any list in force? */
bool sources_any(const struct sources *sources);

/* Prefixes of a service's list in force; of the global one, service NULL and deny true. */
size_t sources_count(const struct sources *sources, const struct service_spec *service, bool deny);

/* Empties lists that nobody goes by, a part at a time, once packets under way have left. */
void sources_tick(struct sources *sources);

#endif
