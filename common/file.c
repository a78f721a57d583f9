/* SPDX-License-Identifier: Apache-2.0 */
#include "file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

ssize_t file_read_all(int fd, char *buffer, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t count = read(fd, buffer + used, size - used);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (count == 0)
			break;
		used += (size_t)count;
	}
	return (ssize_t)used;
}

int file_read_text(int fd, size_t max, char **ret_text, size_t *ret_length)
{
	size_t size = 4096, used = 0;
	char *text = NULL, *more;
	ssize_t count;

	for (;;) {
		more = realloc(text, size + 1);
		count = more ? file_read_all(fd, more + used, size - used) : -ENOMEM;
		text = more ? more : text;
		if (count < 0) {
			free(text);
			return (int)count;
		}
		used += (size_t)count;
		if (used < size)
			break;
		if (used > max) {
			free(text);
			return -EFBIG;
		}
		size = size < max / 2 ? size * 2 : max + 1;
	}
	text[used] = '\0';
	*ret_text = text;
	*ret_length = used;
	return 0;
}

int file_write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t count = write(fd, text, length);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		text += count;
		length -= (size_t)count;
	}
	return 0;
}
