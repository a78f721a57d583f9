/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <string.h>

#include "frame.h"
#include "walk.h"

/* The field's bytes differ between the two frames (or one does not reach that far). */
static bool differs(const struct frame *a, const struct frame *b, size_t start,
		    const struct field *field)
{
	size_t first = start + field->bit / 8;
	size_t last = start + (field->bit + field->width - 1) / 8;

	if (!b)
		return false;
	if (last >= b->size)
		return true;
	if (field->width > 64)
		return memcmp(a->bytes + first, b->bytes + first, last - first + 1) != 0;
	return field_get(a->bytes + start, field) != field_get(b->bytes + start, field);
}

static void print_flags(FILE *out, uint64_t flags)
{
	size_t i;

	for (i = 0; i < strlen(TCP_FLAG_LETTERS); i++)
		if (flags & 1U << i)
			fputc(TCP_FLAG_LETTERS[i], out);
	if (!flags)
		fputs("none", out);
}

static void print_field(FILE *out, const uint8_t *header, const struct field *field)
{
	const uint8_t *place = header + field->bit / 8;
	char text[INET6_ADDRSTRLEN];

	fprintf(out, "%s=", field->name);
	switch (field->format) {
	case FIELD_MAC:
		fprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x", place[0], place[1], place[2],
			place[3], place[4], place[5]);
		break;
	case FIELD_IP4:
		fputs(inet_ntop(AF_INET, place, text, sizeof(text)), out);
		break;
	case FIELD_IP6:
		fputs(inet_ntop(AF_INET6, place, text, sizeof(text)), out);
		break;
	case FIELD_FLAGS:
		print_flags(out, field_get(header, field));
		break;
	case FIELD_HEX:
		fprintf(out, "0x%llx", (unsigned long long)field_get(header, field));
		break;
	case FIELD_NUMBER:
		fprintf(out, "%llu", (unsigned long long)field_get(header, field));
		break;
	}
}

static void print_layer(FILE *out, const struct walk *step, const struct frame *frame,
			const struct frame *other)
{
	const struct protocol *protocol = &protocols[step->kind];
	size_t i;

	fprintf(out, "#     %s(", protocol->name);
	for (i = 0; i < FIELDS_MAX && protocol->fields[i].name; i++) {
		if (i)
			fputc(' ', out);
		if (differs(frame, other, step->start, &protocol->fields[i]))
			fputs(">>", out);
		print_field(out, frame->bytes + step->start, &protocol->fields[i]);
	}
	if (step->size > protocol->size)
		fprintf(out, "%s%zu bytes", i ? " " : "", step->size - protocol->size);
	fputs(")\n", out);
}

static void print_hex(FILE *out, const struct frame *frame)
{
	size_t i;

	for (i = 0; i < frame->size; i++) {
		if (i % 16 == 0)
			fprintf(out, "%s#     %04zx ", i ? "\n" : "", i);
		fprintf(out, " %02x", frame->bytes[i]);
	}
	fputc('\n', out);
}

void frame_print(FILE *out, const struct frame *frame, const struct frame *other)
{
	struct walk step = walk_begin(frame->size);

	while (walk_next(&step, frame->bytes))
		print_layer(out, &step, frame, other);
	print_hex(out, frame);
}
