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

/* Packets counted under each verdict so far. */
void world_verdicts(const struct engine *engine, uint64_t ret_packets[LB_VERDICT_COUNT]);

/* The one verdict that was counted since `before`; LB_VERDICT_COUNT: none or several. */
enum lb_verdict world_verdict_since(const struct engine *engine,
				    const uint64_t before[LB_VERDICT_COUNT]);

/* A counter of a backend, a VIP or the flow table by name. -EINVAL: there is none. */
int world_count(const struct engine *engine, const struct test_case *test, const char *what,
		const char *key, uint64_t *ret_value, struct error *err);

#endif
