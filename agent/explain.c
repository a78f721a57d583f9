/* SPDX-License-Identifier: Apache-2.0 */
#include "explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync.h"

static void fill_tuple(struct explanation *explanation)
{
	const struct explain_query *query = &explanation->query;

	explanation->tuple = (struct lb_tuple){
		.src = lb_addr_of(&query->source.address),
		.dst = lb_addr_of(&query->destination.address),
		.src_port = htons(query->source.port),
		.dst_port = htons(query->destination.port),
		.l4_proto = query->protocol,
	};
}

static int run(struct explanation *explanation, struct dataplane *dp, uint8_t flags,
	       struct error *err)
{
	struct native_constants constants;
	int ret;

	dp->ops->constants(dp, &constants);
	native_set_constants(&constants);
	explanation->now = dp->ops->now(dp);
	native_set_jiffies(explanation->now);
	*native_switches() = *dp->switches;
	native_switches()->capture = 0; /* nobody is to be shown this packet */
	explain_maps_clear(explanation->maps);
	explanation->query.flags = flags;
	explanation->frame_size = explain_packet_write(&explanation->query, explanation->frame);
	memcpy(explanation->sent, explanation->frame, explanation->frame_size);
	explanation->sent_size = explanation->frame_size;
	ret = native_run(explanation->sent, &explanation->sent_size, explanation->query.ifindex,
			 &explanation->result);
	if (ret)
		return error_set(err, -ret, "memory below 4 GiB for a packet: %s", strerror(-ret));
	ret = explain_maps_error(explanation->maps);
	if (ret)
		return error_set(err, EIO, "the data plane's maps cannot be read: %s",
				 strerror(-ret));
	return 0;
}

/* Did the run find its flow in a map, and follow what it found? */
static bool is_under_way(const struct explanation *explanation)
{
	struct explain_translation translation;

	if (explanation->result.verdict == LB_RETURN ||
	    explain_entry_use(explanation) == EXPLAIN_ENTRY_FOLLOWED)
		return true;
	return explain_translation(explanation, &translation) && translation.found;
}

/* Where the query leaves the flags open: of a flow under way, if there is one, else its beginning.
 */
static int run_likely(struct explanation *explanation, struct dataplane *dp, struct error *err)
{
	int ret = run(explanation, dp, EXPLAIN_ACK, err);

	if (ret || is_under_way(explanation))
		return ret;
	return run(explanation, dp, EXPLAIN_SYN, err);
}

int explain_run(struct dataplane *dp, const struct explain_query *query,
		struct explanation **ret_explanation, struct error *err)
{
	struct explanation *explanation = calloc(1, sizeof(*explanation));
	bool has_flags = query->protocol == IPPROTO_TCP || query->protocol == IPPROTO_SCTP;
	int ret;

	if (!explanation || !(explanation->maps = explain_maps_new(dp))) {
		free(explanation);
		return error_set(err, ENOMEM, "out of memory");
	}
	explanation->query = *query;
	fill_tuple(explanation);
	if (has_flags && !query->flags_given)
		ret = run_likely(explanation, dp, err);
	else
		ret = run(explanation, dp, query->flags, err);
	if (ret) {
		explain_free(explanation);
		return ret;
	}
	*ret_explanation = explanation;
	return 0;
}

void explain_free(struct explanation *explanation)
{
	if (!explanation)
		return;
	explain_maps_free(explanation->maps);
	free(explanation);
}

/* --- reading the trace --- */

static uint64_t word_in(const uint8_t *value, uint64_t hash)
{
	struct lb_flow_bucket bucket;

	memcpy(&bucket, value, sizeof(bucket));
	return native_flow_word(&bucket, hash);
}

/* The first that was asked for is the flow's own; others only if it has nothing of the flow. */
const struct explain_entry *explain_flow_bucket(const struct explanation *explanation,
						uint64_t *ret_before, uint64_t *ret_after)
{
	const struct explain_entry *entry = NULL, *first, *was = NULL, *is = NULL;
	uint64_t word;

	*ret_before = *ret_after = 0;
	first = explain_maps_next(explanation->maps, "flows", NULL);
	while ((entry = explain_maps_next(explanation->maps, "flows", entry))) {
		word = entry->found ? word_in(entry->before, explanation->result.hash) : 0;
		if (word && !was) {
			was = entry;
			*ret_before = word;
		}
		word = entry->present ? word_in(entry->value, explanation->result.hash) : 0;
		if (word && !is) {
			is = entry;
			*ret_after = word;
		}
	}
	return was ?: is ?: first;
}

uint64_t explain_flow_word(const struct explanation *explanation)
{
	uint64_t before, after;

	explain_flow_bucket(explanation, &before, &after);
	return before;
}

bool explain_service(const struct explanation *explanation, struct lb_service *ret_service)
{
	const struct explain_entry *entry =
		explanation->result.service_id ? explain_maps_at(explanation->maps, "services",
								 explanation->result.service_id)
					       : NULL;

	if (entry)
		memcpy(ret_service, entry->before, sizeof(*ret_service));
	return entry;
}

bool explain_backend(const struct explanation *explanation, uint16_t id,
		     struct lb_backend *ret_backend)
{
	const struct explain_entry *entry = explain_maps_at(explanation->maps, "backends", id);

	if (entry)
		memcpy(ret_backend, entry->before, sizeof(*ret_backend));
	return entry;
}

enum explain_entry_use explain_entry_use(const struct explanation *explanation)
{
	uint64_t word = explain_flow_word(explanation);
	uint32_t state = word >> LB_FLOW_STATE_SHIFT & LB_FLOW_STATE_MASK;
	struct lb_service service;
	struct lb_backend backend;

	if (!word || !explain_service(explanation, &service))
		return EXPLAIN_ENTRY_NONE;
	if (!explain_backend(explanation, word >> LB_FLOW_BACKEND_SHIFT & LB_FLOW_BACKEND_MASK,
			     &backend) ||
	    !(backend.hop.flags & LB_BACKEND_UP))
		return EXPLAIN_ENTRY_DOWN;
	if (backend.service != explanation->result.service_id)
		return EXPLAIN_ENTRY_ELSEWHERE;
	if (native_flow_age(word, explanation->now) >
	    native_flow_timeout(&service, explanation->query.protocol, state))
		return EXPLAIN_ENTRY_IDLE;
	if (explanation->result.syn_retransmit)
		return EXPLAIN_ENTRY_RETRANSMIT;
	return (explanation->query.flags & (EXPLAIN_SYN | EXPLAIN_ACK)) == EXPLAIN_SYN
		       ? EXPLAIN_ENTRY_REOPENED
		       : EXPLAIN_ENTRY_FOLLOWED;
}

static bool same_client(const struct lb_nat_entry *entry, const struct lb_tuple *tuple)
{
	return entry->client_port == tuple->src_port && entry->vip_port == tuple->dst_port &&
	       memcmp(&entry->client_addr, &tuple->src, sizeof(tuple->src)) == 0 &&
	       memcmp(&entry->vip_addr, &tuple->dst, sizeof(tuple->dst)) == 0;
}

bool explain_translation(const struct explanation *explanation,
			 struct explain_translation *ret_translation)
{
	bool back = explanation->result.verdict == LB_RETURN;
	const struct explain_entry *entry = NULL;
	struct explain_translation seen;

	while ((entry = explain_maps_next(explanation->maps, "nat_flows", entry))) {
		if (!entry->present)
			continue;
		memcpy(&seen.reply, entry->key, sizeof(seen.reply));
		memcpy(&seen.before, entry->before, sizeof(seen.before));
		memcpy(&seen.after, entry->value, sizeof(seen.after));
		seen.found =
			entry->found && (back || same_client(&seen.before, &explanation->tuple));
		if (!back && !same_client(&seen.after, &explanation->tuple))
			continue; /* another flow's port */
		*ret_translation = seen;
		return true;
	}
	return false;
}
