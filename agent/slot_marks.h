/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SLOT_MARKS_H
#define SLUICE_SLOT_MARKS_H

/*
 * Which slots of which services' tables are marked; see struct lb_tables in bpf/abi.h. A slot is
 * marked when its owner changes. Once that is as long ago as a flow may be idle, all flows that are
 * older have sent something and got an entry, so the mark then says the present owner; and it goes
 * when a round through the flow table has met no entry of the slot that names another.
 *
 * Of services whose flows have entries and whose slots follow from the flow's hash (scheduler
 * maglev); where it was so, but is no more, marks go as soon as such flows have entries or ended.
 * Time is the data plane's clock, in jiffies.
 */
#include "dataplane.h"

struct slot_marks;

/* NULL: out of memory. dp must outlive it. Marks of a former agent stay; their owners changed just
 * now, for all that is known. */
struct slot_marks *slot_marks_new(struct dataplane *dp);
void slot_marks_free(struct slot_marks *marks);

/* Where the flows of a service are that have no entries. */
enum slot_flows {
	SLOT_FLOWS_HERE,    /* with their slots' owners: slots that change are marked */
	SLOT_FLOWS_UNKNOWN, /* perhaps there; and entries may say anything: every slot is marked */
	/* There; but flows are not found by these slots any more: every slot is marked, until they
	 * have entries, */
	SLOT_FLOWS_LEAVE,
	SLOT_FLOWS_LEFT, /* and those marks stay */
};

/*
 * The service is about to get a table of these owners: fills former, of as many, with its marks
 * from then on. The service's tables are still those of before. Returns how many slots are marked,
 * or -ENOMEM: then nothing is changed.
 */
int slot_marks_change(struct slot_marks *marks, uint16_t service_id, const uint16_t *owners,
		      enum slot_flows flows, uint64_t now, uint16_t *former);

/* The service has no marks any more. */
void slot_marks_drop(struct slot_marks *marks, uint16_t service_id);

/* A flow of the service, which has marks, has an entry with this fingerprint. */
void slot_marks_see(struct slot_marks *marks, uint16_t service_id, uint32_t fingerprint,
		    uint16_t backend_id);

/* A round through the flow table has ended, whose entries of this service have all been seen.
 * Changes its marks in place; returns how many are left. */
uint32_t slot_marks_round(struct slot_marks *marks, uint16_t service_id, uint64_t now);

/* Coarse ticks for which a flow of the service may be silent and still be one, if it is of those
 * that need no entry: all but UDP. */
uint32_t slot_marks_silence(const struct dataplane_clock *clock, const struct lb_service *service);

/* May flows without an entry go to a backend that owns no slot any more? As of the last round. */
bool slot_marks_name(const struct slot_marks *marks, uint16_t service_id, uint16_t backend_id);

#endif
