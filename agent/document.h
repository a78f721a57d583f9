/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DOCUMENT_H
#define SLUICE_DOCUMENT_H

/*
 * The configuration as one document, {"services": [SPEC...]}: what `lbctl export` writes, `lbctl
 * apply` reads and a configuration file has. It holds what an operator asks for and nothing that
 * is under way: neither indices nor drains' deadlines, and no backend that is being removed.
 *
 * Written, it is canonical: services by name, VIPs and backends by address, of each only what is
 * not the default. So it does not depend on the order of changes, reading it and writing it again
 * gives the same bytes, and a later version with more keys writes the same as well. Pure.
 */
#include <cjson/cJSON.h>

#include "desired.h"

/* *ret_desired is new and the caller's, without indices, generation and seed. Unknown keys and
 * whatever would be refused one by one are refused here, with the place. */
int document_read(const cJSON *json, struct desired **ret_desired, struct error *err);

/* As document_read(), of the array alone. NULL: no services. */
int document_read_services(const cJSON *services, struct desired **ret_desired, struct error *err);

/* NULL: out of memory. */
cJSON *document_write(const struct desired *desired);

#define DOCUMENT_DRAIN_MS 30000 /* of what goes, if nobody says how long it may drain */

/* What becomes of backends that the document does not have any more. */
struct document_removal {
	bool now;             /* they go at once; else they drain first */
	uint64_t deadline_ms; /* of these drains, as steady_now() counts */
};

/*
 * Makes document, as read, the state that follows former: what is in both (services by name, VIPs
 * by value, backends by address and port) keeps its index and the deadline of its drain. Backends
 * that are being removed already stay so, unless the document has them. -EINVAL: a backend that
 * would drain does not fit its service any more.
 */
int document_follow(const struct desired *former, struct desired *document,
		    const struct document_removal *removal, struct error *err);

#endif
