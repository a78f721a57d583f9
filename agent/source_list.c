/* SPDX-License-Identifier: Apache-2.0 */
#include "source_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define BLOCK_SIZE    (64u << 10) /* of a file, with a NUL behind it */
#define LINE_MAX_KEPT 1024        /* of a line that is longer than a block */

void source_list_clear(struct source_list *list)
{
	free(list->prefixes);
	*list = (struct source_list){0};
}

bool source_words_are_file(const char *words)
{
	return words[0] == '/';
}

/* Makes room for one more, in steps that grow. */
static int append(struct source_list *list, const struct prefix *prefix, struct error *err)
{
	size_t room = 16;
	struct prefix *prefixes;

	if (list->count == SOURCE_LIST_MAX)
		return error_set(err, E2BIG, "more than %d prefixes", SOURCE_LIST_MAX);
	if ((list->count & (list->count - 1)) == 0 && (list->count == 0 || list->count >= room)) {
		room = list->count ? 2 * list->count : room;
		prefixes = reallocarray(list->prefixes, room, sizeof(*prefixes));
		if (!prefixes)
			return error_set(err, ENOMEM, "out of memory");
		list->prefixes = prefixes;
	}
	list->prefixes[list->count++] = *prefix;
	return 0;
}

/* text, up to the end, is one prefix. */
static int read_one(const char *text, struct source_list *list, struct error *err)
{
	struct prefix prefix;
	int ret = parse_prefix(text, &prefix, err);

	return ret ? ret : append(list, &prefix, err);
}

static int end_with(int ret, struct source_list *list, struct source_list *ret_list)
{
	if (ret)
		source_list_clear(list);
	else
		*ret_list = *list;
	return ret;
}

int source_list_read_words(const char *words, struct source_list *ret_list, struct error *err)
{
	struct source_list list = {0};
	char one[PREFIX_TEXT_MAX + 16];
	size_t length;
	int ret = 0;

	while (ret == 0 && *words) {
		length = strcspn(words, ",");
		if (length >= sizeof(one)) {
			ret = error_set(err, EINVAL, "%.40s...: not a prefix", words);
			break;
		}
		memcpy(one, words, length);
		one[length] = '\0';
		ret = read_one(one, &list, err);
		words += length + (words[length] == ',');
	}
	if (ret == -EINVAL)
		error_hint(err, ret,
			   "write 198.18.0.0/15,2001:db8::/32, or the path of a file, which begins "
			   "with /");
	return end_with(ret, &list, ret_list);
}

/* --- files --- */

/* The line's prefix without comment and blanks; NULL: it has none. */
static char *trim(char *line)
{
	char *end;

	line[strcspn(line, "#")] = '\0';
	line += strspn(line, " \t\r");
	end = line + strlen(line);
	while (end > line && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return *line ? line : NULL;
}

/* What the line says is not repeated: the file may be one that the asker must not read. */
static int refuse_line(const char *name, size_t number, int ret, const struct error *inner,
		       struct error *err)
{
	if (ret != -EINVAL)
		return error_set(err, -ret, "%.128s: line %zu: %.96s", name, number,
				 inner->message);
	error_set(err, EINVAL, "%.128s: line %zu: not a prefix", name, number);
	return error_hint(err, ret,
			  "one a line, such as 198.18.0.0/15 or 2001:db8::/32, no bits behind the "
			  "prefix; # begins a comment");
}

static int refuse_file(const char *name, const char *reason, struct error *err)
{
	int ret = error_set(err, EINVAL, "%.128s: %s", name, reason);

	return error_hint(err, ret, "give a file that lbagent can read, one prefix a line");
}

struct source_reader {
	char *name; /* owned, as all of it */
	int fd;
	struct stat status; /* when it was opened */
	size_t bytes;       /* that were read of it */
	bool end;
	char *block; /* what was read and is not yet parted into lines: [at, used) */
	size_t at, used;
	size_t number; /* of the last line */
	struct source_list list;
};

static int open_file(struct source_reader *reader, struct error *err)
{
	/* Who names a pipe or a device must not have us wait. */
	reader->fd = open(reader->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (reader->fd < 0)
		return refuse_file(reader->name, strerror(errno), err);
	if (fstat(reader->fd, &reader->status) || !S_ISREG(reader->status.st_mode) ||
	    reader->status.st_size > (off_t)SOURCE_FILE_BYTES)
		return refuse_file(reader->name, "not a regular file of at most 64 MiB", err);
	return 0;
}

int source_reader_open(const char *path, struct source_reader **ret_reader, struct error *err)
{
	struct source_reader *reader = calloc(1, sizeof(*reader));
	int ret;

	if (!reader)
		return error_set(err, ENOMEM, "out of memory");
	reader->fd = -1;
	reader->name = strdup(path);
	reader->block = malloc(BLOCK_SIZE);
	ret = reader->name && reader->block ? open_file(reader, err)
					    : error_set(err, ENOMEM, "out of memory");
	if (ret) {
		source_reader_free(reader);
		return ret;
	}
	*ret_reader = reader;
	return 0;
}

/* Puts more behind what is left of the block. A line that fills a block is no prefix: what is left
 * of it then is not looked at. */
static int read_block(struct source_reader *reader, struct error *err)
{
	size_t left = reader->used - reader->at;
	ssize_t count;

	if (left == BLOCK_SIZE - 1)
		left = LINE_MAX_KEPT;
	memmove(reader->block, reader->block + reader->at, left);
	reader->at = 0;
	reader->used = left;
	count = file_read_all(reader->fd, reader->block + left, BLOCK_SIZE - 1 - left);
	if (count < 0)
		return refuse_file(reader->name, strerror((int)-count), err);
	if (memchr(reader->block + left, '\0', (size_t)count))
		return refuse_file(reader->name, "not text", err);
	reader->used += (size_t)count;
	reader->bytes += (size_t)count;
	reader->end = reader->used < BLOCK_SIZE - 1;
	if (reader->bytes > SOURCE_FILE_BYTES)
		return refuse_file(reader->name, "not a regular file of at most 64 MiB", err);
	return 0;
}

/* The next line, without what ends it, in the block; NULL: that was all. */
static int next_line(struct source_reader *reader, char **ret_line, struct error *err)
{
	char *line = reader->block + reader->at, *end = NULL;
	int ret = 0;

	if (reader->used > reader->at)
		end = memchr(line, '\n', reader->used - reader->at);
	while (ret == 0 && !end && !reader->end) {
		ret = read_block(reader, err);
		line = reader->block;
		end = memchr(line, '\n', reader->used);
	}
	if (ret)
		return ret;
	if (!end && reader->at == reader->used) {
		*ret_line = NULL;
		return 0;
	}
	end = end ? end : reader->block + reader->used;
	*end = '\0';
	reader->at = (size_t)(end - reader->block) + 1;
	reader->at = reader->at < reader->used ? reader->at : reader->used;
	reader->number++;
	*ret_line = line;
	return 0;
}

int source_reader_step(struct source_reader *reader, size_t lines, struct error *err)
{
	struct error inner = {0};
	char *line, *prefix;
	int ret;

	for (; lines; lines--) {
		ret = next_line(reader, &line, err);
		if (ret || !line)
			return ret;
		prefix = trim(line);
		ret = prefix ? read_one(prefix, &reader->list, &inner) : 0;
		if (ret)
			return refuse_line(reader->name, reader->number, ret, &inner, err);
	}
	return SOURCE_READER_MORE;
}

bool source_reader_fresh(const struct source_reader *reader)
{
	const struct stat *then = &reader->status;
	struct stat now;

	return stat(reader->name, &now) == 0 && now.st_dev == then->st_dev &&
	       now.st_ino == then->st_ino && now.st_size == then->st_size &&
	       now.st_ctim.tv_sec == then->st_ctim.tv_sec &&
	       now.st_ctim.tv_nsec == then->st_ctim.tv_nsec;
}

const struct source_list *source_reader_list(const struct source_reader *reader)
{
	return &reader->list;
}

void source_reader_free(struct source_reader *reader)
{
	if (!reader)
		return;
	if (reader->fd >= 0)
		close(reader->fd);
	source_list_clear(&reader->list);
	free(reader->block);
	free(reader->name);
	free(reader);
}

int source_list_read(const char *words, struct source_list *ret_list, struct error *err)
{
	struct source_reader *reader = NULL;
	int ret;

	if (!source_words_are_file(words))
		return source_list_read_words(words, ret_list, err);
	ret = source_reader_open(words, &reader, err);
	if (!reader)
		return ret;
	ret = source_reader_step(reader, SIZE_MAX, err);
	if (ret == 0) {
		*ret_list = reader->list;
		reader->list = (struct source_list){0};
	}
	source_reader_free(reader);
	return ret;
}
