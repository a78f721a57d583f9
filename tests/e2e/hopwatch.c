/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long until the data plane follows the kernel: hopwatch MAP FIRST LAST WAY -- COMMAND...
 *
 * Runs the command (`ip neigh ...`) and prints, in milliseconds after it has returned, when the
 * records FIRST to LAST of the pinned map backends all had the way: a MAC, or "none" for no known
 * next hop. 0: they had it before the command returned. Gives up after ten seconds.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "parse.h"

#define PATIENCE_MS 10000

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The pinned array, in memory. */
static const struct lb_backend *map_backends(const char *path, uint64_t last)
{
	union bpf_attr attr = {.pathname = (uintptr_t)path};
	int fd = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	void *memory;

	if (fd < 0)
		return NULL;
	memory = mmap(NULL, (last + 1) * sizeof(struct lb_backend), PROT_READ, MAP_SHARED, fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static bool parse_way(const char *text, uint8_t mac[6], bool *ret_resolved)
{
	static const char digits[] = "0123456789abcdef";
	int i;

	*ret_resolved = strcmp(text, "none") != 0;
	if (!*ret_resolved)
		return true;
	for (i = 0; i < 17; i++) {
		if ((i % 3 == 2) ? text[i] != ':' : text[i] == '\0' || !strchr(digits, text[i]))
			return false;
	}
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)((strchr(digits, text[3 * i]) - digits) << 4 |
				   (strchr(digits, text[3 * i + 1]) - digits));
	return text[17] == '\0';
}

static bool has_way(const volatile struct lb_backend *record, const uint8_t mac[6], bool resolved)
{
	struct lb_hop hop;
	uint64_t word = *(const volatile uint64_t *)&record->hop;

	memcpy(&hop, &word, sizeof(word));
	if (!(hop.flags & LB_BACKEND_RESOLVED))
		return !resolved;
	return resolved && memcmp(hop.dst_mac, mac, 6) == 0;
}

int main(int argc, char **argv)
{
	extern char **environ;
	const struct lb_backend *backends;
	uint64_t first, last, id, returned = 0, seen = 0, began = now_us();
	struct error err;
	uint8_t mac[6] = {0};
	bool resolved;
	int status = 0;
	pid_t pid;

	if (argc < 7 || parse_number(argv[2], 1, 65535, &first, &err) ||
	    parse_number(argv[3], first, 65535, &last, &err) ||
	    !parse_way(argv[4], mac, &resolved)) {
		fprintf(stderr, "usage: hopwatch MAP FIRST LAST MAC|none -- COMMAND...\n");
		return 2;
	}
	backends = map_backends(argv[1], last);
	if (!backends || posix_spawnp(&pid, argv[6], NULL, NULL, argv + 6, environ)) {
		fprintf(stderr, "hopwatch: %s\n", strerror(errno));
		return 1;
	}
	for (id = first; (!returned || !seen) && now_us() < began + PATIENCE_MS * 1000ULL;) {
		if (!returned && waitpid(pid, &status, WNOHANG) == pid)
			returned = now_us();
		while (id <= last && has_way(&backends[id], mac, resolved))
			id++;
		if (!seen && id > last)
			seen = now_us();
		usleep(200);
	}
	if (status || !seen) {
		fprintf(stderr, "hopwatch: %s\n",
			status ? "the command failed" : "no such way came");
		return 1;
	}
	printf("%.1f\n", seen > returned ? (double)(seen - returned) / 1000 : 0.0);
	return 0;
}
