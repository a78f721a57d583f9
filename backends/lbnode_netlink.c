/* SPDX-License-Identifier: Apache-2.0 */
#include "lbnode_netlink.h"

#include <errno.h>
#include <stdbool.h>

#define ANSWER_MAX 65536

static int receive(struct mnl_socket *socket, unsigned int sequence, mnl_cb_t visit, void *context)
{
	static char buffer[ANSWER_MAX];
	ssize_t length;
	int r = MNL_CB_OK;

	while (r == MNL_CB_OK) {
		length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (length < 0)
			return -errno;
		r = mnl_cb_run(buffer, (size_t)length, sequence, mnl_socket_get_portid(socket),
			       visit, context);
	}
	return r < 0 ? -errno : 0;
}

int netlink_talk(int bus, struct nlmsghdr *request, mnl_cb_t visit, void *context)
{
	struct mnl_socket *socket = mnl_socket_open(bus);
	int r;

	if (!socket)
		return -errno;
	request->nlmsg_seq = 1;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		r = -errno;
	else
		r = receive(socket, request->nlmsg_seq, visit, context);
	mnl_socket_close(socket);
	return r;
}

struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	return request;
}
