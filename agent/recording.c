/* SPDX-License-Identifier: Apache-2.0 */
#include "recording.h"

#include <errno.h>
#include <string.h>

/* What stands before a piece's name, first and second. */
struct head {
	uint8_t kind;
	uint8_t name_length; /* with its NUL */
	uint16_t first_length;
	uint16_t second_length;
	uint16_t code;
	uint32_t number;
};

int recording_next(const uint8_t **at, const uint8_t *end, struct recording_piece *ret_piece)
{
	const uint8_t *body = *at + sizeof(struct head);
	size_t left = (size_t)(end - *at), length;
	struct head head;

	if (left == 0)
		return 0;
	if (left < sizeof(head))
		return -EBADMSG;
	memcpy(&head, *at, sizeof(head));
	length = (size_t)head.name_length + head.first_length + head.second_length;
	if (left - sizeof(head) < length || head.name_length == 0 ||
	    body[head.name_length - 1] != '\0')
		return -EBADMSG;
	*ret_piece = (struct recording_piece){
		.kind = head.kind,
		.name = (const char *)body,
		.first = body + head.name_length,
		.second = body + head.name_length + head.first_length,
		.first_length = head.first_length,
		.second_length = head.second_length,
		.code = head.code,
		.number = head.number,
	};
	*at = body + length;
	return 1;
}

static bool write_part(FILE *file, const void *part, size_t length)
{
	return length == 0 || fwrite(part, length, 1, file) == 1;
}

bool recording_write(FILE *file, const struct recording_piece *piece)
{
	const char *name = piece->name ? piece->name : "";
	struct head head = {
		.kind = (uint8_t)piece->kind,
		.name_length = (uint8_t)(strlen(name) + 1),
		.first_length = piece->first_length,
		.second_length = piece->second_length,
		.code = piece->code,
		.number = piece->number,
	};

	return strlen(name) < UINT8_MAX && write_part(file, &head, sizeof(head)) &&
	       write_part(file, name, head.name_length) &&
	       write_part(file, piece->first, head.first_length) &&
	       write_part(file, piece->second, head.second_length);
}
