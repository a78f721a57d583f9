/* SPDX-License-Identifier: Apache-2.0 */
#include "source_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

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

int source_list_read_text(const char *name, char *text, struct source_list *ret_list,
			  struct error *err)
{
	struct source_list list = {0};
	struct error inner = {0};
	char *line, *prefix;
	size_t number = 0;
	int ret = 0;

	while (ret == 0 && (line = strsep(&text, "\n"))) {
		number++;
		prefix = trim(line);
		if (prefix)
			ret = read_one(prefix, &list, &inner);
	}
	if (ret)
		refuse_line(name, number, ret, &inner, err);
	return end_with(ret, &list, ret_list);
}

static int refuse_file(const char *name, const char *reason, struct error *err)
{
	int ret = error_set(err, EINVAL, "%.128s: %s", name, reason);

	return error_hint(err, ret, "give a file that lbagent can read, one prefix a line");
}

/* *ret_text is the caller's. */
static int read_file(const char *name, char **ret_text, struct error *err)
{
	/* Who names a pipe or a device must not have us wait. */
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	size_t length;
	int ret = -EFBIG;

	if (fd < 0)
		return refuse_file(name, strerror(errno), err);
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		ret = file_read_text(fd, SOURCE_FILE_BYTES, ret_text, &length);
	close(fd);
	if (ret == -ENOMEM)
		return error_set(err, ENOMEM, "out of memory");
	if (ret == -EFBIG)
		return refuse_file(name, "not a regular file of at most 64 MiB", err);
	if (ret)
		return refuse_file(name, strerror(-ret), err);
	if (memchr(*ret_text, '\0', length))
		return refuse_file(name, "not text", err);
	return 0;
}

int source_list_read(const char *words, struct source_list *ret_list, struct error *err)
{
	char *text = NULL;
	int ret;

	if (!source_words_are_file(words))
		return source_list_read_words(words, ret_list, err);
	ret = read_file(words, &text, err);
	if (ret == 0)
		ret = source_list_read_text(words, text, ret_list, err);
	free(text);
	return ret;
}
