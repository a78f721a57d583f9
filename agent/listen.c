/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool somebody_answers(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;

	if (fd >= 0)
		close(fd);
	return answers;
}

static void give_to_group(const char *path, const char *group)
{
	const struct group *entry = getgrnam(group);

	/* Without the group the socket stays the owner's alone, which is safe. */
	if (entry && chown(path, (uid_t)-1, entry->gr_gid) == 0)
		return;
}

static int listen_error(int fd, const char *where, struct error *err)
{
	int code = errno;

	if (fd >= 0)
		close(fd);
	return error_set(err, code, "cannot listen on %s: %s", where, strerror(code));
}

int listen_unix(const char *path, const char *group, int *ret_fd, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, ret;

	if (strlen(path) >= sizeof(addr.sun_path))
		return error_set(err, ENAMETOOLONG, "socket %s: longer than %zu bytes", path,
				 sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (somebody_answers(&addr)) {
		ret = error_set(err, EADDRINUSE, "socket %s: another lbagent answers there", path);
		return error_hint(err, ret, "stop it first, or give --socket another path");
	}
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0117); /* from its first moment: mode 0660 */
	ret = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (ret || listen(fd, SOMAXCONN)) {
		ret = listen_error(fd, path, err);
		return error_hint(err, ret, "the directory must exist; give --socket PATH");
	}
	give_to_group(path, group);
	*ret_fd = fd;
	return 0;
}

int listen_tcp(const struct endpoint *endpoint, int *ret_fd, struct error *err)
{
	char text[ENDPOINT_TEXT_MAX];
	struct sockaddr_storage addr;
	socklen_t length = endpoint_sockaddr(endpoint, &addr);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, ret;

	format_endpoint(endpoint, text);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (const struct sockaddr *)&addr, length) || listen(fd, SOMAXCONN)) {
		ret = listen_error(fd, text, err);
		return error_hint(err, ret, "give --listen ADDR:PORT");
	}
	*ret_fd = fd;
	return 0;
}
