/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_BUDGET_H
#define SLUICE_BUDGET_H

/*
 * Budgets: so many flows or packets a second, and no more. See LB_BUDGET_SHIFT for one word.
 *
 * A service has a word of its own. Sources are too many for that, and whoever forges addresses has
 * as many as he likes: nothing that keeps an entry for each, and gives up the least recently used
 * ones, survives him. So sources share words: LB_BUDGET_ROWS rows of LB_BUDGET_ROW words, and each
 * source, service and kind of budget has one word in every row, where a keyed hash says. What a
 * source has spent is the least of its words; a grant raises its words to that and the cost, but
 * none that is above it already, and a refusal changes nothing. This is the multistage filter with
 * conservative update (Estan and Varghese, "New Directions in Traffic Measurement and Accounting",
 * SIGCOMM 2002), over words that run off as a leaky bucket does.
 *
 * No source gets more than its rate: each of its words is at least what it has spent. (Grants at
 * the same moment on several CPUs may count as one.) How likely is it that one gets less? Measure
 * sources by the part of their rate that they are granted: a forged address that sends one packet a
 * second where 100 are allowed is 0.01, a flooding one never more than 1. Let all others together
 * be U, the innocent one u < 1, b = LB_BUDGET_ROW, d = LB_BUDGET_ROWS. A word of its expects U / b
 * of the others, so by Markov's inequality it is more than 1 - u with a probability of at most
 * U / (b (1 - u)), and the source is refused only if that is so in all rows, whose hashes are
 * independent:
 *
 *   p <= (U / (b (1 - u)))^d
 *
 * With b = 2^18 and d = 4: 1,000 flooding prefixes and an innocent at half of its rate, p < 4e-9.
 * A million forged sources a second at 100 flows a second each, U = 10,000: p < 4e-5. The bound
 * says nothing any more from U = b (1 - u) on, which for 100 flows a second is 26 million forged
 * ones a second: then only the ceiling of the service helps. Forging an innocent's own address
 * spends its budget; that no filter at this end can tell.
 */
#include "hash.h"
#include "maps.h"
#include "packet.h"

enum budget_kind { LB_BUDGET_FLOWS, LB_BUDGET_PACKETS };

LB_INLINE __u64 budget_now(void)
{
	return bpf_jiffies64() << LB_BUDGET_SHIFT;
}

/* May a budget that is so far ahead of now grant another one? */
LB_INLINE bool budget_has(__s64 ahead, __u64 cost)
{
	const __s64 burst = 1LL << (lb_coarse_tick_shift + LB_BUDGET_SHIFT);

	return ahead <= 0 || ahead + (__s64)cost <= burst;
}

/* Takes `cost` of a budget that nobody shares. Several CPUs may go over it at one moment, which
 * the next ones pay for. */
LB_INLINE bool budget_take(__u64 *word, __u64 cost)
{
	__u64 now = budget_now(), seen = READ_ONCE(*word);
	__s64 ahead = seen - now;

	if (!budget_has(ahead, cost))
		return false;
	if (ahead < 0 && __sync_val_compare_and_swap(word, seen, now + cost) == seen)
		return true;
	__sync_fetch_and_add(word, cost);
	return true;
}

/* The source's prefix: the first `bits` of its address. */
LB_INLINE void source_prefix(struct lb_addr *addr, __u32 bits)
{
	int i;

#pragma unroll
	for (i = 0; i < 4; i++) {
		__u32 left = bits > 32U * i ? bits - 32U * i : 0;

		if (left < 32)
			addr->word[i] &= bpf_htonl(~(__u32)(0xffffffffULL >> left));
	}
}

LB_INLINE __u64 budget_hash(const struct lb_addr *prefix, __u32 service_id, enum budget_kind kind)
{
	return nh_pair(prefix->word[0], prefix->word[1], 4) +
	       nh_pair(prefix->word[2], prefix->word[3], 8) + nh_pair(service_id, kind, 0);
}

LB_INLINE __u64 *source_budget(__u64 hash, __u32 row)
{
	__u32 index = row * LB_BUDGET_ROW + (hash >> 32 * (row % 2)) % LB_BUDGET_ROW;

	return bpf_map_lookup_elem(&source_budgets, &index);
}

/* Takes `cost` of the budget that the source's words make. A function of its own: the verifier
 * takes it apart once. */
__noinline int source_budget_take(const struct lb_addr *prefix, __u32 service_id, __u32 kind,
				  __u64 cost)
{
	__u64 *words[LB_BUDGET_ROWS], hash[2], now = budget_now(), value;
	__s64 ahead, least = ~0ULL >> 1;
	int row;

	if (!prefix)
		return true;
	hash[0] = hash_finish(budget_hash(prefix, service_id, kind));
	hash[1] = hash_finish(hash[0] + 0x9e3779b97f4a7c15ULL); /* another 64 bits of the same */
#pragma unroll
	for (row = 0; row < LB_BUDGET_ROWS; row++) {
		words[row] = source_budget(hash[row / 2], row);
		if (!words[row])
			return true;
		ahead = READ_ONCE(*words[row]) - now;
		ahead = ahead < 0 ? 0 : ahead;
		least = ahead < least ? ahead : least;
	}
	if (!budget_has(least, cost))
		return false;
#pragma unroll
	for (row = 0; row < LB_BUDGET_ROWS; row++) {
		value = READ_ONCE(*words[row]);
		if ((__s64)(value - now) < (__s64)(least + cost))
			__sync_val_compare_and_swap(words[row], value, now + least + cost);
	}
	return true;
}

LB_INLINE bool source_may(const struct lb_service *service, const struct lb_addr *source,
			  __u32 service_id, enum budget_kind kind, __u64 cost)
{
	struct lb_addr prefix = *source;

	source_prefix(&prefix, addr_is_mapped(source) ? service->source_bits_ipv4
						      : service->source_bits_ipv6);
	return source_budget_take(&prefix, service_id, kind, cost);
}

/* May another flow begin? LB_PASS, or whose limit it is that it may not. A function of its own: it
 * is called for new flows of few services. */
__noinline int flow_judge(const struct lb_service *service, const struct lb_tuple *tuple,
			  __u32 service_id)
{
	struct lb_service_budget *budget;
	__u64 cost;

	if (!service || !tuple)
		return LB_INTERNAL;
	cost = READ_ONCE(service->source_flow_cost);
	if (cost && !source_may(service, &tuple->src, service_id, LB_BUDGET_FLOWS, cost))
		return LB_SOURCE_FLOWS;
	cost = READ_ONCE(service->flow_cost);
	budget = bpf_map_lookup_elem(&service_budgets, &service_id);
	return !cost || !budget || budget_take(&budget->flows, cost) ? LB_PASS : LB_SERVICE_FLOWS;
}

/* May another UDP flow of the service have an entry? Service 0 is none, and has no limit. */
LB_INLINE bool entry_may(__u32 service_id)
{
	struct lb_service *service = bpf_map_lookup_elem(&services, &service_id);
	__u64 cost = service ? READ_ONCE(service->entry_cost) : 0;
	struct lb_service_budget *budget = bpf_map_lookup_elem(&service_budgets, &service_id);

	return !cost || !budget || budget_take(&budget->entries, cost);
}

#endif
