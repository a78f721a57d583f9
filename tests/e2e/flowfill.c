/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flowfill: fills the agent's flow table as millions of clients would, without them.
 *
 *   flowfill MAP
 *
 * MAP is where the map `flows` is pinned. Each backend that has a flow there gets its share of
 * all words: three in four established, one closing, stamped with the time of the flow found.
 * Prints, for scripts: words N backends N established N closing N
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"

#define BACKENDS_MAX 64

struct found {
	uint64_t backends[BACKENDS_MAX];
	size_t count;
	uint64_t time;
};

static int die(const char *what)
{
	fprintf(stderr, "flowfill: %s: %s\n", what, strerror(errno));
	return EXIT_FAILURE;
}

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* Returns a descriptor, and how many buckets the map has. */
static int open_map(const char *path, uint32_t *ret_buckets)
{
	union bpf_attr attr = {.pathname = (uintptr_t)path};
	struct bpf_map_info info = {0};
	int fd = bpf(BPF_OBJ_GET, &attr);

	if (fd < 0)
		return fd;
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0)
		return -1;
	*ret_buckets = info.max_entries;
	return fd;
}

static void find_word(struct found *found, uint64_t word)
{
	uint64_t backend = word >> LB_FLOW_BACKEND_SHIFT & LB_FLOW_BACKEND_MASK;
	uint64_t state = word >> LB_FLOW_STATE_SHIFT & LB_FLOW_STATE_MASK;
	size_t i;

	if (state != LB_FLOW_ESTABLISHED && state != LB_FLOW_CLOSING)
		return;
	found->time = word & LB_FLOW_TIME_MASK;
	for (i = 0; i < found->count; i++) {
		if (found->backends[i] == backend)
			return;
	}
	if (found->count < BACKENDS_MAX)
		found->backends[found->count++] = backend;
}

static uint64_t make_word(const struct found *found, uint32_t index)
{
	uint64_t state = index % 4 == 3 ? LB_FLOW_CLOSING : LB_FLOW_ESTABLISHED;
	uint64_t fingerprint = (uint32_t)(index * 0x9e3779b1u);

	return fingerprint << LB_FLOW_FINGERPRINT_SHIFT |
	       found->backends[index / 4 % found->count] << LB_FLOW_BACKEND_SHIFT |
	       state << LB_FLOW_STATE_SHIFT | found->time;
}

int main(int argc, char **argv)
{
	struct found found = {0};
	uint32_t buckets = 0, words, i;
	uint64_t *map;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: flowfill MAP\n");
		return 2;
	}
	fd = open_map(argv[1], &buckets);
	if (fd < 0)
		return die(argv[1]);
	words = buckets * LB_FLOW_WAYS;
	map = mmap(NULL, words * sizeof(*map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return die("mmap");
	for (i = 0; i < words; i++)
		find_word(&found, map[i]);
	if (found.count == 0) {
		fprintf(stderr, "flowfill: no flow to go by\n");
		return EXIT_FAILURE;
	}
	for (i = 0; i < words; i++)
		__atomic_store_n(&map[i], make_word(&found, i), __ATOMIC_RELAXED);
	printf("words %u backends %zu established %u closing %u\n", words, found.count,
	       words - words / 4, words / 4);
	return EXIT_SUCCESS;
}
