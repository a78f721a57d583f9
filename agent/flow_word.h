/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FLOW_WORD_H
#define SLUICE_FLOW_WORD_H

/* What a word of the flow table means to the agent; see struct lb_flow_bucket. Inline, for there
 * are millions. */
#include "dataplane.h"

struct flow_word {
	uint32_t fingerprint;
	uint16_t service;
	uint16_t backend;
	enum lb_flow_state state;
	uint32_t age; /* of the state's ticks */
};

static inline enum lb_flow_state flow_word_state(uint64_t word)
{
	return (enum lb_flow_state)((word >> LB_FLOW_STATE_SHIFT) & LB_FLOW_STATE_MASK);
}

static inline uint16_t flow_word_backend(uint64_t word)
{
	return (uint16_t)((word >> LB_FLOW_BACKEND_SHIFT) & LB_FLOW_BACKEND_MASK);
}

static inline uint32_t flow_word_fingerprint(uint64_t word)
{
	return (uint32_t)(word >> LB_FLOW_FINGERPRINT_SHIFT);
}

static inline uint32_t flow_word_age(const struct dataplane_clock *clock, uint64_t word,
				     uint64_t now)
{
	uint8_t shift = flow_word_state(word) == LB_FLOW_EMBRYONIC ? clock->tick_shift
								   : clock->coarse_tick_shift;
	uint32_t age = (uint32_t)(((now >> shift) - word) & LB_FLOW_TIME_MASK);

	return age > LB_FLOW_TIME_MASK - LB_FLOW_TICKS_AHEAD ? 0 : age;
}

/* An entry does not say if it is of UDP; sync.c gives both the same time where one is all. */
static inline uint16_t flow_word_longest_idle(const struct lb_service *service,
					      enum lb_flow_state state)
{
	uint16_t timeout = service->timeout[state];

	if ((state == LB_FLOW_ESTABLISHED || state == LB_FLOW_INHERITED) &&
	    service->timeout_udp > timeout)
		timeout = service->timeout_udp;
	return timeout;
}

/* False: it is no flow's (any more): empty, too long idle, of a backend that is gone, or of a
 * service that does not track. now is in jiffies. */
static inline bool flow_word_read(const struct dataplane *dp, uint64_t word, uint64_t now,
				  struct flow_word *ret_flow)
{
	uint16_t backend = flow_word_backend(word);
	uint16_t service = backend <= dp->sizes.backends ? dp->backends[backend].service : 0;
	enum lb_flow_state state = flow_word_state(word);
	uint32_t age = flow_word_age(&dp->clock, word, now);

	if (word == 0 || service == 0 || !(dp->services[service].flags & LB_SERVICE_TRACK) ||
	    age > flow_word_longest_idle(&dp->services[service], state))
		return false;
	*ret_flow = (struct flow_word){flow_word_fingerprint(word), service, backend, state, age};
	return true;
}

#endif
