/* SPDX-License-Identifier: Apache-2.0 */
#include "pcapng.h"

#include <string.h>

#define SECTION      0x0a0d0d0aU
#define INTERFACE    1U
#define STATISTICS   5U
#define PACKET       6U
#define ORDER_MAGIC  0x1a2b3c4dU
#define ETHERNET     1 /* LINKTYPE_ETHERNET */
#define NANOSECONDS  9 /* if_tsresol: 10^-9 s */
#define BLOCK_LEAST  12
#define BLOCK_MOST   (1U << 24) /* longer ones are not meant */
#define ALIGN_4(n)   (((n) + 3) & ~(size_t)3)
#define PACKET_FIXED 20 /* of a packet's block, before its data */
#define ISB_FIXED    12

enum option {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2,
	INTERFACE_RESOLUTION = 9,
	PACKET_FLAGS = 2,
	PACKET_ID = 5,
	STATISTICS_START = 2,
	STATISTICS_END = 3,
	STATISTICS_RECEIVED = 4,
	STATISTICS_DROPPED = 5,
};

/* A block under way: what is written into it, and whether all of it had room. */
struct block {
	struct pcapng *out;
	size_t begin;
	bool fits;
};

/* --- parts of a block --- */

static void put(struct block *block, const void *bytes, size_t length)
{
	struct pcapng *out = block->out;
	size_t padded = ALIGN_4(length);

	block->fits = block->fits && out->size - out->length >= padded;
	if (!block->fits)
		return;
	memset(out->bytes + out->length, 0, padded);
	if (length)
		memcpy(out->bytes + out->length, bytes, length);
	out->length += padded;
}

static void put_u32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

static void put_u16s(struct block *block, uint16_t first, uint16_t second)
{
	const uint16_t values[] = {first, second};

	put(block, values, sizeof(values));
}

/* As blocks hold a time: its upper half first. */
static void put_time(struct block *block, uint64_t ns)
{
	put_u32(block, (uint32_t)(ns >> 32));
	put_u32(block, (uint32_t)ns);
}

static void put_option(struct block *block, enum option code, const void *value, size_t length)
{
	put_u16s(block, (uint16_t)code, (uint16_t)length);
	put(block, value, length);
}

static void put_text(struct block *block, enum option code, const char *text)
{
	if (text)
		put_option(block, code, text, strnlen(text, PCAPNG_TEXT_MAX));
}

static void put_option_u64(struct block *block, enum option code, uint64_t value)
{
	put_option(block, code, &value, sizeof(value));
}

static void put_option_time(struct block *block, enum option code, uint64_t ns)
{
	const uint32_t halves[] = {(uint32_t)(ns >> 32), (uint32_t)ns};

	put_option(block, code, halves, sizeof(halves));
}

static struct block block_begin(struct pcapng *out, uint32_t type)
{
	struct block block = {.out = out, .begin = out->length, .fits = true};

	put_u32(&block, type);
	put_u32(&block, 0); /* its length: block_end() knows it */
	return block;
}

static bool block_end(struct block *block)
{
	struct pcapng *out = block->out;
	uint32_t length;

	put_option(block, OPTION_END, NULL, 0);
	put_u32(block, 0);
	if (!block->fits) {
		out->length = block->begin;
		return false;
	}
	length = (uint32_t)(out->length - block->begin);
	memcpy(out->bytes + block->begin + 4, &length, sizeof(length));
	memcpy(out->bytes + out->length - 4, &length, sizeof(length));
	return true;
}

/* --- blocks --- */

bool pcapng_section(struct pcapng *out, const char *application, const char *comment)
{
	struct block block = block_begin(out, SECTION);

	put_u32(&block, ORDER_MAGIC);
	put_u16s(&block, 1, 0); /* the format's version */
	put_u32(&block, UINT32_MAX);
	put_u32(&block, UINT32_MAX); /* the section's length is not known */
	put_text(&block, OPTION_COMMENT, comment);
	put_text(&block, SECTION_APPLICATION, application);
	return block_end(&block);
}

bool pcapng_interface(struct pcapng *out, const char *name, uint32_t snaplen)
{
	const uint8_t resolution = NANOSECONDS;
	struct block block = block_begin(out, INTERFACE);

	put_u16s(&block, ETHERNET, 0);
	put_u32(&block, snaplen);
	put_text(&block, INTERFACE_NAME, name);
	put_option(&block, INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	return block_end(&block);
}

bool pcapng_packet(struct pcapng *out, const struct pcapng_packet *packet)
{
	const uint32_t flags = packet->direction;
	struct block block = block_begin(out, PACKET);

	put_u32(&block, packet->interface);
	put_time(&block, packet->time_ns);
	put_u32(&block, packet->captured);
	put_u32(&block, packet->length);
	put(&block, packet->data, packet->captured);
	if (packet->direction != PCAPNG_UNKNOWN)
		put_option(&block, PACKET_FLAGS, &flags, sizeof(flags));
	if (packet->id)
		put_option_u64(&block, PACKET_ID, packet->id);
	put_text(&block, OPTION_COMMENT, packet->comment);
	return block_end(&block);
}

bool pcapng_statistics(struct pcapng *out, const struct pcapng_statistics *statistics)
{
	struct block block = block_begin(out, STATISTICS);

	put_u32(&block, statistics->interface);
	put_time(&block, statistics->time_ns);
	put_option_time(&block, STATISTICS_START, statistics->start_ns);
	put_option_time(&block, STATISTICS_END, statistics->time_ns);
	put_option_u64(&block, STATISTICS_RECEIVED, statistics->received);
	put_option_u64(&block, STATISTICS_DROPPED, statistics->dropped);
	return block_end(&block);
}

/* --- reading --- */

static uint32_t read_u32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

int64_t pcapng_block_length(const uint8_t *bytes, size_t length)
{
	uint32_t block;

	if (length < BLOCK_LEAST)
		return 0;
	if (read_u32(bytes) == SECTION && read_u32(bytes + 8) != ORDER_MAGIC)
		return -1;
	block = read_u32(bytes + 4);
	return block < BLOCK_LEAST || block > BLOCK_MOST || block % 4 ? -1 : (int64_t)block;
}

/* The options from `at` on, of a block that ends at `end`: what of them is told. */
static bool read_options(const uint8_t *at, const uint8_t *end, struct pcapng_block *block)
{
	uint16_t option[2];

	while (end - at >= 4) {
		memcpy(option, at, sizeof(option));
		at += sizeof(option);
		if (option[0] == OPTION_END)
			return true;
		if ((size_t)(end - at) < ALIGN_4((size_t)option[1]))
			return false;
		if (block->is_packet && option[0] == PACKET_FLAGS && option[1] == 4)
			block->direction = (enum pcapng_direction)(read_u32(at) & 3);
		if (block->is_statistics && option[0] == STATISTICS_DROPPED && option[1] == 8)
			memcpy(&block->dropped, at, sizeof(block->dropped));
		at += ALIGN_4((size_t)option[1]);
	}
	return at == end;
}

bool pcapng_block_read(const uint8_t *bytes, size_t length, struct pcapng_block *ret_block)
{
	const uint8_t *at = bytes + 8, *end = bytes + length - 4;
	struct pcapng_block block = {0};
	size_t skip;

	block.is_packet = read_u32(bytes) == PACKET;
	block.is_statistics = read_u32(bytes) == STATISTICS;
	*ret_block = block;
	if (!block.is_packet && !block.is_statistics)
		return true;
	skip = block.is_packet ? PACKET_FIXED : ISB_FIXED;
	if (end - at < (ptrdiff_t)skip)
		return false;
	block.interface = read_u32(at);
	if (block.is_statistics)
		block.time_ns = (uint64_t)read_u32(at + 4) << 32 | read_u32(at + 8);
	if (block.is_packet)
		skip += ALIGN_4((size_t)read_u32(at + 12));
	if (end - at < (ptrdiff_t)skip || !read_options(at + skip, end, &block))
		return false;
	*ret_block = block;
	return true;
}
