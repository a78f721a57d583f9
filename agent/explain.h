/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_EXPLAIN_H
#define SLUICE_EXPLAIN_H

/*
 * What the data plane would do with a packet, and why. Its own code, built natively (bpf/native),
 * runs on a packet made up for the purpose, over copies of the live maps' entries: so the answer
 * is the program's, and no counter and no flow changes.
 */
#include "dataplane.h"
#include "explain_maps.h"
#include "explain_packet.h"
#include "native/native.h"

/* One explanation: the run and its trace. */
struct explanation {
	struct explain_query query; /* flags filled in */
	struct lb_tuple tuple;      /* as the data plane keys the packet's flow */
	uint64_t now;               /* jiffies, of the run */
	struct native_result result;
	struct explain_maps *maps;
	uint8_t frame[EXPLAIN_FRAME_MAX]; /* as it came in */
	size_t frame_size;
	uint8_t sent[NATIVE_FRAME_MAX]; /* as it left */
	size_t sent_size;
};

/*
 * Explains the packet of a query. Where it gives no flags, it is a packet of the flow that
 * the live maps have an entry for, else one that begins a flow. Caller frees *ret_explanation by
 * explain_free() before the next is made. -ENOMEM; -EIO: a map cannot be read.
 */
int explain_run(struct dataplane *dp, const struct explain_query *query,
		struct explanation **ret_explanation, struct error *err);
/* NULL-safe. */
void explain_free(struct explanation *explanation);

/* The bucket of the flow table that had or has the packet's flow, else the flow's own; NULL: none
 * was asked for. And the flow's word as it was and as it is; 0: it has none. */
const struct explain_entry *explain_flow_bucket(const struct explanation *explanation,
						uint64_t *ret_before, uint64_t *ret_after);

/* The flow table's word of the packet's flow as it was; 0: it had none, or was not looked for. */
uint64_t explain_flow_word(const struct explanation *explanation);

/* What the packet made of that word. */
enum explain_entry_use {
	EXPLAIN_ENTRY_NONE,       /* there is none */
	EXPLAIN_ENTRY_FOLLOWED,   /* its backend has the packet */
	EXPLAIN_ENTRY_RETRANSMIT, /* so too: a SYN that is repeated */
	EXPLAIN_ENTRY_REOPENED,   /* a SYN begins a new flow by the same ports */
	EXPLAIN_ENTRY_IDLE,       /* it was silent for too long */
	EXPLAIN_ENTRY_DOWN,       /* its backend is not up */
	EXPLAIN_ENTRY_ELSEWHERE,  /* its backend is another service's by now */
};
enum explain_entry_use explain_entry_use(const struct explanation *explanation);

/* The service that the packet is for, as the data plane has it. False: for none. */
bool explain_service(const struct explanation *explanation, struct lb_service *ret_service);

/* A backend's record as the run saw it. False: it did not look. */
bool explain_backend(const struct explanation *explanation, uint16_t id,
		     struct lb_backend *ret_backend);

/* The entry of the flow that mode nat gave or found the packet's, as it was and as it is: found
 * false: it is new. False: the packet was not translated. */
struct explain_translation {
	bool found;
	struct lb_tuple reply; /* from the backend to our address */
	struct lb_nat_entry before;
	struct lb_nat_entry after;
};
bool explain_translation(const struct explanation *explanation,
			 struct explain_translation *ret_translation);

#endif
