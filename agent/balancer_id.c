/* SPDX-License-Identifier: Apache-2.0 */
#include "balancer_id.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "file.h"

#define NAME_MAX_LENGTH 64

/* It becomes part of a key and of people's screens. */
static bool is_id(const char *text)
{
	size_t length = strlen(text);

	for (const char *at = text; *at; at++) {
		if (!isalnum((unsigned char)*at) && !strchr("-._", *at))
			return false;
	}
	return length > 0 && length < BALANCER_ID_MAX;
}

static int make(char id[BALANCER_ID_MAX], struct error *err)
{
	char host[NAME_MAX_LENGTH + 1] = "";
	uint32_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return error_set(err, EIO, "no random numbers to be had: %s", strerror(errno));
	gethostname(host, sizeof(host) - 1);
	snprintf(id, BALANCER_ID_MAX, "%s-%08x", is_id(host) ? host : "balancer", number);
	return 0;
}

static int save(const char *path, const char *id, struct error *err)
{
	char line[BALANCER_ID_MAX + 2];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	int ret = fd < 0 ? -errno : 0;

	snprintf(line, sizeof(line), "%s\n", id);
	if (ret == 0)
		ret = file_write_all(fd, line, strlen(line));
	if (ret == 0 && fsync(fd))
		ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret ? error_set(err, -ret, "%.200s: %s", path, strerror(-ret)) : 0;
}

int balancer_id_read(const char *state_dir, char ret_id[BALANCER_ID_MAX], struct error *err)
{
	char path[PATH_MAX], text[BALANCER_ID_MAX] = "";
	ssize_t length = 0;
	int fd, ret;

	snprintf(path, sizeof(path), "%s/balancer-id", state_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return error_set(err, errno, "%.200s: %s", path, strerror(errno));
	if (fd >= 0) {
		length = file_read_all(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (length > 0)
		text[strcspn(text, "\n")] = '\0';
	if (!is_id(text)) {
		ret = make(text, err);
		if (ret == 0)
			ret = save(path, text, err);
		if (ret)
			return ret;
	}
	snprintf(ret_id, BALANCER_ID_MAX, "%s", text);
	return 0;
}
