/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SOURCES_H
#define SLUICE_SOURCES_H

/*
 * The lists of sources in force: read, filled into the map sources on the side, made current by one
 * store each (sync.h), and emptied when nobody goes by them any more. A list that cannot be loaded
 * leaves all as it was. A long one is filled a part at a time, so that the loop has time for
 * others; one of a new service, which has no former list to hold, is in force meanwhile.
 *
 * A list is read when its words change and when a reload is asked for, and not when its file
 * changes: who edits a file is not to be surprised by half of it.
 */
#include "dataplane.h"
#include "desired.h"
#include "sync.h"

/* Prefixes that are filled, or looked at for emptying, at once: some 2 to 5 ms. */
#define SOURCES_AT_ONCE 2048
#define SOURCES_SWEEP   2048

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
	 * All, at the start, which no list may prevent. One that cannot be read or filled is the
	 * one that an adopted data plane has; without that a deny list is empty, and an allow list
	 * too: it lets nobody in. The first error is told, and the rest done all the same. To be
	 * filled at once, before packets come.
	 */
	SOURCES_START,
};

/*
 * Reads what is to be loaded, and no more: what is in force stays. After an error nothing is to be
 * loaded any more, not even what was still under way; but see SOURCES_START.
 */
int sources_read(struct sources *sources, const struct desired *desired, enum sources_mode mode,
		 struct error *err);

/*
 * Fills the lists that were read, room prefixes at once, some 2 us each, and then makes
 * sources_lists() name all of them. 0: done; SOURCES_MORE: call again; an error: all as before, and
 * nothing is to be loaded any more.
 */
#define SOURCES_MORE 1
int sources_fill(struct sources *sources, size_t room, struct error *err);

/* Is something read and not yet in force, of this service or (NULL) of any? */
bool sources_loading(const struct sources *sources, const struct service_spec *service);

/* What the data plane is to go by; valid for as long as sources. */
const struct source_lists *sources_lists(const struct sources *sources);

/* Is any list in force? */
bool sources_any(const struct sources *sources);

/* Prefixes of a service's list in force; of the global one, service NULL and deny true. */
size_t sources_count(const struct sources *sources, const struct service_spec *service, bool deny);

/* Empties lists that nobody goes by, a part at a time, once packets under way have left. */
void sources_tick(struct sources *sources);

#endif
