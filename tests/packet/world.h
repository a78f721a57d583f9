/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_WORLD_H
#define SLUICE_PACKET_WORLD_H

/* What the agent does in earnest: fills the maps from a case's lines and reads them back. */
#include "engine.h"

/* Into fresh maps. Tables are filled by turns with the backends that are in them. */
int world_setup(const struct engine *engine, const struct test_case *test, struct error *err);

int world_put_backend(const struct engine *engine, const struct test_case *test, size_t index,
		      const struct case_backend *backend);
int world_put_table(const struct engine *engine, const struct test_case *test,
		    const struct step_table *table);
int world_put_marks(const struct engine *engine, const struct test_case *test,
		    const struct step_table *marks);
/* Whom the slots had before, in the index-th of lb_service's earlier tables. */
int world_put_earlier(const struct engine *engine, const struct test_case *test,
		      const struct step_table *owners, size_t index);

/*
 * Makes every entry older. Time itself cannot be moved in the kernel. Ages that an entry's clock
 * cannot tell become the longest that it can: the agent would have cleared those.
 */
int world_age(const struct engine *engine, const struct test_case *test, uint64_t ms);

/* The flow table's and the NAT table's entries, as sorted words BACKEND:STATE. */
void world_flows(const struct engine *engine, const struct test_case *test,
		 char ret_entries[CASE_ENTRIES_MAX]);
void world_nat(const struct engine *engine, const struct test_case *test,
	       char ret_entries[CASE_ENTRIES_MAX]);

/* Packets counted so far. */
struct world_packets {
	uint64_t verdicts[LB_VERDICT_COUNT];
	uint64_t backends; /* of all of them */
	uint64_t vips;
};

void world_packets(const struct engine *engine, struct world_packets *ret_packets);

/* The verdict of the one packet since `before`, for which the program returned this code;
 * LB_VERDICT_COUNT: it was counted more than once. */
enum lb_verdict world_verdict_since(const struct engine *engine, const struct world_packets *before,
				    int code);

/* A counter of a backend, a VIP or the flow table by name. -EINVAL: there is none. */
int world_count(const struct engine *engine, const struct test_case *test, const char *what,
		const char *key, uint64_t *ret_value, struct error *err);

#endif
