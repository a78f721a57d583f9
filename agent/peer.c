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

bool peer_endpoint(int fd, struct endpoint *ret_endpoint)
{
	struct sockaddr_storage addr = {0};
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&addr;
	struct endpoint endpoint = {0};
	socklen_t length = sizeof(addr);

	if (getpeername(fd, (struct sockaddr *)&addr, &length))
		return false;
	if (addr.ss_family == AF_INET6) {
		endpoint.address.ip = in6->sin6_addr;
		endpoint.port = ntohs(in6->sin6_port);
	} else if (addr.ss_family == AF_INET) {
		endpoint.address.ip.s6_addr16[5] = 0xffff;
		endpoint.address.ip.s6_addr32[3] = in->sin_addr.s_addr;
		endpoint.port = ntohs(in->sin_port);
	} else {
		return false;
	}
	*ret_endpoint = endpoint;
	return true;
}

const char *peer_describe(int fd, char buffer[PEER_TEXT_MAX])
{
	char text[ENDPOINT_TEXT_MAX], name[NAME_TEXT_MAX];
	socklen_t size = sizeof(struct ucred);
	struct endpoint endpoint;
	struct ucred peer;

	if (peer_endpoint(fd, &endpoint))
		snprintf(buffer, PEER_TEXT_MAX, "%s", format_endpoint(&endpoint, text));
	else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		snprintf(buffer, PEER_TEXT_MAX, "uid %u%s, pid %d", (unsigned int)peer.uid,
			 name_of(peer.uid, name), (int)peer.pid);
	else
		snprintf(buffer, PEER_TEXT_MAX, "unknown");
	return buffer;
}
