/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include <netinet/in.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "parse.h"

#define NAME_TEXT_MAX 40

/* " (root)", or nothing where the file does not know the user. */
static const char *name_of(uid_t uid, char buffer[NAME_TEXT_MAX])
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd entry, *found = NULL;
	char line[1024];

	buffer[0] = '\0';
	if (!file)
		return buffer;
	while (fgetpwent_r(file, &entry, line, sizeof(line), &found) == 0) {
		if (entry.pw_uid != uid)
			continue;
		snprintf(buffer, NAME_TEXT_MAX, " (%.32s)", entry.pw_name);
		break;
	}
	fclose(file);
	return buffer;
}

static bool endpoint_of(const struct sockaddr_storage *addr, struct endpoint *ret_endpoint)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;

	*ret_endpoint = (struct endpoint){0};
	if (addr->ss_family == AF_INET6) {
		ret_endpoint->address.ip = in6->sin6_addr;
		ret_endpoint->port = ntohs(in6->sin6_port);
	} else if (addr->ss_family == AF_INET) {
		ret_endpoint->address.ip.s6_addr16[5] = 0xffff;
		ret_endpoint->address.ip.s6_addr32[3] = in->sin_addr.s_addr;
		ret_endpoint->port = ntohs(in->sin_port);
	}
	return addr->ss_family == AF_INET6 || addr->ss_family == AF_INET;
}

const char *peer_describe(int fd, char buffer[PEER_TEXT_MAX])
{
	struct sockaddr_storage addr = {0};
	socklen_t length = sizeof(addr), size = sizeof(struct ucred);
	char text[ENDPOINT_TEXT_MAX], name[NAME_TEXT_MAX];
	struct endpoint endpoint;
	struct ucred peer;

	snprintf(buffer, PEER_TEXT_MAX, "unknown");
	if (getpeername(fd, (struct sockaddr *)&addr, &length))
		return buffer;
	if (endpoint_of(&addr, &endpoint))
		snprintf(buffer, PEER_TEXT_MAX, "%s", format_endpoint(&endpoint, text));
	else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		snprintf(buffer, PEER_TEXT_MAX, "uid %u%s, pid %d", (unsigned int)peer.uid,
			 name_of(peer.uid, name), (int)peer.pid);
	return buffer;
}
