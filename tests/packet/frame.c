/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <errno.h>
#include <string.h>

#include "walk.h"

/* Where each layer came to lie. */
struct layout {
	size_t start[LAYERS_MAX];
	size_t end; /* of the last layer that is not padding */
};

/* --- checksums (RFC 1071) --- */

static uint32_t sum_bytes(uint32_t sum, const uint8_t *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The pseudo header of RFC 9293, 3.1 and RFC 8200, 8.1: addresses, protocol, length. */
static uint32_t sum_pseudo(enum layer_kind ip, const uint8_t *header, uint8_t protocol,
			   size_t length)
{
	const uint8_t *addresses = ip == LAYER_IP4 ? header + 12 : header + 8;
	size_t size = ip == LAYER_IP4 ? 8 : 32;

	return sum_bytes(protocol + (length >> 16) + (length & 0xffff), addresses, size);
}

/* --- building --- */

static int lay_out(const struct layers *layers, struct frame *frame, struct layout *layout,
		   struct error *err)
{
	const struct layer *layer;
	size_t i, at = 0, size;

	layout->end = 0;
	for (i = 0; i < layers->count; i++) {
		layer = &layers->layer[i];
		size = protocols[layer->kind].size;
		if (at + size + layer->tail_size > FRAME_MAX)
			return error_set(err, EINVAL, "the packet is longer than %d bytes",
					 FRAME_MAX);
		layout->start[i] = at;
		memcpy(frame->bytes + at, layer->header, size);
		memcpy(frame->bytes + at + size, layers->bytes + layer->tail_start,
		       layer->tail_size);
		at += size + layer->tail_size;
		if (layer->kind != LAYER_PAD)
			layout->end = at;
	}
	frame->size = at;
	return 0;
}

/* Writes a field that the case did not give. */
static void fill(const struct layer *layer, uint8_t *header, const char *name, uint64_t value)
{
	size_t index;
	const struct field *field = field_named(&protocols[layer->kind], name, &index);

	if (!(layer->given & 1U << index))
		field_put(header, field, value);
}

/* `right` is the checksum as it should be. The error is added as RFC 1071 adds, so that a
 * correct incremental update hands it on unchanged. */
static void fill_check(const struct layer *layer, uint8_t *header, uint16_t right)
{
	fill(layer, header, "check",
	     layer->check_error ? fold((uint32_t)right + layer->check_error) : right);
}

static void fill_type(const struct layer *layer, uint8_t *header, const struct layer *next)
{
	int type = next ? ethertype_of_kind(next->kind) : -1;

	if (type >= 0)
		fill(layer, header, "type", type);
}

/* next of IPv6 and its extensions, proto of IPv4; 59 is "no next header". */
static void fill_protocol(const struct layer *layer, uint8_t *header, const struct layer *next)
{
	int number = next ? ip_protocol_of_kind(next->kind) : -1;

	fill(layer, header, layer->kind == LAYER_IP4 ? "proto" : "next", number >= 0 ? number : 59);
}

static void fill_ip4(const struct layer *layer, uint8_t *header, size_t length)
{
	size_t size = protocols[LAYER_IP4].size + layer->tail_size;

	fill(layer, header, "ihl", size / 4);
	fill(layer, header, "len", length);
	fill_check(layer, header, ~fold(sum_bytes(0, header, size)));
}

static void fill_l4(const struct layer *layer, uint8_t *header, size_t length,
		    const struct layer *ip, const uint8_t *ip_header)
{
	uint32_t sum = 0;
	uint16_t right;

	if (layer->kind == LAYER_TCP)
		fill(layer, header, "doff", (protocols[LAYER_TCP].size + layer->tail_size) / 4);
	if (layer->kind == LAYER_UDP)
		fill(layer, header, "len", length);
	if (ip && layer->kind != LAYER_ICMP)
		sum = sum_pseudo(ip->kind, ip_header, ip_protocol_of_kind(layer->kind), length);
	right = ~fold(sum_bytes(sum, header, length));
	if (layer->kind == LAYER_UDP && right == 0)
		right = 0xffff; /* RFC 768 */
	fill_check(layer, header, right);
}

/* The IP layer that layer i travels in. */
static const struct layer *carrier(const struct layers *layers, size_t i, size_t *ret_index)
{
	while (i-- > 0) {
		if (layers->layer[i].kind != LAYER_IP4 && layers->layer[i].kind != LAYER_IP6)
			continue;
		*ret_index = i;
		return &layers->layer[i];
	}
	return NULL;
}

static void fill_layer(const struct layers *layers, size_t i, const struct layout *layout,
		       struct frame *frame)
{
	const struct layer *layer = &layers->layer[i], *ip;
	const struct layer *next = i + 1 < layers->count ? layer + 1 : NULL;
	uint8_t *header = frame->bytes + layout->start[i];
	size_t length = layout->end - layout->start[i], at = 0;

	switch (layer->kind) {
	case LAYER_ETH:
	case LAYER_VLAN:
		fill_type(layer, header, next);
		break;
	case LAYER_IP4:
		fill_protocol(layer, header, next);
		fill_ip4(layer, header, length);
		break;
	case LAYER_IP6:
		fill_protocol(layer, header, next);
		fill(layer, header, "len", length - protocols[LAYER_IP6].size);
		break;
	case LAYER_HOPOPTS:
	case LAYER_ROUTING:
	case LAYER_DSTOPTS:
		fill(layer, header, "len",
		     (protocols[layer->kind].size + layer->tail_size) / 8 - 1);
		fill_protocol(layer, header, next);
		break;
	case LAYER_FRAGMENT:
		fill_protocol(layer, header, next);
		break;
	case LAYER_GUE:
		fill(layer, header, "proto", next ? ip_protocol_of_kind(next->kind) : 0);
		break;
	case LAYER_TCP:
	case LAYER_UDP:
	case LAYER_ICMP:
	case LAYER_ICMP6:
		ip = carrier(layers, i, &at);
		fill_l4(layer, header, length, ip, frame->bytes + layout->start[at]);
		break;
	default:
		break;
	}
}

int frame_build(const struct layers *layers, struct frame *ret_frame, struct error *err)
{
	struct layout layout = {0};
	size_t i;
	int r;

	r = lay_out(layers, ret_frame, &layout, err);
	if (r < 0)
		return r;
	for (i = layers->count; i-- > 0;)
		fill_layer(layers, i, &layout, ret_frame);
	if (layers->cut && layers->cut < ret_frame->size)
		ret_frame->size = layers->cut;
	return 0;
}

static int bind_field(const struct frame *frame, size_t start, const struct layer *layer,
		      size_t index, uint64_t low, uint64_t high, struct variables *variables,
		      struct error *err)
{
	const char *name = layer->variable[index];
	uint64_t value;

	if (!name[0] || variable_value(variables, name))
		return 0;
	if (start + protocols[layer->kind].size > frame->size)
		return error_set(err, EINVAL, "the packet is too short for $%s", name);
	value = field_get(frame->bytes + start, &protocols[layer->kind].fields[index]) -
		layer->variable_plus[index];
	/* A tunnel's source may be anything; a port that a case names is one of the NAT ports. */
	if (layer->kind != LAYER_IP4 && layer->kind != LAYER_IP6 && name[0] != '_' &&
	    (value < low || value > high))
		return error_set(err, ERANGE, "$%s is %llu, outside of %llu to %llu", name,
				 (unsigned long long)value, (unsigned long long)low,
				 (unsigned long long)high);
	if (variable_bind(variables, name, value) < 0)
		return error_set(err, EINVAL, "more than %d variables", VARIABLES_MAX);
	return 0;
}

int frame_bind(const struct frame *frame, const struct layers *layers, uint64_t low, uint64_t high,
	       struct variables *variables, struct error *err)
{
	size_t i, f, start = 0;
	int r;

	for (i = 0; i < layers->count; i++) {
		for (f = 0; f < FIELDS_MAX; f++) {
			r = bind_field(frame, start, &layers->layer[i], f, low, high, variables,
				       err);
			if (r < 0)
				return r;
		}
		start += protocols[layers->layer[i].kind].size + layers->layer[i].tail_size;
	}
	return 0;
}

/* --- mending --- */

/* The first IP header, and UDP right behind it, reach to the frame's end. */
static void mend_lengths(struct frame *frame)
{
	struct walk step = walk_begin(frame->size);
	uint8_t *header;

	while (walk_next(&step, frame->bytes)) {
		header = frame->bytes + step.start;
		if (step.kind == LAYER_IP4)
			header_put(LAYER_IP4, header, "len", frame->size - step.start);
		if (step.kind == LAYER_IP6)
			header_put(LAYER_IP6, header, "len", frame->size - step.start - step.size);
		if (step.kind == LAYER_UDP)
			header_put(LAYER_UDP, header, "len", frame->size - step.start);
		if (step.kind != LAYER_ETH && step.kind != LAYER_VLAN && step.kind != LAYER_IP4 &&
		    step.kind != LAYER_IP6)
			break;
	}
}

static void mend_check(const struct walk *step, const struct walk *ip, struct frame *frame)
{
	uint8_t *header = frame->bytes + step->start;
	size_t length = step->kind == LAYER_IP4 ? step->size : ip->end - step->start;
	uint32_t sum = 0;
	uint16_t right;

	if (step->kind != LAYER_IP4 && step->kind != LAYER_ICMP)
		sum = sum_pseudo(ip->kind, frame->bytes + ip->start,
				 ip_protocol_of_kind(step->kind), length);
	header_put(step->kind, header, "check", 0);
	right = ~fold(sum_bytes(sum, header, length));
	if (step->kind == LAYER_UDP && right == 0)
		right = 0xffff; /* RFC 768 */
	header_put(step->kind, header, "check", right);
}

void frame_mend(struct frame *frame)
{
	struct walk steps[LAYERS_MAX], ips[LAYERS_MAX];
	struct walk step, ip = {.kind = LAYER_DATA};
	size_t count = 0;

	mend_lengths(frame);
	step = walk_begin(frame->size);
	while (count < LAYERS_MAX && walk_next(&step, frame->bytes)) {
		if (step.kind == LAYER_IP4 || step.kind == LAYER_IP6)
			ip = step;
		if (step.kind != LAYER_IP4 && step.kind != LAYER_TCP && step.kind != LAYER_UDP &&
		    step.kind != LAYER_ICMP && step.kind != LAYER_ICMP6)
			continue;
		if (ip.kind == LAYER_DATA)
			continue;
		steps[count] = step;
		ips[count++] = ip;
	}
	while (count-- > 0) /* the inner ones first: outer ones sum over them */
		mend_check(&steps[count], &ips[count], frame);
}

/* --- checking --- */

static int verify_ip4(const uint8_t *header, size_t size, struct error *err)
{
	if (fold(sum_bytes(0, header, size)) != 0xffff)
		return error_set(err, EBADMSG, "the IPv4 header checksum is wrong");
	return 0;
}

static int verify_l4(const struct walk *step, const struct walk *ip, const struct frame *frame,
		     struct error *err)
{
	const uint8_t *header = frame->bytes + step->start;
	size_t length = ip->end - step->start;
	uint32_t sum = 0;

	if (step->kind == LAYER_UDP && header_get(LAYER_UDP, header, "check") == 0)
		return 0;
	if (step->kind == LAYER_UDP)
		length = header_get(LAYER_UDP, header, "len");
	if (step->start + length > frame->size)
		return error_set(err, EBADMSG, "the %s length is wrong",
				 protocols[step->kind].name);
	if (step->kind != LAYER_ICMP)
		sum = sum_pseudo(ip->kind, frame->bytes + ip->start,
				 ip_protocol_of_kind(step->kind), length);
	if (fold(sum_bytes(sum, header, length)) != 0xffff)
		return error_set(err, EBADMSG, "the %s checksum is wrong",
				 protocols[step->kind].name);
	return 0;
}

int frame_verify(const struct frame *frame, struct error *err)
{
	struct walk step = walk_begin(frame->size), ip = {.kind = LAYER_DATA};
	int r = 0;

	while (r == 0 && walk_next(&step, frame->bytes)) {
		switch (step.kind) {
		case LAYER_IP4:
			r = verify_ip4(frame->bytes + step.start, step.size, err);
			ip = step;
			break;
		case LAYER_IP6:
			ip = step;
			break;
		case LAYER_TCP:
		case LAYER_UDP:
		case LAYER_ICMP:
		case LAYER_ICMP6:
			if (ip.kind != LAYER_DATA)
				r = verify_l4(&step, &ip, frame, err);
			break;
		default:
			break;
		}
	}
	return r;
}

bool frame_equal(const struct frame *a, const struct frame *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}
