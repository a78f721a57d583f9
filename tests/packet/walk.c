/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

struct walk walk_begin(size_t frame_size)
{
	return (struct walk){.next = LAYER_ETH, .end = frame_size};
}

static size_t header_size(enum layer_kind kind, const uint8_t *header)
{
	switch (kind) {
	case LAYER_IP4:
		return header_get(kind, header, "ihl") * 4;
	case LAYER_GUE:
		return protocols[kind].size + header_get(kind, header, "hlen") * 4;
	case LAYER_TCP:
		return header_get(kind, header, "doff") * 4;
	case LAYER_HOPOPTS:
	case LAYER_ROUTING:
	case LAYER_DSTOPTS:
		return (header_get(kind, header, "len") + 1) * 8;
	default:
		return protocols[kind].size;
	}
}

/* What a GUE datagram's first byte says: a header, or an IP packet without one. */
static enum layer_kind gue_kind(uint8_t first)
{
	if (first >> 4 == 4)
		return LAYER_IP4;
	return first >> 4 == 6 ? LAYER_IP6 : LAYER_GUE;
}

static enum layer_kind next_kind(enum layer_kind kind, const uint8_t *header)
{
	switch (kind) {
	case LAYER_ETH:
	case LAYER_VLAN:
		return kind_of_ethertype(header_get(kind, header, "type"));
	case LAYER_IP4:
		if (header_get(kind, header, "frag"))
			return LAYER_DATA;
		return kind_of_ip_protocol(header_get(kind, header, "proto"));
	case LAYER_FRAGMENT:
		if (header_get(kind, header, "offset"))
			return LAYER_DATA;
		return kind_of_ip_protocol(header_get(kind, header, "next"));
	case LAYER_UDP:
		return header_get(kind, header, "dst") == GUE_PORT ? gue_kind(header[8])
								   : LAYER_DATA;
	case LAYER_GUE:
		return kind_of_ip_protocol(header_get(kind, header, "proto"));
	case LAYER_IP6:
	case LAYER_HOPOPTS:
	case LAYER_ROUTING:
	case LAYER_DSTOPTS:
		return kind_of_ip_protocol(header_get(kind, header, "next"));
	default:
		return LAYER_DATA;
	}
}

/* What an IP header says to be its packet's end, if the frame reaches that far. */
static size_t carried_end(const struct walk *walk, const uint8_t *header)
{
	size_t end = walk->end;

	if (walk->kind == LAYER_IP4)
		end = walk->start + header_get(LAYER_IP4, header, "len");
	if (walk->kind == LAYER_IP6)
		end = walk->start + protocols[LAYER_IP6].size +
		      header_get(LAYER_IP6, header, "len");
	return end < walk->end ? end : walk->end;
}

bool walk_next(struct walk *walk, const uint8_t *frame)
{
	const uint8_t *header;
	size_t left;

	walk->start += walk->size;
	if (walk->start >= walk->end)
		return false;
	left = walk->end - walk->start;
	header = frame + walk->start;
	walk->kind = walk->next;
	walk->size = left;
	walk->next = LAYER_DATA;
	if (walk->kind == LAYER_DATA || left < protocols[walk->kind].size) {
		walk->kind = LAYER_DATA;
		return true;
	}
	walk->size = header_size(walk->kind, header);
	if (walk->size < protocols[walk->kind].size || walk->size > left) {
		walk->kind = LAYER_DATA;
		walk->size = left;
		return true;
	}
	walk->end = carried_end(walk, header);
	walk->next = next_kind(walk->kind, header);
	return true;
}
