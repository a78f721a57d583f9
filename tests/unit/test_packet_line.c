/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet_line.h"
#include "parse.h"

/* Ethernet's addresses, which no line has. */
#define MACS                                                                                       \
	"020000000001"                                                                             \
	"020000000002"
#define IP4(more, ttl, proto)                                                                      \
	"45000034"                                                                                 \
	"0000" more ttl proto "0000"                                                               \
	"c6120002"                                                                                 \
	"c612000a"
#define IP6(next)                                                                                  \
	"60000000"                                                                                 \
	"0028" next "40"                                                                           \
	"20010db8000000000000000000000002"                                                         \
	"20010db8000000000000000000000010"
#define TCP(flags)                                                                                 \
	"10920050"                                                                                 \
	"00000000"                                                                                 \
	"00000000"                                                                                 \
	"50" flags "0000"                                                                          \
	"00000000"

static uint8_t frame[512];

static size_t frame_of(const char *hex)
{
	size_t length = 0;

	for (; hex[0]; hex += 2)
		frame[length++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
	return length;
}

static void assert_line(const char *hex, const char *wanted)
{
	char line[PACKET_LINE_MAX];
	size_t length = frame_of(hex);

	assert_string_equal(packet_line(frame, length, 74, line), wanted);
}

static void test_lines(void **state)
{
	(void)state;
	assert_line(MACS "0800" IP4("0000", "3f", "06") TCP("02"),
		    "tcp 198.18.0.2:4242 > 198.18.0.10:80 SYN, ttl 63, 74 bytes");
	assert_line(MACS "0800" IP4("0000", "01", "06") TCP("11"),
		    "tcp 198.18.0.2:4242 > 198.18.0.10:80 FIN+ACK, ttl 1, 74 bytes");
	assert_line(MACS "0800" IP4("0000", "40", "06") TCP("00"),
		    "tcp 198.18.0.2:4242 > 198.18.0.10:80 no flags, ttl 64, 74 bytes");
	assert_line(MACS "0800" IP4("0000", "40", "11") "1092003500080000",
		    "udp 198.18.0.2:4242 > 198.18.0.10:53, ttl 64, 74 bytes");
	assert_line(MACS "0800" IP4("0000", "40", "01") "0800000000000000",
		    "icmp 198.18.0.2 > 198.18.0.10 type 8 code 0, ttl 64, 74 bytes");
	assert_line(MACS "0800" IP4("0000", "40", "2f") "00000000",
		    "protocol 47 198.18.0.2 > 198.18.0.10, ttl 64, 74 bytes");
	assert_line(MACS "86dd" IP6("06") TCP("12"),
		    "tcp [2001:db8::2]:4242 > [2001:db8::10]:80 SYN+ACK, ttl 64, 74 bytes");
	assert_line(MACS "86dd" IP6("3a") "02000000",
		    "icmp6 2001:db8::2 > 2001:db8::10 type 2 code 0, ttl 64, 74 bytes");
}

static void test_fragments(void **state)
{
	(void)state;
	assert_line(MACS "0800" IP4("2000", "40", "11") "1092003505dc0000",
		    "udp 198.18.0.2:4242 > 198.18.0.10:53, first fragment, ttl 64, 74 bytes");
	assert_line(MACS "0800" IP4("00b9", "40", "11") "1092003505dc0000",
		    "udp 198.18.0.2 > 198.18.0.10, fragment from byte 1480, ttl 64, 74 bytes");
	assert_line(MACS "86dd" IP6("2c") "1100000100000001"
					  "1092003505dc0000",
		    "udp [2001:db8::2]:4242 > [2001:db8::10]:53, first fragment, ttl 64, 74 bytes");
	assert_line(MACS "86dd" IP6("2c") "110005c800000001"
					  "1092003505dc0000",
		    "udp 2001:db8::2 > 2001:db8::10, fragment from byte 1480, ttl 64, 74 bytes");
	/* a destination option and a hop-by-hop one before TCP */
	assert_line(MACS "86dd" IP6("00") "3c00000000000000"
					  "0600000000000000" TCP("10"),
		    "tcp [2001:db8::2]:4242 > [2001:db8::10]:80 ACK, ttl 64, 74 bytes");
}

static void test_link(void **state)
{
	(void)state;
	assert_line(MACS "81006064"
			 "0800" IP4("0000", "3f", "06") TCP("02"),
		    "vlan 100 tcp 198.18.0.2:4242 > 198.18.0.10:80 SYN, ttl 63, 74 bytes");
	assert_line(MACS "88a80005"
			 "81000006"
			 "0800" IP4("0000", "3f", "06") TCP("02"),
		    "vlan 5 vlan 6 tcp 198.18.0.2:4242 > 198.18.0.10:80 SYN, ttl 63, 74 bytes");
	assert_line(MACS "0806"
			 "0001080006040001",
		    "ethertype 0x0806, 74 bytes");
	assert_line("", "ethertype 0x0000, 74 bytes");
	/* headers that contradict themselves */
	assert_line(MACS "0800"
			 "44000034",
		    "ethertype 0x0800, 74 bytes");
	assert_line(MACS "86dd" IP4("0000", "3f", "06") TCP("02"), "ethertype 0x86dd, 74 bytes");
}

/* Cut anywhere and changed anywhere, it is a line, and nothing beyond the frame is read. */
static void test_damaged(void **state)
{
	static const char *const frames[] = {
		MACS "81006064"
		     "0800" IP4("0000", "3f", "06") TCP("02"),
		MACS "86dd" IP6("00") "2c00000000000000"
				      "0600000000000000" TCP("10"),
	};
	char line[PACKET_LINE_MAX];

	(void)state;
	srand(1);
	for (unsigned int round = 0; round < 20000; round++) {
		size_t whole = frame_of(frames[round % 2]), length = (size_t)rand() % (whole + 1);
		uint8_t *copy = malloc(length + 1);

		assert_non_null(copy);
		memcpy(copy, frame, length);
		copy[(size_t)rand() % (length + 1)] = (uint8_t)rand();
		packet_line(copy, length, whole, line);
		assert_true(strlen(line) < PACKET_LINE_MAX);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
