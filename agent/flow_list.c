/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "flow_word.h"

/* --- cursors --- */

const char *flow_cursor_format(const struct flow_cursor *cursor, char buffer[FLOW_CURSOR_TEXT_MAX])
{
	if (cursor->nat)
		snprintf(buffer, FLOW_CURSOR_TEXT_MAX, "n%" PRIu32 ".%" PRIu32, cursor->position,
			 cursor->skip);
	else
		snprintf(buffer, FLOW_CURSOR_TEXT_MAX, "f%" PRIu32, cursor->position);
	return buffer;
}

int flow_cursor_parse(const char *text, struct flow_cursor *ret_cursor, struct error *err)
{
	char copy[FLOW_CURSOR_TEXT_MAX], *dot;
	uint64_t position = 0, skip = 0;
	bool nat = *text == 'n';
	struct error unused;

	snprintf(copy, sizeof(copy), "%s", text);
	dot = strchr(copy, '.');
	if (dot)
		*dot = '\0';
	if ((!nat && *text != 'f') || nat != (dot != NULL) || strlen(text) >= sizeof(copy) ||
	    parse_number(copy + 1, 0, UINT32_MAX, &position, &unused) ||
	    (nat && parse_number(dot + 1, 0, DATAPLANE_NAT_ROOM, &skip, &unused))) {
		error_set(err, EINVAL, "not one of ours");
		return error_hint(err, -EINVAL, "give what `next` said, or none to begin");
	}
	*ret_cursor = (struct flow_cursor){nat, (uint32_t)position, (uint32_t)skip};
	return 0;
}

/* --- filter --- */

static bool is_wanted(const struct flow_filter *filter, const struct flow *flow)
{
	return filter->states[flow->state] && flow->age_ms >= filter->min_age_ms &&
	       flow->age_ms <= filter->max_age_ms &&
	       (!filter->backends || filter->backends[flow->backend]);
}

/* Are the first bits of the address those of the prefix? */
static bool is_within(const struct lb_addr *addr, const struct prefix *prefix)
{
	unsigned int bits =
		prefix->length ? prefix->length + 128u - address_bits(&prefix->address) : 0;
	const uint8_t *a = (const uint8_t *)addr, *b = prefix->address.ip.s6_addr;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

static bool show(struct flow_list *list, const struct flow *flow)
{
	if (is_wanted(list->filter, flow))
		list->full = !list->show(list->context, flow);
	return !list->full;
}

/* --- the flow table --- */

static bool step_words(struct flow_list *list)
{
	const struct dataplane *dp = list->dp;
	uint32_t end = dp->sizes.flows;
	struct flow_word word;
	uint64_t value;

	if (list->cursor.position < end && end - list->cursor.position > FLOW_LIST_STEP)
		end = list->cursor.position + FLOW_LIST_STEP;
	for (; list->cursor.position < end; list->cursor.position++) {
		value = __atomic_load_n(
			(const uint64_t *)&dp->flows[list->cursor.position / LB_FLOW_WAYS]
				.word[list->cursor.position % LB_FLOW_WAYS],
			__ATOMIC_RELAXED);
		if (value == 0 || !flow_word_read(dp, value, list->now, &word) ||
		    dp->services[word.service].mode == LB_MODE_NAT)
			continue;
		if (!show(list,
			  &(struct flow){
				  .backend = word.backend,
				  /* one packet seen, too */
				  .state = word.state == LB_FLOW_INHERITED ? LB_FLOW_EMBRYONIC
									   : word.state,
				  .age_ms = dataplane_ms(&dp->clock, word.state, word.age),
				  .fingerprint = (uint32_t)(value >> LB_FLOW_FINGERPRINT_SHIFT),
			  }))
			return false;
	}
	if (list->cursor.position >= dp->sizes.flows)
		list->cursor = (struct flow_cursor){.nat = true};
	return true;
}

/* --- translated flows --- */

static enum lb_flow_state nat_state(uint64_t life)
{
	if ((life & LB_NAT_STATE_MASK) == LB_NAT_CLOSED ||
	    life & (LB_NAT_FIN_CLIENT | LB_NAT_FIN_BACKEND))
		return LB_FLOW_CLOSING;
	return life & LB_NAT_ANSWERED ? LB_FLOW_ESTABLISHED : LB_FLOW_EMBRYONIC;
}

static uint64_t nat_idle_ms(const struct dataplane *dp, const struct lb_service *service,
			    enum lb_flow_state state, uint8_t l4_proto)
{
	uint16_t ticks = service->timeout[state];

	if (state == LB_FLOW_ESTABLISHED && l4_proto == IPPROTO_UDP)
		ticks = service->timeout_udp;
	return dataplane_ms(&dp->clock, state, ticks);
}

/* False: the entry is no live flow's. */
static bool read_nat(const struct flow_list *list, const struct lb_tuple *reply,
		     const struct lb_nat_entry *entry, struct flow *ret_flow)
{
	const struct dataplane *dp = list->dp;
	uint32_t ticks = (uint32_t)(list->now >> dp->clock.tick_shift);
	uint32_t age = ticks - (uint32_t)(entry->life >> LB_NAT_TIME_SHIFT);
	enum lb_flow_state state = nat_state(entry->life);
	uint64_t age_ms = (int32_t)age < 0 ? 0 : dataplane_ms(&dp->clock, LB_FLOW_EMBRYONIC, age);

	if ((entry->life & LB_NAT_STATE_MASK) < LB_NAT_LIVE || entry->service == 0 ||
	    entry->service > dp->sizes.services || entry->backend > dp->sizes.backends ||
	    dp->backends[entry->backend].service != entry->service)
		return false;
	*ret_flow = (struct flow){
		.backend = entry->backend,
		.state = state,
		.age_ms = age_ms,
		.reply = reply,
		.nat = entry,
	};
	return age_ms <= nat_idle_ms(dp, &dp->services[entry->service], state, reply->l4_proto) &&
	       is_within(&entry->client_addr, &list->filter->client);
}

static bool step_nat(struct flow_list *list)
{
	struct flow_list_room *room = list->room;
	uint32_t position = list->cursor.position, count, i;
	struct flow flow;
	bool end;

	count = list->dp->ops->nat_flows_read(list->dp, &position, room->replies, room->entries,
					      DATAPLANE_NAT_ROOM, &end);
	for (i = list->cursor.skip; i < count; i++) {
		if (read_nat(list, &room->replies[i], &room->entries[i], &flow) &&
		    !show(list, &flow)) {
			list->cursor.skip = i;
			return false;
		}
	}
	list->cursor.position = position;
	list->cursor.skip = 0;
	return !end;
}

bool flow_list_step(struct flow_list *list)
{
	if (!list->cursor.nat && list->filter->in_table)
		return step_words(list);
	list->cursor.nat = true;
	return list->filter->in_nat && step_nat(list);
}
