/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

static int check_trusted(const struct stat *status, const char *what, const char *path,
			 struct error *err)
{
	const unsigned int mode = (unsigned int)status->st_mode & 07777;

	if (!S_ISREG(status->st_mode))
		return error_set(err, EPERM, "%s %.200s: not a regular file", what, path);
	if (status->st_uid != 0 && status->st_uid != geteuid()) {
		error_set(err, EPERM, "%s %.200s: belongs to user %u", what, path,
			  (unsigned int)status->st_uid);
		return error_hint(err, -EPERM, "chown %u %.120s", (unsigned int)geteuid(), path);
	}
	if (mode & S_IRWXO || mode & S_IWGRP) {
		error_set(err, EPERM, "%s %.200s: %s (mode %04o)", what, path,
			  mode & S_IROTH ? "others may read it" : "others may write to it", mode);
		return error_hint(err, -EPERM,
				  "chmod 600 %.100s; what others have read is no secret", path);
	}
	if (status->st_size > SECRET_SIZE_MAX)
		return error_set(err, EFBIG, "%s %.200s: larger than 1 MiB", what, path);
	return 0;
}

static int read_opened(int fd, const char *what, const char *path, char **ret_text,
		       size_t *ret_length, struct error *err)
{
	struct stat status;
	ssize_t length;
	char *text;
	int ret;

	if (fstat(fd, &status))
		return error_set(err, errno, "%s %.200s: %s", what, path, strerror(errno));
	ret = check_trusted(&status, what, path, err);
	if (ret)
		return ret;
	text = malloc((size_t)status.st_size + 1);
	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	length = file_read_all(fd, text, (size_t)status.st_size);
	if (length < 0) {
		secret_free(text, (size_t)status.st_size);
		return error_set(err, (int)-length, "%s %.200s: %s", what, path,
				 strerror((int)-length));
	}
	text[length] = '\0';
	*ret_text = text;
	*ret_length = (size_t)length;
	return 0;
}

int secret_read(const char *what, const char *path, char **ret_text, size_t *ret_length,
		struct error *err)
{
	/* O_NONBLOCK: a FIFO there must not hang us. It changes nothing for regular files. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int ret;

	if (fd < 0) {
		ret = error_set(err, errno, "%s %.200s: %s", what, path, strerror(errno));
		return error_hint(err, ret,
				  ret == -EACCES ? "let lbagent's or lbctl's user read it"
						 : "give a path that exists");
	}
	ret = read_opened(fd, what, path, ret_text, ret_length, err);
	close(fd);
	return ret;
}

void secret_free(char *text, size_t length)
{
	if (!text)
		return;
	explicit_bzero(text, length);
	free(text);
}
