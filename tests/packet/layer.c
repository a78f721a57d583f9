/* SPDX-License-Identifier: Apache-2.0 */
#include "layer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lexer.h"

const uint64_t *variable_value(const struct variables *variables, const char *name)
{
	size_t i;

	for (i = 0; i < variables->count; i++)
		if (strcmp(variables->variable[i].name, name) == 0)
			return &variables->variable[i].value;
	return NULL;
}

int variable_bind(struct variables *variables, const char *name, uint64_t value)
{
	if (variables->count == VARIABLES_MAX)
		return -E2BIG;
	snprintf(variables->variable[variables->count].name, VARIABLE_NAME, "%s", name);
	variables->variable[variables->count++].value = value;
	return 0;
}

/* "SA", or "none" */
static int read_flags(const char *text, uint64_t *ret_flags, struct error *err)
{
	uint64_t flags = 0;
	const char *letter;

	if (strcmp(text, "none") == 0)
		text = "";
	for (; *text; text++) {
		letter = strchr(TCP_FLAG_LETTERS, *text);
		if (!letter)
			return error_set(err, EINVAL, "'%c' is not a TCP flag of %s", *text,
					 TCP_FLAG_LETTERS);
		flags |= 1U << (letter - TCP_FLAG_LETTERS);
	}
	*ret_flags = flags;
	return 0;
}

static int read_field(const struct field *field, const char *text, uint8_t *header,
		      struct error *err)
{
	uint8_t *place = header + field->bit / 8; /* addresses begin on a byte */
	uint64_t max = field->width < 64 ? (1ULL << field->width) - 1 : ~0ULL;
	uint64_t value = 0;
	int r = 0;

	switch (field->format) {
	case FIELD_MAC:
		return read_mac(text, place, err);
	case FIELD_IP4:
	case FIELD_IP6:
		if (inet_pton(field->format == FIELD_IP4 ? AF_INET : AF_INET6, text, place) != 1)
			return error_set(err, EINVAL, "'%s': not an address for this layer", text);
		return 0;
	case FIELD_FLAGS:
		r = read_flags(text, &value, err);
		break;
	case FIELD_NUMBER:
	case FIELD_HEX:
		r = read_number(text, max, &value, err);
		break;
	}
	if (r == 0)
		field_put(header, field, value);
	return r;
}

static void layer_init(struct layer *layer, enum layer_kind kind)
{
	const struct protocol *protocol = &protocols[kind];
	struct error ignored;
	size_t i;

	memset(layer, 0, sizeof(*layer));
	layer->kind = kind;
	layer->tail_size = protocol->tail_initial;
	for (i = 0; i < FIELDS_MAX && protocol->fields[i].name; i++)
		if (protocol->fields[i].initial)
			read_field(&protocol->fields[i], protocol->fields[i].initial, layer->header,
				   &ignored);
}

/* Space for the tail; the default one is all zero: PadN of nothing, or an empty list. */
static int reserve_tail(struct layers *layers, struct layer *layer, size_t size, struct error *err)
{
	if (size > FRAME_MAX - layers->bytes_used)
		return error_set(err, EINVAL, "the packet is longer than %d bytes", FRAME_MAX);
	layer->tail_start = layers->bytes_used;
	layer->tail_size = size;
	layers->bytes_used += size;
	return 0;
}

/* "text" in quotes, hex digits, or (with `fill`) a number of bytes that count up from 0. */
static int parse_tail(struct layers *layers, struct layer *layer, const struct pair *pair,
		      bool fill, struct error *err)
{
	uint8_t *place = layers->bytes + layers->bytes_used;
	uint64_t size = 0;
	size_t i;
	int r;

	layer->tail_given = true;
	if (pair->quoted) {
		r = reserve_tail(layers, layer, strlen(pair->value), err);
		if (r == 0)
			memcpy(place, pair->value, layer->tail_size);
		return r;
	}
	if (!fill) {
		r = read_hex(pair->value, place, FRAME_MAX - layers->bytes_used, &size, err);
		return r < 0 ? r : reserve_tail(layers, layer, size, err);
	}
	r = read_number(pair->value, FRAME_MAX, &size, err);
	if (r == 0)
		r = reserve_tail(layers, layer, size, err);
	for (i = 0; r == 0 && i < size; i++)
		place[i] = i;
	return r;
}

/* data("text"), data(hex=...), data(len=N); likewise pad. */
static bool names_bytes(const struct protocol *protocol, const struct pair *pair)
{
	if (protocol->size > 0)
		return protocol->tail && strcmp(pair->key, protocol->tail) == 0;
	return (pair->quoted && !pair->key[0]) || strcmp(pair->key, "hex") == 0 ||
	       strcmp(pair->key, "len") == 0;
}

/* check=+N: wrong by N. */
static int parse_check_error(struct layer *layer, const char *text, struct error *err)
{
	uint64_t error = 0;
	int r = read_number(text, 0xfffe, &error, err);

	if (r == 0)
		layer->check_error = error;
	return r;
}

/* $name, $name+N */
static int parse_variable(struct layer *layer, size_t index, const char *text, struct error *err)
{
	const char *plus = strchr(text, '+');
	size_t length = plus ? (size_t)(plus - text) : strlen(text);
	uint64_t more = 0;
	int r = plus ? read_number(plus + 1, UINT32_MAX, &more, err) : 0;

	snprintf(layer->variable[index], VARIABLE_NAME, "%.*s", (int)length, text);
	layer->variable_plus[index] = (uint32_t)more;
	return r;
}

static int parse_pair(struct layers *layers, struct layer *layer, const struct pair *pair,
		      struct error *err)
{
	const struct protocol *protocol = &protocols[layer->kind];
	const struct field *field;
	size_t index;

	if (names_bytes(protocol, pair))
		return parse_tail(layers, layer, pair,
				  protocol->size == 0 && strcmp(pair->key, "len") == 0, err);
	field = field_named(protocol, pair->key, &index);
	if (!field)
		return error_set(err, EINVAL, "%s has no field '%s'", protocol->name,
				 pair->key[0] ? pair->key : pair->value);
	if (strcmp(pair->key, "check") == 0 && pair->value[0] == '+')
		return parse_check_error(layer, pair->value + 1, err);
	layer->given |= 1U << index;
	if (pair->value[0] != '$')
		return read_field(field, pair->value, layer->header, err);
	return parse_variable(layer, index, pair->value + 1, err);
}

/* Lengths of headers with a variable part are told in these units. */
static size_t unit_of(enum layer_kind kind)
{
	if (kind == LAYER_IP4 || kind == LAYER_TCP)
		return 4;
	return is_ipv6_extension(kind) ? 8 : 1;
}

static int check_size(const struct layer *layer, struct error *err)
{
	size_t size = protocols[layer->kind].size + layer->tail_size;

	if (size % unit_of(layer->kind) || (layer->kind == LAYER_IP4 && size > 60) ||
	    (layer->kind == LAYER_TCP && size > 60))
		return error_set(err, EINVAL, "%s cannot have %zu bytes of %s",
				 protocols[layer->kind].name, layer->tail_size,
				 protocols[layer->kind].tail);
	return 0;
}

static int parse_layer(const char **at, struct layers *layers, const char *name, struct error *err)
{
	struct layer *layer = &layers->layer[layers->count];
	struct pair pair;
	int kind, r;

	for (kind = 0; kind < LAYER_KINDS; kind++)
		if (strcmp(protocols[kind].name, name) == 0)
			break;
	if (kind == LAYER_KINDS)
		return error_set(err, EINVAL, "there is no layer '%s'", name);
	if (layers->count == LAYERS_MAX)
		return error_set(err, EINVAL, "more than %d layers", LAYERS_MAX);
	layer_init(layer, kind);
	r = reserve_tail(layers, layer, layer->tail_size, err);
	if (r < 0)
		return r;
	layers->count++;
	while (!lexer_accept(at, ')')) {
		r = lexer_pair(at, &pair, err);
		if (r == 0)
			r = parse_pair(layers, layer, &pair, err);
		if (r < 0)
			return r;
	}
	return check_size(layer, err);
}

/* cut(N), quote(N) */
static int parse_size(const char **at, const char *name, size_t *ret_size, struct error *err)
{
	struct pair pair;
	uint64_t size = 0;
	int r;

	r = lexer_pair(at, &pair, err);
	if (r == 0)
		r = read_number(pair.value, FRAME_MAX, &size, err);
	if (r < 0)
		return r;
	if (!lexer_accept(at, ')'))
		return error_set(err, EINVAL, "')' is missing behind %s(%s", name, pair.value);
	*ret_size = size;
	return 0;
}

int layers_parse(const char *text, struct layers *ret_layers, struct error *err)
{
	char name[LEXER_KEY_MAX];
	int r;

	memset(ret_layers, 0, sizeof(*ret_layers));
	while (!lexer_at_end(&text)) {
		r = lexer_name(&text, name, sizeof(name), err);
		if (r < 0)
			return r;
		if (!lexer_accept(&text, '('))
			return error_set(err, EINVAL, "'(' is missing behind '%s'", name);
		if (strcmp(name, "cut") == 0)
			r = parse_size(&text, name, &ret_layers->cut, err);
		else if (strcmp(name, "quote") == 0)
			r = parse_size(&text, name, &ret_layers->quote, err);
		else
			r = parse_layer(&text, ret_layers, name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct layer *find_layer(struct layers *layers, enum layer_kind kind, size_t nth)
{
	size_t i;

	for (i = 0; i < layers->count; i++)
		if (layers->layer[i].kind == kind && nth-- == 0)
			return &layers->layer[i];
	return NULL;
}

static void copy_field(struct layer *to, const struct layer *from, size_t index)
{
	const struct field *field = &protocols[to->kind].fields[index];

	if (field->width > 64)
		memcpy(to->header + field->bit / 8, from->header + field->bit / 8,
		       field->width / 8);
	else
		field_put(to->header, field, field_get(from->header, field));
	memcpy(to->variable[index], from->variable[index], VARIABLE_NAME);
	to->variable_plus[index] = from->variable_plus[index];
	to->given |= 1U << index;
}

static int change_layer(struct layers *layers, struct layer *to, const struct layers *change,
			const struct layer *from, struct error *err)
{
	size_t i;
	int r;

	for (i = 0; i < FIELDS_MAX; i++)
		if (from->given & 1U << i)
			copy_field(to, from, i);
	if (from->check_error)
		to->check_error = from->check_error;
	if (!from->tail_given)
		return 0;
	r = reserve_tail(layers, to, from->tail_size, err);
	if (r == 0)
		memcpy(layers->bytes + to->tail_start, change->bytes + from->tail_start,
		       from->tail_size);
	return r;
}

int layers_change(struct layers *layers, const struct layers *change, struct error *err)
{
	size_t seen[LAYER_KINDS] = {0};
	const struct layer *from;
	struct layer *to;
	size_t i;
	int r;

	for (i = 0; i < change->count; i++) {
		from = &change->layer[i];
		to = find_layer(layers, from->kind, seen[from->kind]++);
		if (!to)
			return error_set(err, EINVAL, "the packet that came in has no such %s()",
					 protocols[from->kind].name);
		r = change_layer(layers, to, change, from, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_layer(struct layers *layers, const struct layers *from, size_t index,
		      struct error *err)
{
	struct layer *layer = &layers->layer[layers->count];
	size_t start = from->layer[index].tail_start;
	int r;

	if (layers->count == LAYERS_MAX)
		return error_set(err, EINVAL, "more than %d layers", LAYERS_MAX);
	*layer = from->layer[index];
	r = reserve_tail(layers, layer, layer->tail_size, err);
	if (r < 0)
		return r;
	memcpy(layers->bytes + layer->tail_start, from->bytes + start, layer->tail_size);
	layers->count++;
	return 0;
}

int layers_wrap(struct layers *layers, const struct layers *front, struct error *err)
{
	struct layers *whole = calloc(1, sizeof(*whole));
	size_t i, inner = 0;
	int r = 0;

	if (!whole)
		return error_set(err, ENOMEM, "out of memory");
	whole->cut = layers->cut;
	while (inner < layers->count && layers->layer[inner].kind != LAYER_IP4 &&
	       layers->layer[inner].kind != LAYER_IP6)
		inner++;
	for (i = 0; r == 0 && i < front->count; i++)
		r = copy_layer(whole, front, i, err);
	for (i = inner; r == 0 && i < layers->count; i++)
		r = copy_layer(whole, layers, i, err);
	if (r == 0)
		*layers = *whole;
	free(whole);
	return r;
}

int layers_append(struct layers *layers, const uint8_t *bytes, size_t size, struct error *err)
{
	struct layer *layer = &layers->layer[layers->count];
	int r;

	if (layers->count == LAYERS_MAX)
		return error_set(err, EINVAL, "more than %d layers", LAYERS_MAX);
	layer_init(layer, LAYER_DATA);
	r = reserve_tail(layers, layer, size, err);
	if (r < 0)
		return r;
	memcpy(layers->bytes + layer->tail_start, bytes, size);
	layers->count++;
	return 0;
}

int layers_resolve(struct layers *layers, const struct variables *variables, struct error *err)
{
	struct layer *layer;
	const uint64_t *value;
	size_t i, f;

	for (i = 0; i < layers->count; i++) {
		layer = &layers->layer[i];
		for (f = 0; f < FIELDS_MAX; f++) {
			if (!layer->variable[f][0])
				continue;
			value = variable_value(variables, layer->variable[f]);
			if (!value)
				return error_set(err, ENOENT, "$%s has no value yet",
						 layer->variable[f]);
			field_put(layer->header, &protocols[layer->kind].fields[f],
				  *value + layer->variable_plus[f]);
			layer->variable[f][0] = '\0';
		}
	}
	return 0;
}
