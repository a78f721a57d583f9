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

/* Lines that are read, prefixes that are filled, or looked at for emptying, at once: some 1 to 5
 * ms. */
#define SOURCES_LINES   4096
#define SOURCES_AT_ONCE 2048
#define SOURCES_SWEEP   512

struct sources;

/* global_deny: words as in source_list.h, which must outlive it; "": none. NULL: out of memory. */
struct sources *sources_new(struct dataplane *dp, const char *global_deny);
void sources_free(struct sources *sources);

enum sources_mode {
	SOURCES_CHANGED, /* those whose words have changed */
	SOURCES_ALL,     /* a reload */
	/*
	 * All, at the start, which no list may prevent. One that cannot be read or filled is the
	 * one that an adopted data plane has; without that a deny list is empty, and an allow list
	 * too: it lets nobody in. The first error is told, and the rest done all the same. To be
	 * filled at once, before packets come, unless sources_held().
	 */
	SOURCES_START,
};

/*
 * Is what sources_check() and sources_read() would read for `next` read? Long files take
 * sources_tick() for that: SOURCES_MORE says to ask again. An error: a list cannot be read.
 */
#define SOURCES_MORE 1
int sources_ready(const struct sources *sources, const struct desired *next, enum sources_mode mode,
		  struct error *err);

/* May the lists that are new in `next` be loaded? Reads those that were not asked for before. */
int sources_check(const struct sources *sources, const struct desired *next, struct error *err);

/*
 * Reads what is to be loaded, and no more: what is in force stays. After an error nothing is to be
 * loaded any more, not even what was still under way; but see SOURCES_START.
 */
int sources_read(struct sources *sources, const struct desired *desired, enum sources_mode mode,
		 struct error *err);

/* At the start: is there a former one of each list that was read? It holds until that is filled. */
bool sources_held(const struct sources *sources);

/*
 * Fills the lists that were read, room prefixes at once, some 2 us each, and then makes
 * sources_lists() name all of them. 0: done; SOURCES_MORE: call again, after sources_tick(), which
 * may have to make room in the map; an error: all as before, and nothing is to be loaded any more.
 */
int sources_fill(struct sources *sources, size_t room, struct error *err);

/* Is something read and not yet in force, of this service or (NULL) of any? */
bool sources_loading(const struct sources *sources, const struct service_spec *service);

/* What the data plane is to go by; valid for as long as sources. */
const struct source_lists *sources_lists(const struct sources *sources);

/* Is any list in force? */
bool sources_any(const struct sources *sources);

/* Prefixes of a service's list in force; of the global one, service NULL and deny true. */
size_t sources_count(const struct sources *sources, const struct service_spec *service, bool deny);

/* Goes on with what is being read, or else with emptying lists that nobody goes by, a part at a
 * time. False: there is nothing to go on with. */
bool sources_tick(struct sources *sources);

/* Forgets what was read and is not wanted after all; to be called every tick of the loop. */
void sources_age(struct sources *sources);

#endif
