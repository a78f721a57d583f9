/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DNS_MESSAGE_H
#define SLUICE_DNS_MESSAGE_H

/*
 * DNS messages (RFC 1035) as a health check needs them: one question written, and the reply to it
 * read. Pure. Replies come from hosts that may be broken or hostile: nothing beyond their length is
 * read, and a compressed name may only point backwards, so that it ends.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define DNS_HEADER_SIZE  12
#define DNS_NAME_MAX     255 /* on the wire, the root's byte included */
#define DNS_QUESTION_MAX (DNS_HEADER_SIZE + DNS_NAME_MAX + 4)
#define DNS_TEXT_MAX     256 /* of a value as people write it */

/* The numbers are those of the protocol. */
enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
};

#define DNS_TYPE_WORDS (DNS_AAAA + 1)
extern const char *const dns_type_words[DNS_TYPE_WORDS]; /* by number; NULL where there is none */

/* Can a value of this type be compared with a text? Not those of several parts. */
bool dns_type_has_text(enum dns_type type);

/*
 * Writes a question for name and type of class IN, with an ID of 0 in its first two bytes, that
 * asks for recursion. -EINVAL: name is no domain name. A dot at its end may be left out.
 */
int dns_question_write(const char *name, enum dns_type type, uint8_t buffer[DNS_QUESTION_MAX],
		       size_t *ret_length, struct error *err);

struct dns_reply {
	uint8_t code; /* RCODE; 0: no error */
	bool truncated;
	unsigned int answers; /* of the type that was asked for */
	bool wanted;          /* one of them is the value that was wanted */
	char first[DNS_TEXT_MAX];
};

/*
 * wanted: an address, a name or a text, as the type has it; NULL: none. Returns -ENOMSG if message
 * is no reply to this question, and -EBADMSG if it is one but cannot be read.
 */
int dns_reply_read(const uint8_t *message, size_t length, const uint8_t *question,
		   size_t question_length, const char *wanted, struct dns_reply *ret_reply);

/* "NXDOMAIN", "REFUSED"; NULL for a code that has no name here. */
const char *dns_code_name(uint8_t code);

#endif
