/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slowly: many clients of an HTTP server that are in no hurry.
 *
 *   slowly silent|head|body|deaf|greedy ADDR:PORT COUNT SECONDS SOURCE...
 *
 * silent says nothing; head sends a request's head, body a request's body, a byte a second; deaf
 * asks for /healthz, greedy for /v1/services, thousands of times over, and takes no answer. COUNT
 * connections are made from the source addresses in turn. Ends when the server has closed all of
 * them, or after SECONDS. Prints, for scripts, how long the server kept them, in milliseconds:
 *   opened N closed N shortest MS longest MS
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "parse.h"

#define DEAF_REQUESTS 4000

static const char head_start[] = "GET /healthz HTTP/1.1\r\nX-Slow: ";
static const char body_start[] =
	"POST /v1/services HTTP/1.1\r\nHost: lb\r\nContent-Length: 9999\r\n\r\n";
static const char deaf_request[] = "GET /healthz HTTP/1.1\r\nHost: lb\r\n\r\n";
static const char greedy_request[] = "GET /v1/services HTTP/1.1\r\nHost: lb\r\n\r\n";

struct slow {
	const char *start;
	unsigned int times;
	bool trickle;
};

static const struct mode {
	const char *name;
	struct slow slow;
} modes[] = {
	{"silent", {"", 0, false}},
	{"head", {head_start, 1, true}},
	{"body", {body_start, 1, true}},
	{"deaf", {deaf_request, DEAF_REQUESTS, false}},
	{"greedy", {greedy_request, DEAF_REQUESTS, false}},
};

__attribute__((noreturn)) static void die(const char *what, const char *why)
{
	fprintf(stderr, "slowly: %s: %s\n", what, why);
	exit(2);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static const struct slow *find_mode(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i].slow;
	}
	die(name, "no such mode");
}

static int connect_from(const char *source_text, const struct endpoint *server)
{
	struct endpoint source = {0};
	struct sockaddr_storage addr;
	struct error err;
	socklen_t length;
	int fd;

	if (parse_address(source_text, &source.address, &err))
		die(source_text, err.message);
	length = endpoint_sockaddr(&source, &addr);
	fd = socket(addr.ss_family, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int)); /* soon full */
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, length))
		die(source_text, strerror(errno));
	length = endpoint_sockaddr(server, &addr);
	if (connect(fd, (struct sockaddr *)&addr, length))
		die("connect", strerror(errno));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void begin(int fd, const struct slow *slow)
{
	unsigned int i;

	for (i = 0; i < slow->times; i++) {
		if (send(fd, slow->start, strlen(slow->start), 0) < 0)
			return; /* it takes no more */
	}
}

/* Closes what the server has closed; returns how many are left. */
static size_t look(struct pollfd *fds, uint64_t *kept, const uint64_t *since, size_t count)
{
	size_t i, left = 0;

	poll(fds, count, 100);
	for (i = 0; i < count; i++) {
		if (fds[i].fd < 0)
			continue;
		if (fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) {
			kept[i] = now_ms() - since[i];
			close(fds[i].fd);
			fds[i].fd = -1;
		} else {
			left++;
		}
	}
	return left;
}

static void trickle(const struct pollfd *fds, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (fds[i].fd >= 0)
			(void)!send(fds[i].fd, "x", 1, 0);
	}
}

static void report(const uint64_t *kept, size_t count)
{
	uint64_t shortest = UINT64_MAX, longest = 0;
	size_t i, closed = 0;

	for (i = 0; i < count; i++) {
		if (kept[i] == UINT64_MAX)
			continue;
		closed++;
		shortest = kept[i] < shortest ? kept[i] : shortest;
		longest = kept[i] > longest ? kept[i] : longest;
	}
	printf("opened %zu closed %zu shortest %llu longest %llu\n", count, closed,
	       closed ? (unsigned long long)shortest : 0ULL, (unsigned long long)longest);
}

static void hold(struct pollfd *fds, uint64_t *kept, const uint64_t *since, size_t count,
		 const struct slow *slow, uint64_t end_ms)
{
	uint64_t next_ms = now_ms() + 1000;

	while (look(fds, kept, since, count) > 0 && now_ms() < end_ms) {
		if (!slow->trickle || now_ms() < next_ms)
			continue;
		trickle(fds, count);
		next_ms += 1000;
	}
}

int main(int argc, char **argv)
{
	struct endpoint server;
	struct error err;
	uint64_t count, seconds, *kept, *since, i;
	const struct slow *slow;
	struct pollfd *fds;

	if (argc < 6)
		die("usage", "slowly MODE ADDR:PORT COUNT SECONDS SOURCE...");
	signal(SIGPIPE, SIG_IGN);
	slow = find_mode(argv[1]);
	if (parse_endpoint(argv[2], 0, &server, &err) ||
	    parse_number(argv[3], 1, 1000, &count, &err) ||
	    parse_number(argv[4], 1, 3600, &seconds, &err))
		die("argument", err.message);
	fds = calloc(count, sizeof(*fds));
	kept = calloc(count, sizeof(*kept));
	since = calloc(count, sizeof(*since));
	if (!fds || !kept || !since)
		die("memory", "none");
	for (i = 0; i < count; i++) {
		fds[i].fd = connect_from(argv[5 + i % (uint64_t)(argc - 5)], &server);
		fds[i].events = POLLRDHUP;
		since[i] = now_ms();
		kept[i] = UINT64_MAX;
		begin(fds[i].fd, slow);
	}
	puts("opened all");
	fflush(stdout);
	hold(fds, kept, since, count, slow, now_ms() + seconds * 1000);
	report(kept, count);
	free(fds);
	free(kept);
	free(since);
	return 0;
}
