/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download: many downloads of one file at once, which take as long as they are to.
 *
 *   download ADDR:PORT PATH FILE COUNT SECONDS
 *
 * Each takes a kilobyte in a tenth of a second until SIGUSR1 comes, then all that there is. What
 * comes is held against FILE. Prints, for scripts, "begun" when each has got something, and in the
 * end, which is after SECONDS at the latest:
 *   whole N early N reset N stuck N other N
 * early: of those that are whole, how many were so before the signal. stuck: under way in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "parse.h"

#define SLOWLY 1024 /* bytes at a time */

enum state { HEAD, BODY, WHOLE, RESET, OTHER };

struct download {
	int fd;
	enum state state;
	size_t matched; /* HEAD: bytes of its end; BODY: of the file */
	bool early;
};

static volatile sig_atomic_t released;
static const uint8_t *file;
static size_t file_size;

static void release(int signal)
{
	(void)signal;
	released = 1;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "download: %s: %s\n", what, why);
	exit(1);
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) || status.st_size == 0)
		die(path, "cannot be read, or is empty");
	file_size = (size_t)status.st_size;
	file = mmap(NULL, file_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		die(path, strerror(errno));
	close(fd);
}

static void begin(struct download *download, const struct endpoint *server, const char *path)
{
	struct sockaddr_storage addr;
	socklen_t length = endpoint_sockaddr(server, &addr);
	char request[256];
	int size = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);

	download->fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Or the file would soon be in here. */
	setsockopt(download->fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
	if (download->fd < 0 || connect(download->fd, (struct sockaddr *)&addr, length) ||
	    send(download->fd, request, (size_t)size, 0) != size)
		die("connect", strerror(errno));
	fcntl(download->fd, F_SETFL, O_NONBLOCK);
}

static bool is_under_way(const struct download *download)
{
	return download->state <= BODY;
}

static void end(struct download *download, enum state state)
{
	download->state = state;
	download->early = !released;
	close(download->fd);
}

static void take(struct download *download, const uint8_t *bytes, size_t size)
{
	static const uint8_t mark[] = {'\r', '\n', '\r', '\n'};

	while (size && download->state == HEAD) {
		download->matched =
			*bytes == mark[download->matched] ? download->matched + 1 : *bytes == '\r';
		bytes++;
		size--;
		if (download->matched < sizeof(mark))
			continue;
		download->state = BODY;
		download->matched = 0;
	}
	if (!size)
		return;
	if (size > file_size - download->matched ||
	    memcmp(file + download->matched, bytes, size) != 0) {
		end(download, OTHER);
		return;
	}
	download->matched += size;
	if (download->matched == file_size) /* ours to close: no backend is left in TIME_WAIT */
		end(download, WHOLE);
}

/* Until there is nothing to be had, or, before the signal, once. */
static void go_on(struct download *download)
{
	uint8_t bytes[16 * SLOWLY];
	ssize_t size;

	do {
		size = recv(download->fd, bytes, released ? sizeof(bytes) : SLOWLY, 0);
		if (size > 0)
			take(download, bytes, (size_t)size);
		else if (size < 0 && errno == ECONNRESET)
			end(download, RESET);
		else if (size == 0 || (errno != EAGAIN && errno != EINTR))
			end(download, OTHER);
	} while (released && size > 0 && is_under_way(download));
}

static size_t count_state(const struct download *downloads, size_t count, enum state state)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += downloads[i].state == state;
	return found;
}

static void run(struct download *downloads, size_t count, time_t until)
{
	bool begun = false;
	size_t left = count;

	while (left > 0 && now() < until) {
		left = 0;
		for (size_t i = 0; i < count; i++) {
			if (!is_under_way(&downloads[i]))
				continue;
			go_on(&downloads[i]);
			left += is_under_way(&downloads[i]);
		}
		if (!begun && count_state(downloads, count, HEAD) == 0) {
			begun = true;
			puts("begun");
			fflush(stdout);
		}
		poll(NULL, 0, released ? 5 : 100);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = release};
	struct download *downloads;
	struct endpoint server;
	uint64_t count, seconds;
	size_t early = 0, whole;
	struct error err;

	if (argc != 6)
		die("usage", "download ADDR:PORT PATH FILE COUNT SECONDS");
	if (parse_endpoint(argv[1], 0, &server, &err) ||
	    parse_number(argv[4], 1, 1000, &count, &err) ||
	    parse_number(argv[5], 1, 3600, &seconds, &err))
		die("argument", err.message);
	read_file(argv[3]);
	sigaction(SIGUSR1, &action, NULL);
	downloads = calloc(count, sizeof(*downloads));
	if (!downloads)
		die("memory", "none");
	for (size_t i = 0; i < count; i++)
		begin(&downloads[i], &server, argv[2]);
	run(downloads, count, now() + (time_t)seconds);
	whole = count_state(downloads, count, WHOLE);
	for (size_t i = 0; i < count; i++)
		early += downloads[i].state == WHOLE && downloads[i].early;
	printf("whole %zu early %zu reset %zu stuck %zu other %zu\n", whole, early,
	       count_state(downloads, count, RESET),
	       count_state(downloads, count, HEAD) + count_state(downloads, count, BODY),
	       count_state(downloads, count, OTHER));
	free(downloads);
	return 0;
}
