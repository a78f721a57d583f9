/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns_message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- questions --- */

static void test_question(void **state)
{
	static const uint8_t wanted[] = "\0\0\1\0\0\1\0\0\0\0\0\0"
					"\3www\7example\4test\0\0\x1c\0\1";
	uint8_t question[DNS_QUESTION_MAX];
	struct error err;
	size_t length;

	(void)state;
	assert_int_equal(dns_question_write("www.example.test", DNS_AAAA, question, &length, &err),
			 0);
	assert_int_equal(length, sizeof(wanted) - 1);
	assert_memory_equal(question, wanted, length);
	assert_int_equal(dns_question_write("www.example.test.", DNS_AAAA, question, &length, &err),
			 0);
	assert_int_equal(length, sizeof(wanted) - 1);
	assert_int_equal(dns_question_write(".", DNS_NS, question, &length, &err), 0);
	assert_int_equal(length, DNS_HEADER_SIZE + 1 + 4);
}

static void test_bad_names(void **state)
{
	char label[70], name[300] = "";
	const char *const names[] = {"..", ".x", "a..b", "a b", "a\xe9", "a\n", label, name};
	uint8_t question[DNS_QUESTION_MAX];
	size_t length = 7;
	struct error err;

	(void)state;
	memset(label, 'x', 64);
	label[64] = '\0';
	for (int i = 0; i < 128; i++)
		strcat(name, "a."); /* 257 bytes on the wire */
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_int_equal(dns_question_write(names[i], DNS_A, question, &length, &err),
				 -EINVAL);
		assert_string_not_equal(err.hint, "");
	}
	assert_int_equal(length, 7);
	label[63] = '\0';
	assert_int_equal(dns_question_write(label, DNS_A, question, &length, &err), 0);
	name[2 * 127 - 1] = '\0'; /* 255 bytes */
	assert_int_equal(dns_question_write(name, DNS_A, question, &length, &err), 0);
	assert_int_equal(length, DNS_QUESTION_MAX);
}

/* --- replies --- */

/* A message under construction, in memory of exactly its length, so that a byte too far is found.
 */
struct builder {
	uint8_t question[DNS_QUESTION_MAX];
	size_t question_length;
	uint8_t bytes[2048];
	size_t length;
};

static void begin(struct builder *builder, const char *name, enum dns_type type)
{
	struct error err;

	*builder = (struct builder){0};
	assert_int_equal(
		dns_question_write(name, type, builder->question, &builder->question_length, &err),
		0);
	builder->question[0] = 0x12;
	builder->question[1] = 0x34;
	memcpy(builder->bytes, builder->question, builder->question_length);
	builder->length = builder->question_length;
	builder->bytes[2] |= 0x80;
}

static void put(struct builder *builder, const void *bytes, size_t length)
{
	memcpy(builder->bytes + builder->length, bytes, length);
	builder->length += length;
}

/* A record of class IN whose owner is the question's name. */
static void answer(struct builder *builder, uint8_t type, const void *data, size_t length)
{
	const uint8_t head[] = {0xc0, DNS_HEADER_SIZE, 0, type, 0, 1, 0, 0, 0, 60,
				0,    (uint8_t)length};

	put(builder, head, sizeof(head));
	put(builder, data, length);
	builder->bytes[7]++;
}

static int read_length(const struct builder *builder, size_t length, const char *wanted,
		       struct dns_reply *ret_reply)
{
	uint8_t *exact = malloc(length > 0 ? length : 1);
	int r;

	assert_non_null(exact);
	memcpy(exact, builder->bytes, length);
	r = dns_reply_read(exact, length, builder->question, builder->question_length, wanted,
			   ret_reply);
	free(exact);
	return r;
}

static int reads(const struct builder *builder, const char *wanted, struct dns_reply *ret_reply)
{
	return read_length(builder, builder->length, wanted, ret_reply);
}

static void test_addresses(void **state)
{
	static const uint8_t v6[] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10};
	struct builder builder;
	struct dns_reply reply;

	(void)state;
	begin(&builder, "www.example.test", DNS_A);
	answer(&builder, DNS_A, "\xc6\x12\0\x0a", 4);
	answer(&builder, DNS_A, "\xc6\x12\0\x0b", 4);
	assert_int_equal(reads(&builder, "198.18.0.11", &reply), 0);
	assert_int_equal(reply.code, 0);
	assert_int_equal(reply.answers, 2);
	assert_true(reply.wanted);
	assert_string_equal(reply.first, "198.18.0.10");
	assert_int_equal(reads(&builder, "198.18.0.12", &reply), 0);
	assert_false(reply.wanted);
	assert_int_equal(reads(&builder, NULL, &reply), 0);
	assert_false(reply.wanted);

	begin(&builder, "www.example.test", DNS_AAAA);
	answer(&builder, DNS_AAAA, v6, sizeof(v6));
	assert_int_equal(reads(&builder, "2001:DB8:0::10", &reply), 0);
	assert_true(reply.wanted);
}

static void test_names_and_texts(void **state)
{
	struct builder builder;
	struct dns_reply reply;

	(void)state;
	begin(&builder, "example.test", DNS_NS);
	answer(&builder, DNS_NS, "\2ns\xc0\x0c", 5); /* ns, and the question's name */
	assert_int_equal(reads(&builder, "NS.example.TEST.", &reply), 0);
	assert_true(reply.wanted);
	assert_string_equal(reply.first, "ns.example.test");

	begin(&builder, "who.example.test", DNS_TXT);
	answer(&builder, DNS_TXT, "\2b1\1!", 5);
	assert_int_equal(reads(&builder, "b1!", &reply), 0);
	assert_true(reply.wanted);

	begin(&builder, "example.test", DNS_MX);
	answer(&builder, DNS_MX, "\0\x0a\4mail\0", 8);
	assert_int_equal(reads(&builder, NULL, &reply), 0);
	assert_string_equal(reply.first, "mail");
}

/* What would drive a terminal or break JSON does not get through. */
static void test_hostile_texts(void **state)
{
	struct builder builder;
	struct dns_reply reply;

	(void)state;
	begin(&builder, "who.example.test", DNS_TXT);
	answer(&builder, DNS_TXT, "\5\33[2J\xff", 6);
	assert_int_equal(reads(&builder, NULL, &reply), 0);
	assert_string_equal(reply.first, "?[2J?");
	begin(&builder, "example.test", DNS_NS);
	answer(&builder, DNS_NS, "\4a.\n\xff\0", 6);
	assert_int_equal(reads(&builder, NULL, &reply), 0);
	assert_string_equal(reply.first, "a???");
}

static void test_cname_on_the_way(void **state)
{
	struct builder builder;
	struct dns_reply reply;

	(void)state;
	begin(&builder, "www.example.test", DNS_A);
	answer(&builder, DNS_CNAME, "\3web\xc0\x10", 6);
	assert_int_equal(reads(&builder, NULL, &reply), 0);
	assert_int_equal(reply.answers, 0);
	answer(&builder, DNS_A, "\xc6\x12\0\x0a", 4);
	assert_int_equal(reads(&builder, NULL, &reply), 0);
	assert_int_equal(reply.answers, 1);
}

static void test_errors(void **state)
{
	struct builder builder;
	struct dns_reply reply;

	(void)state;
	begin(&builder, "www.example.test", DNS_A);
	builder.bytes[3] = 0x80 | 3;
	assert_int_equal(reads(&builder, NULL, &reply), 0);
	assert_string_equal(dns_code_name(reply.code), "NXDOMAIN");
	/* Without the question, as servers do that cannot read it. */
	builder.bytes[3] = 1;
	builder.bytes[5] = 0;
	assert_int_equal(read_length(&builder, DNS_HEADER_SIZE, NULL, &reply), 0);
	assert_string_equal(dns_code_name(reply.code), "FORMERR");
	builder.bytes[3] = 0;
	assert_int_equal(read_length(&builder, DNS_HEADER_SIZE, NULL, &reply), -ENOMSG);
	assert_null(dns_code_name(15));
}

static void test_not_ours(void **state)
{
	struct builder builder;
	struct dns_reply reply = {.answers = 77};

	(void)state;
#define NOT_OURS(change)                                                                           \
	do {                                                                                       \
		begin(&builder, "www.example.test", DNS_A);                                        \
		answer(&builder, DNS_A, "\xc6\x12\0\x0a", 4);                                      \
		change;                                                                            \
		assert_int_equal(reads(&builder, NULL, &reply), -ENOMSG);                          \
	} while (0)
	NOT_OURS(builder.bytes[1] ^= 1);                           /* the ID */
	NOT_OURS(builder.bytes[2] &= 0x7f);                        /* a question */
	NOT_OURS(builder.bytes[2] |= 0x28);                        /* another operation */
	NOT_OURS(builder.bytes[5] = 2);                            /* two questions */
	NOT_OURS(builder.bytes[DNS_HEADER_SIZE + 1] = 'x');        /* another name */
	NOT_OURS(builder.bytes[builder.question_length - 3] = 28); /* another type */
	NOT_OURS(builder.length = DNS_HEADER_SIZE - 1);
	NOT_OURS(builder.length = builder.question_length - 1);
	assert_int_equal(reply.answers, 77);
	/* Letters of the name may come back in another case. */
	begin(&builder, "www.example.test", DNS_A);
	builder.bytes[DNS_HEADER_SIZE + 1] = 'W';
	assert_int_equal(reads(&builder, NULL, &reply), 0);
}

/* Cut anywhere behind the question, a message is either refused or, marked as truncated, counted
 * for what is whole; the sanitizers see to it that nothing behind its end is read. */
static void test_cut_anywhere(void **state)
{
	struct builder builder;
	struct dns_reply reply;

	(void)state;
	begin(&builder, "example.test", DNS_NS);
	answer(&builder, DNS_NS, "\2ns\xc0\x0c", 5);
	answer(&builder, DNS_NS, "\3ns2\3sub\xc0\x0c", 10);
	for (size_t cut = builder.question_length; cut < builder.length; cut++) {
		builder.bytes[2] &= (uint8_t)~2;
		assert_int_equal(read_length(&builder, cut, NULL, &reply), -EBADMSG);
		builder.bytes[2] |= 2;
		assert_int_equal(read_length(&builder, cut, NULL, &reply), 0);
		assert_true(reply.truncated);
		assert_in_range(reply.answers, 0, 1);
	}
}

static void test_compression(void **state)
{
	static const struct {
		const char *data;
		size_t length;
	} bad[] = {
		{"\xc0\xff", 2}, /* beyond the end */
		{"\xff\xff", 2}, /* far beyond */
		{"\x41x", 2},    /* a label of a kind that never was */
		{"\x81x", 2},    /* another */
		{"\5ab", 3},     /* a label longer than the record */
		{"\2ab", 3},     /* no end */
		{"\xc0", 1},     /* half a pointer */
		{"", 0},         /* nothing */
	};
	struct builder builder;
	struct dns_reply reply;
	uint8_t self;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		begin(&builder, "example.test", DNS_NS);
		answer(&builder, DNS_NS, bad[i].data, bad[i].length);
		assert_int_equal(reads(&builder, NULL, &reply), -EBADMSG);
	}
	/* A pointer to itself; one to a label before it, that leads there again; a pair. */
	begin(&builder, "example.test", DNS_NS);
	self = (uint8_t)(builder.length + 12);
	uint8_t loop[] = {0xc0, self};
	answer(&builder, DNS_NS, loop, sizeof(loop));
	assert_int_equal(reads(&builder, NULL, &reply), -EBADMSG);
	begin(&builder, "example.test", DNS_NS);
	uint8_t label_loop[] = {1, 'a', 0xc0, self};
	answer(&builder, DNS_NS, label_loop, sizeof(label_loop));
	assert_int_equal(reads(&builder, NULL, &reply), -EBADMSG);
	begin(&builder, "example.test", DNS_NS);
	uint8_t pair[] = {0xc0, (uint8_t)(self + 2), 0xc0, self};
	answer(&builder, DNS_NS, pair, sizeof(pair));
	assert_int_equal(reads(&builder, NULL, &reply), -EBADMSG);
}

/* 255 bytes of labels and a pointer to as many more: longer than a name may be. */
static void test_endless_name(void **state)
{
	uint8_t data[256];
	struct builder builder;
	struct dns_reply reply;

	(void)state;
	begin(&builder, "example.test", DNS_NS);
	for (size_t i = 0; i < 250; i += 2) {
		data[i] = 1;
		data[i + 1] = 'a';
	}
	data[250] = 0;
	answer(&builder, DNS_TXT, data, 251); /* passed over; a place to point to */
	data[250] = 0xc0;
	data[251] = (uint8_t)(builder.length - 251);
	answer(&builder, DNS_NS, data, 252);
	assert_int_equal(reads(&builder, NULL, &reply), -EBADMSG);
}

static void test_wrong_sizes(void **state)
{
	struct builder builder;
	struct dns_reply reply;

	(void)state;
	begin(&builder, "www.example.test", DNS_A);
	answer(&builder, DNS_A, "\xc6\x12\0", 3);
	assert_int_equal(reads(&builder, NULL, &reply), -EBADMSG);
	begin(&builder, "www.example.test", DNS_TXT);
	answer(&builder, DNS_TXT, "\5ab", 3);
	assert_int_equal(reads(&builder, NULL, &reply), -EBADMSG);
	begin(&builder, "www.example.test", DNS_A);
	builder.bytes[6] = 0xff; /* more records than there are */
	assert_int_equal(reads(&builder, NULL, &reply), -EBADMSG);
}

/* Bytes of a good message changed at random: whatever comes out, nothing is read that is not there.
 */
static void test_noise(void **state)
{
	struct builder builder, changed;
	struct dns_reply reply;
	uint32_t random = 1;

	(void)state;
	begin(&builder, "example.test", DNS_NS);
	answer(&builder, DNS_NS, "\2ns\xc0\x0c", 5);
	answer(&builder, DNS_NS, "\3ns2\3sub\xc0\x0c", 10);
	for (int i = 0; i < 200000; i++) {
		changed = builder;
		for (int n = 0; n < 3; n++) {
			random = random * 1664525 + 1013904223;
			changed.bytes[(random >> 8) % builder.length] = (uint8_t)(random >> 24);
		}
		(void)reads(&changed, "ns.example.test", &reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question),      cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_addresses),     cmocka_unit_test(test_names_and_texts),
		cmocka_unit_test(test_hostile_texts), cmocka_unit_test(test_cname_on_the_way),
		cmocka_unit_test(test_errors),        cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_cut_anywhere),  cmocka_unit_test(test_compression),
		cmocka_unit_test(test_endless_name),  cmocka_unit_test(test_wrong_sizes),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
