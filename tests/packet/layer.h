/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_LAYER_H
#define SLUICE_PACKET_LAYER_H

/*
 * A packet as a case writes it: layers, each with the fields that the case gave. What it did not
 * give has a default, or is computed when the frame is built (frame.h).
 */
#include "error.h"
#include "protocol.h"

#define LAYERS_MAX    16
#define FRAME_MAX     9216
#define VARIABLES_MAX 6
#define VARIABLE_NAME 16

struct layer {
	enum layer_kind kind;
	uint8_t header[HEADER_MAX];
	uint32_t given; /* bit i: the case gave field i */
	bool tail_given;
	size_t tail_start; /* in layers.bytes */
	size_t tail_size;
	uint16_t check_error; /* added to the right checksum on purpose */
	/* For field i the case wrote $name, not a value; empty: a value. */
	char variable[FIELDS_MAX][VARIABLE_NAME];
	uint32_t variable_plus[FIELDS_MAX]; /* $name+N */
};

struct layers {
	struct layer layer[LAYERS_MAX];
	size_t count;
	size_t cut;   /* the frame ends here whatever its headers say; 0: nowhere */
	size_t quote; /* so many bytes of the packet that came in stand behind the layers */
	uint8_t bytes[FRAME_MAX];
	size_t bytes_used;
};

/* Values that cases bind to $names. */
struct variables {
	struct {
		char name[VARIABLE_NAME];
		uint64_t value;
	} variable[VARIABLES_MAX];
	size_t count;
};

/* Reads "eth(...) ip4(...) tcp(...) data("x")" up to the end. 0, or -EINVAL with err filled. */
int layers_parse(const char *text, struct layers *ret_layers, struct error *err);

/*
 * Lays the fields that `change` gives over the layers of that name in *layers; the second vlan()
 * of one meets the second of the other. -EINVAL: there is no such layer.
 */
int layers_change(struct layers *layers, const struct layers *change, struct error *err);

/* Puts *front's layers in place of all that stand before the first IP header. -EINVAL: too many
 * layers or bytes. */
int layers_wrap(struct layers *layers, const struct layers *front, struct error *err);

/* Adds a layer data of these bytes. -EINVAL: too many layers or bytes. */
int layers_append(struct layers *layers, const uint8_t *bytes, size_t size, struct error *err);

/* Puts values in for variables. -ENOENT: one has no value yet, err says which. */
int layers_resolve(struct layers *layers, const struct variables *variables, struct error *err);

/* NULL: not bound. */
const uint64_t *variable_value(const struct variables *variables, const char *name);
/* -E2BIG: too many. */
int variable_bind(struct variables *variables, const char *name, uint64_t value);

#endif
