/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "parse.h"

#define STAT_STARTED 19 /* words behind the program's name: field 22 of proc(5) */

/* False: it cannot be read. */
static bool read_small(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = -1;

	if (fd >= 0) {
		length = file_read_all(fd, text, size - 1);
		close(fd);
	}
	text[length > 0 ? length : 0] = '\0';
	return length > 0;
}

/* The word behind `skip` others, and *text moves on behind it. 0: it is no number. */
static uint64_t take_number(char **text, unsigned int skip)
{
	struct error ignored;
	uint64_t value = 0;
	char *word;

	do {
		word = *text + strspn(*text, " \n");
		*text = word + strcspn(word, " \n");
		if (**text)
			*(*text)++ = '\0';
	} while (*word && skip--);
	parse_number(word, 0, UINT64_MAX, &value, &ignored);
	return value;
}

static void read_memory(struct process_usage *usage)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char text[128], *rest = text;

	if (!read_small("/proc/self/statm", text, sizeof(text)))
		return;
	usage->virtual_bytes = take_number(&rest, 0) * page;
	usage->resident_bytes = take_number(&rest, 0) * page;
}

/* Linux before 6.2 does not tell by the directory's size. */
static uint64_t count_fds(void)
{
	struct stat directory;
	uint64_t count = 0;
	DIR *fds;

	if (stat("/proc/self/fd", &directory) == 0 && directory.st_size > 0)
		return (uint64_t)directory.st_size;
	fds = opendir("/proc/self/fd");
	if (!fds)
		return 0;
	while (readdir(fds))
		count++;
	closedir(fds);
	return count > 3 ? count - 3 : 0; /* ".", "..", and this one */
}

static double seconds_of(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

void process_usage(struct process_usage *ret_usage)
{
	struct rusage usage = {0};
	struct rlimit files = {0};

	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &files);
	*ret_usage = (struct process_usage){
		.cpu_seconds = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime),
		.open_fds = count_fds(),
		.max_fds = files.rlim_cur == RLIM_INFINITY ? UINT64_MAX : files.rlim_cur,
	};
	read_memory(ret_usage);
}

double process_started(void)
{
	char text[1024], *words;
	double ticks;

	if (!read_small("/proc/self/stat", text, sizeof(text)))
		return 0;
	words = strrchr(text, ')'); /* the name may have blanks and brackets in it */
	if (!words)
		return 0;
	words++;
	ticks = (double)take_number(&words, STAT_STARTED) / (double)sysconf(_SC_CLK_TCK);
	return clock_seconds(CLOCK_REALTIME) - clock_seconds(CLOCK_BOOTTIME) + ticks;
}
