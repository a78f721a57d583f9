/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pcapng.h"

static uint8_t bytes[8192];

static struct pcapng fresh(size_t size)
{
	memset(bytes, 0xee, sizeof(bytes));
	return (struct pcapng){.bytes = bytes, .size = size};
}

static uint32_t u32_at(size_t at)
{
	uint32_t value;

	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

static uint16_t u16_at(size_t at)
{
	uint16_t value;

	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

static void test_section(void **state)
{
	struct pcapng out = fresh(sizeof(bytes));

	(void)state;
	assert_true(pcapng_section(&out, "lbagent", NULL));
	assert_int_equal(u32_at(0), 0x0a0d0d0a);
	assert_int_equal(u32_at(4), out.length);
	assert_int_equal(u32_at(8), 0x1a2b3c4d);
	assert_int_equal(u16_at(12), 1);
	assert_int_equal(u16_at(14), 0);
	assert_int_equal(u32_at(16), 0xffffffff);
	assert_int_equal(u16_at(24), 4); /* shb_userappl */
	assert_int_equal(u16_at(26), 7);
	assert_memory_equal(bytes + 28, "lbagent\0", 8); /* padded by zeros */
	assert_int_equal(u32_at(36), 0);                 /* opt_endofopt */
	assert_int_equal(u32_at(out.length - 4), out.length);
	assert_int_equal(out.length, 44);
}

static void test_interface(void **state)
{
	struct pcapng out = fresh(sizeof(bytes));

	(void)state;
	assert_true(pcapng_interface(&out, "eth0 in", 256));
	assert_int_equal(u32_at(0), 1);
	assert_int_equal(u16_at(8), 1); /* Ethernet */
	assert_int_equal(u32_at(12), 256);
	assert_int_equal(u16_at(16), 2); /* if_name */
	assert_memory_equal(bytes + 20, "eth0 in", 7);
	assert_int_equal(u16_at(28), 9); /* if_tsresol */
	assert_int_equal(u16_at(30), 1);
	assert_int_equal(bytes[32], 9);
	assert_int_equal(u32_at(out.length - 4), out.length);
}

static struct pcapng_packet packet_of(const char *comment)
{
	return (struct pcapng_packet){
		.interface = 3,
		.time_ns = 0x123456789abcdef0,
		.data = "abcdefg",
		.captured = 7,
		.length = 1500,
		.direction = PCAPNG_OUTBOUND,
		.id = 0x1122334455667788,
		.comment = comment,
	};
}

static void test_packet(void **state)
{
	const struct pcapng_packet packet = packet_of("so");
	struct pcapng out = fresh(sizeof(bytes));
	uint64_t id;

	(void)state;
	assert_true(pcapng_packet(&out, &packet));
	assert_int_equal(u32_at(0), 6);
	assert_int_equal(u32_at(8), 3);
	assert_int_equal(u32_at(12), 0x12345678);
	assert_int_equal(u32_at(16), 0x9abcdef0);
	assert_int_equal(u32_at(20), 7);
	assert_int_equal(u32_at(24), 1500);
	assert_memory_equal(bytes + 28, "abcdefg\0", 8);
	assert_int_equal(u16_at(36), 2); /* epb_flags */
	assert_int_equal(u32_at(40), 2); /* outbound */
	assert_int_equal(u16_at(44), 5); /* epb_packetid */
	memcpy(&id, bytes + 48, sizeof(id));
	assert_int_equal(id, packet.id);
	assert_int_equal(u16_at(56), 1); /* opt_comment */
	assert_int_equal(u16_at(58), 2);
	assert_memory_equal(bytes + 60, "so\0\0", 4);
	assert_int_equal(u32_at(out.length - 4), out.length);
}

static void test_statistics(void **state)
{
	struct pcapng out = fresh(sizeof(bytes));
	struct pcapng_block block;

	(void)state;
	assert_true(pcapng_statistics(&out, &(struct pcapng_statistics){
						    .interface = 1,
						    .start_ns = 5,
						    .time_ns = 9000000000123,
						    .received = 100,
						    .dropped = 1234567890123,
					    }));
	assert_int_equal(u32_at(0), 5);
	assert_true(pcapng_block_read(bytes, out.length, &block));
	assert_true(block.is_statistics);
	assert_false(block.is_packet);
	assert_int_equal(block.interface, 1);
	assert_int_equal(block.dropped, 1234567890123);
	assert_int_equal(block.time_ns, 9000000000123);
}

/* Whatever the room, there is a whole block or nothing. */
static void test_no_room(void **state)
{
	const struct pcapng_packet packet = packet_of("a comment");
	struct pcapng out = fresh(sizeof(bytes));
	size_t whole;

	(void)state;
	assert_true(pcapng_packet(&out, &packet));
	whole = out.length;
	for (size_t size = 0; size < whole; size++) {
		out = fresh(size);
		assert_false(pcapng_packet(&out, &packet));
		assert_int_equal(out.length, 0);
		assert_int_equal(bytes[size], 0xee);
	}
	out = fresh(whole);
	assert_true(pcapng_packet(&out, &packet));
}

static void test_long_text(void **state)
{
	char text[2 * PCAPNG_TEXT_MAX];
	struct pcapng_packet packet = packet_of(text);
	struct pcapng out = fresh(sizeof(bytes));

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(pcapng_packet(&out, &packet));
	assert_int_equal(u16_at(58), PCAPNG_TEXT_MAX);
	assert_true(out.length <= PCAPNG_BLOCK_MAX(packet.captured));
}

/* --- reading --- */

static void test_lengths(void **state)
{
	struct pcapng out = fresh(sizeof(bytes));
	const uint32_t odd = 45, short_one = 8;

	(void)state;
	assert_true(pcapng_section(&out, "lbagent", "what for"));
	for (size_t known = 0; known < 12; known++)
		assert_int_equal(pcapng_block_length(bytes, known), 0);
	assert_int_equal(pcapng_block_length(bytes, 12), out.length);
	bytes[8]++; /* of the other byte order, or none at all */
	assert_int_equal(pcapng_block_length(bytes, 12), -1);
	memcpy(bytes + 4, &odd, sizeof(odd));
	bytes[8]--;
	assert_int_equal(pcapng_block_length(bytes, 12), -1);
	memcpy(bytes + 4, &short_one, sizeof(short_one));
	assert_int_equal(pcapng_block_length(bytes, 12), -1);
	memset(bytes + 4, 0xff, 4);
	assert_int_equal(pcapng_block_length(bytes, 12), -1);
}

static void test_read_packet(void **state)
{
	struct pcapng_packet packet = packet_of(NULL);
	struct pcapng out = fresh(sizeof(bytes));
	struct pcapng_block block;

	(void)state;
	assert_true(pcapng_packet(&out, &packet));
	assert_true(pcapng_block_read(bytes, out.length, &block));
	assert_true(block.is_packet);
	assert_int_equal(block.interface, 3);
	assert_int_equal(block.direction, PCAPNG_OUTBOUND);
	packet.direction = PCAPNG_INBOUND;
	packet.captured = 0;
	out = fresh(sizeof(bytes));
	assert_true(pcapng_packet(&out, &packet));
	assert_true(pcapng_block_read(bytes, out.length, &block));
	assert_int_equal(block.direction, PCAPNG_INBOUND);
}

/* No claim of a block leads beyond it: memory is just as long as the block. */
static void test_read_damaged(void **state)
{
	const struct pcapng_packet packet = packet_of("a comment");
	struct pcapng out = fresh(sizeof(bytes));
	struct pcapng_block block;
	uint8_t *copy;

	(void)state;
	assert_true(pcapng_packet(&out, &packet));
	srand(1);
	for (unsigned int round = 0; round < 20000; round++) {
		size_t length = 12 + (size_t)rand() % (out.length - 11) / 4 * 4;

		copy = malloc(length);
		assert_non_null(copy);
		memcpy(copy, bytes, length);
		copy[8 + (size_t)rand() % (length - 8)] = (uint8_t)rand();
		(void)pcapng_block_read(copy, length, &block);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_section),      cmocka_unit_test(test_interface),
		cmocka_unit_test(test_packet),       cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_no_room),      cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_lengths),      cmocka_unit_test(test_read_packet),
		cmocka_unit_test(test_read_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
