/* SPDX-License-Identifier: Apache-2.0 */
#include "dns_message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define CLASS_IN        1
#define LABEL_MAX       63
#define POINTER         0xc0 /* the two bits that make a label a pointer */
#define FLAG_RESPONSE   0x80 /* of byte 2 */
#define FLAGS_OPCODE    0x78
#define FLAG_TRUNCATED  0x02
#define FLAG_RECURSE    0x01
#define CODE_MASK       0x0f /* of byte 3 */
#define RECORD_HEAD     10   /* type, class, TTL, length: behind a record's name */
#define QUESTION_TAIL   4    /* type, class */
#define COUNT_QUESTIONS 4    /* offsets into the header */
#define COUNT_ANSWERS   6

const char *const dns_type_words[DNS_TYPE_WORDS] = {
	[DNS_A] = "A",     [DNS_NS] = "NS", [DNS_CNAME] = "CNAME", [DNS_SOA] = "SOA",
	[DNS_PTR] = "PTR", [DNS_MX] = "MX", [DNS_TXT] = "TXT",     [DNS_AAAA] = "AAAA",
};

bool dns_type_has_text(enum dns_type type)
{
	return type != DNS_SOA && type != DNS_MX;
}

const char *dns_code_name(uint8_t code)
{
	static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
					    "NXDOMAIN", "NOTIMP",  "REFUSED"};

	return code < ARRAY_SIZE(names) ? names[code] : NULL;
}

static uint16_t read_u16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void write_u16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

/* --- the question --- */

static int refuse_name(const char *reason, struct error *err)
{
	error_set(err, EINVAL, "%s", reason);
	return error_hint(err, -EINVAL, "write a name like www.example.org");
}

/* Writes name at ret_wire, which has DNS_NAME_MAX bytes. */
static int write_name(const char *name, uint8_t *ret_wire, size_t *ret_length, struct error *err)
{
	size_t length = 0;

	if (strcmp(name, ".") == 0)
		name++;
	while (*name) {
		size_t label = strcspn(name, ".");

		if (label == 0)
			return refuse_name("has an empty label", err);
		if (label > LABEL_MAX)
			return refuse_name("has a label of more than 63 characters", err);
		if (length + 1 + label + 1 > DNS_NAME_MAX)
			return refuse_name("longer than a domain name may be", err);
		ret_wire[length++] = (uint8_t)label;
		for (size_t i = 0; i < label; i++) {
			if (name[i] <= ' ' || name[i] > '~')
				return refuse_name("has a space, control or non-ASCII character",
						   err);
			ret_wire[length++] = (uint8_t)name[i];
		}
		name += label;
		name += *name == '.';
	}
	ret_wire[length++] = 0;
	*ret_length = length;
	return 0;
}

int dns_question_write(const char *name, enum dns_type type, uint8_t buffer[DNS_QUESTION_MAX],
		       size_t *ret_length, struct error *err)
{
	uint8_t question[DNS_QUESTION_MAX] = {[2] = FLAG_RECURSE, [COUNT_QUESTIONS + 1] = 1};
	size_t length = 0;
	int r = write_name(name, question + DNS_HEADER_SIZE, &length, err);

	if (r < 0)
		return r;
	length += DNS_HEADER_SIZE;
	write_u16(question + length, (uint16_t)type);
	write_u16(question + length + 2, CLASS_IN);
	length += QUESTION_TAIL;
	memcpy(buffer, question, length);
	*ret_length = length;
	return 0;
}

/* --- the reply --- */

struct message {
	const uint8_t *bytes;
	size_t length;
};

/* The position behind the name at position; 0: there is no whole name. */
static size_t skip_name(const struct message *message, size_t position)
{
	while (position < message->length) {
		uint8_t label = message->bytes[position];

		if (label == 0)
			return position + 1;
		if ((label & POINTER) == POINTER)
			return position + 2 <= message->length ? position + 2 : 0;
		if (label & POINTER) /* the other two kinds of label were never used */
			return 0;
		position += 1 + (size_t)label;
	}
	return 0;
}

/* A byte of a label as text: a dot within a label, and what would harm a terminal, are not shown.
 */
static char shown(uint8_t byte)
{
	return byte > ' ' && byte <= '~' && byte != '.' ? (char)byte : '?';
}

/* Appends a label and a dot. */
static bool append_label(const struct message *message, size_t position, char *text, size_t *used)
{
	size_t label = message->bytes[position];

	if (position + 1 + label > message->length || *used + label + 2 > DNS_TEXT_MAX)
		return false;
	for (size_t i = 0; i < label; i++)
		text[(*used)++] = shown(message->bytes[position + 1 + i]);
	text[(*used)++] = '.';
	return true;
}

/* The name at position, without the dot at its end. A pointer must lead before the labels that led
 * to it, so each follows a lower one. */
static bool read_name(const struct message *message, size_t position, char text[DNS_TEXT_MAX])
{
	size_t used = 0, begin = position;

	while (position < message->length) {
		uint8_t label = message->bytes[position];

		if (label == 0) {
			text[used > 0 ? used - 1 : 0] = '\0';
			return true;
		}
		if ((label & POINTER) == POINTER) {
			if (position + 2 > message->length)
				return false;
			position = read_u16(message->bytes + position) & 0x3fff;
			if (position >= begin)
				return false;
			begin = position;
			continue;
		}
		if ((label & POINTER) || !append_label(message, position, text, &used))
			return false;
		position += 1 + (size_t)label;
	}
	return false;
}

/* The strings of a TXT record, one behind the other, cut to what fits. */
static bool read_strings(const uint8_t *data, size_t length, char text[DNS_TEXT_MAX])
{
	size_t used = 0, position = 0;

	while (position < length) {
		size_t string = data[position++];

		if (position + string > length)
			return false;
		for (size_t i = 0; i < string && used < DNS_TEXT_MAX - 1; i++) {
			uint8_t byte = data[position + i];

			text[used++] = byte >= ' ' && byte <= '~' ? (char)byte : '?';
		}
		position += string;
	}
	text[used] = '\0';
	return true;
}

/* The value of a record whose data is at position, as people write it. */
static bool read_value(const struct message *message, enum dns_type type, size_t position,
		       size_t length, char text[DNS_TEXT_MAX])
{
	const uint8_t *data = message->bytes + position;
	const struct message up_to_end = {message->bytes, position + length};

	switch (type) {
	case DNS_A:
		return length == sizeof(struct in_addr) &&
		       inet_ntop(AF_INET, data, text, DNS_TEXT_MAX);
	case DNS_AAAA:
		return length == sizeof(struct in6_addr) &&
		       inet_ntop(AF_INET6, data, text, DNS_TEXT_MAX);
	case DNS_TXT:
		return read_strings(data, length, text);
	case DNS_MX:
		return length > 2 && read_name(&up_to_end, position + 2, text);
	default:
		return read_name(&up_to_end, position, text);
	}
}

static bool is_wanted(enum dns_type type, const char *value, const char *wanted)
{
	size_t length = strlen(wanted);
	struct in6_addr ip;
	char canonical[INET6_ADDRSTRLEN];

	switch (type) {
	case DNS_TXT:
		return strcmp(value, wanted) == 0;
	case DNS_AAAA: /* has more than one spelling */
		return inet_pton(AF_INET6, wanted, &ip) == 1 &&
		       inet_ntop(AF_INET6, &ip, canonical, sizeof(canonical)) &&
		       strcmp(value, canonical) == 0;
	default:
		length -= length > 0 && wanted[length - 1] == '.';
		return strlen(value) == length && strncasecmp(value, wanted, length) == 0;
	}
}

/* Reads the record at *position and moves on. Records of other types, the CNAMEs on the way to the
 * answer for one, are passed over. */
static bool read_record(const struct message *message, size_t *position, enum dns_type type,
			const char *wanted, struct dns_reply *reply)
{
	size_t head = skip_name(message, *position), length;
	char value[DNS_TEXT_MAX];

	if (head == 0 || head + RECORD_HEAD > message->length)
		return false;
	length = read_u16(message->bytes + head + 8);
	*position = head + RECORD_HEAD + length;
	if (*position > message->length)
		return false;
	if (read_u16(message->bytes + head) != type ||
	    read_u16(message->bytes + head + 2) != CLASS_IN)
		return true;
	if (!read_value(message, type, head + RECORD_HEAD, length, value))
		return false;
	if (reply->answers++ == 0)
		memcpy(reply->first, value, sizeof(value));
	reply->wanted = reply->wanted || (wanted && is_wanted(type, value, wanted));
	return true;
}

/* The question comes back as it was asked, but for the case of letters. Label lengths are below
 * 'A', so they may be compared as letters. */
static bool same_question(const uint8_t *a, const uint8_t *b, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint8_t x = a[i], y = b[i];

		if (x >= 'A' && x <= 'Z')
			x |= 0x20;
		if (y >= 'A' && y <= 'Z')
			y |= 0x20;
		if (x != y)
			return false;
	}
	return true;
}

/* A server that could not read the question need not repeat it. */
static bool is_reply_to(const struct message *message, const uint8_t *question, size_t length)
{
	const uint8_t *bytes = message->bytes;
	size_t asked = length - DNS_HEADER_SIZE;

	if (message->length < DNS_HEADER_SIZE || read_u16(bytes) != read_u16(question) ||
	    !(bytes[2] & FLAG_RESPONSE) || (bytes[2] & FLAGS_OPCODE))
		return false;
	if (read_u16(bytes + COUNT_QUESTIONS) == 0)
		return bytes[3] & CODE_MASK;
	return read_u16(bytes + COUNT_QUESTIONS) == 1 && message->length >= length &&
	       same_question(bytes + DNS_HEADER_SIZE, question + DNS_HEADER_SIZE, asked);
}

int dns_reply_read(const uint8_t *bytes, size_t length, const uint8_t *question,
		   size_t question_length, const char *wanted, struct dns_reply *ret_reply)
{
	const struct message message = {bytes, length};
	enum dns_type type = (enum dns_type)read_u16(question + question_length - QUESTION_TAIL);
	struct dns_reply reply = {0};
	size_t position = question_length;
	unsigned int records;

	if (!is_reply_to(&message, question, question_length))
		return -ENOMSG;
	reply.code = bytes[3] & CODE_MASK;
	reply.truncated = bytes[2] & FLAG_TRUNCATED;
	records = reply.code ? 0 : read_u16(bytes + COUNT_ANSWERS);
	for (unsigned int i = 0; i < records; i++) {
		/* Of a truncated message the records that are whole count. */
		if (read_record(&message, &position, type, wanted, &reply))
			continue;
		if (!reply.truncated)
			return -EBADMSG;
		break;
	}
	*ret_reply = reply;
	return 0;
}
