/* SPDX-License-Identifier: Apache-2.0 */
#include "journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "json.h"

#define NAME        "events.jsonl"
#define FORMER_NAME "events.jsonl.1"

struct journal_file {
	char *dir;
	int dir_fd;
	int fd; /* of NAME; below 0: not open yet, or no more */
	off_t size, size_max;
	uint64_t saved; /* the last event that is in the file */
};

static int refuse(const struct journal_file *file, int code, struct error *err)
{
	return error_set(err, code, "%s/%s: %s", file->dir, NAME, strerror(code));
}

/* --- reading --- */

static void take_line(struct journal *journal, const char *line, size_t length)
{
	cJSON *json = NULL;
	struct event event;
	struct error unused;

	if (json_parse(line, length, &json, &unused) == 0 && event_read(json, &event, &unused) == 0)
		journal_add(journal, &event);
	cJSON_Delete(json);
}

/* What cannot be read is as if it were not there. */
static void take_file(const struct journal_file *file, const char *name, struct journal *journal)
{
	int fd = openat(file->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	FILE *stream = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((length = getline(&line, &room, stream)) > 0)
		take_line(journal, line, (size_t)length);
	free(line);
	fclose(stream);
}

/* --- writing --- */

static void close_current(struct journal_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

/* A line may be torn at its end. The next one is not to be part of it. */
static int end_torn_line(struct journal_file *file)
{
	char last;

	if (file->size == 0 || pread(file->fd, &last, 1, file->size - 1) != 1 || last == '\n')
		return 0;
	file->size++;
	return file_write_all(file->fd, "\n", 1);
}

static int open_current(struct journal_file *file)
{
	struct stat status;
	int ret;

	/* O_NONBLOCK: a FIFO put there must not hang us. It changes nothing for regular files. */
	file->fd = openat(file->dir_fd, NAME,
			  O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
	if (file->fd < 0)
		return -errno;
	if (fstat(file->fd, &status) < 0) {
		ret = -errno;
	} else if (!S_ISREG(status.st_mode)) {
		ret = -EINVAL;
	} else {
		file->size = status.st_size;
		ret = end_torn_line(file);
	}
	if (ret)
		close_current(file);
	return ret;
}

/* Begins a new file where this one has no room for `length` more bytes. */
static int make_room(struct journal_file *file, size_t length)
{
	int ret = file->fd < 0 ? open_current(file) : 0;

	if (ret || file->size == 0 || file->size + (off_t)length <= file->size_max)
		return ret;
	if (renameat(file->dir_fd, NAME, file->dir_fd, FORMER_NAME) < 0)
		return -errno;
	close_current(file);
	return open_current(file);
}

static int save_line(struct journal_file *file, const char *line, size_t length)
{
	int ret = make_room(file, length);

	if (ret)
		return ret;
	ret = file_write_all(file->fd, line, length);
	if (ret == 0)
		file->size += (off_t)length;
	else if (ftruncate(file->fd, file->size) < 0)
		close_current(file); /* it may end in half a line: open_current() sees to it */
	return ret;
}

static int save_event(struct journal_file *file, const struct event *event)
{
	cJSON *json = event_write(event);
	char *text = json ? cJSON_PrintUnformatted(json) : NULL;
	size_t length = text ? strlen(text) : 0;
	int ret;

	cJSON_Delete(json);
	if (!text)
		return -ENOMEM;
	text[length] = '\n'; /* in place of its NUL */
	ret = save_line(file, text, length + 1);
	cJSON_free(text);
	return ret;
}

int journal_file_save(struct journal_file *file, const struct journal *journal, struct error *err)
{
	const struct event *event;
	int ret;

	while ((event = journal_after(journal, file->saved))) {
		ret = save_event(file, event);
		if (ret)
			return refuse(file, -ret, err);
		file->saved = event->seq;
	}
	return 0;
}

/* --- life --- */

int journal_file_open(const char *dir, off_t size_max, struct journal *journal,
		      struct journal_file **ret_file, struct error *err)
{
	struct journal_file *file = calloc(1, sizeof(*file));
	int code;

	if (!file)
		return error_set(err, ENOMEM, "out of memory");
	file->fd = -1;
	file->size_max = size_max;
	file->dir = strdup(dir);
	file->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!file->dir || file->dir_fd < 0) {
		code = file->dir ? errno : ENOMEM;
		journal_file_close(file);
		return error_set(err, code, "state directory %s: %s", dir, strerror(code));
	}
	take_file(file, FORMER_NAME, journal);
	take_file(file, NAME, journal);
	file->saved = journal_newest(journal);
	*ret_file = file;
	return 0;
}

void journal_file_close(struct journal_file *file)
{
	if (!file)
		return;
	close_current(file);
	if (file->dir_fd >= 0)
		close(file->dir_fd);
	free(file->dir);
	free(file);
}
