/* SPDX-License-Identifier: Apache-2.0 */
#include "announce_note.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "parse.h"

#define PATH_ROOM 300

static const char *place(const char *state_dir, const char *end, char path[PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/announce%s", state_dir, end);
	return path;
}

uint32_t announce_note_read(const char *state_dir)
{
	char path[PATH_ROOM], text[32] = "";
	int fd = open(place(state_dir, "", path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct error ignored;
	uint64_t table = 0;
	ssize_t length;

	if (fd < 0)
		return 0;
	length = file_read_all(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return parse_number(text, 1, UINT32_MAX, &table, &ignored) == 0 ? (uint32_t)table : 0;
}

/* Whole and on disk, or not at all. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	int error;

	if (fd < 0)
		return -errno;
	error = file_write_all(fd, text, strlen(text));
	if (!error && fsync(fd) < 0)
		error = -errno;
	close(fd);
	return error;
}

static int refuse(const char *path, int error, struct error *err)
{
	error_set(err, -error, "%s: the table of announced routes cannot be noted: %s", path,
		  strerror(-error));
	return error_hint(err, error, "let lbagent's user write there, or free some space");
}

int announce_note_write(const char *state_dir, uint32_t table, struct error *err)
{
	char path[PATH_ROOM], fresh[PATH_ROOM], text[32];
	int error;

	place(state_dir, "", path);
	place(state_dir, ".tmp", fresh);
	if (table == 0)
		return unlink(path) == 0 || errno == ENOENT ? 0 : refuse(path, -errno, err);
	snprintf(text, sizeof(text), "%" PRIu32 "\n", table);
	error = write_file(fresh, text);
	if (!error && rename(fresh, path) < 0)
		error = -errno;
	return error ? refuse(path, error, err) : 0;
}
