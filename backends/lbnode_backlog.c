/* SPDX-License-Identifier: Apache-2.0 */

/* Listen queues, as sock_diag(7) has them: of a listener, what waits and the most that may. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "lbnode_backlog.h"
#include "lbnode_netlink.h"

struct search {
	const uint64_t *ports;
	size_t count;
	double fullest;
};

static bool is_wanted(const struct search *search, uint16_t port)
{
	for (size_t i = 0; i < search->count; i++)
		if (search->ports[i] == port)
			return true;
	return false;
}

static int on_socket(const struct nlmsghdr *message, void *context)
{
	const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(message);
	struct search *search = context;
	double full;

	if (!is_wanted(search, ntohs(socket->id.idiag_sport)) || !socket->idiag_wqueue)
		return MNL_CB_OK;
	full = (double)socket->idiag_rqueue / socket->idiag_wqueue;
	if (full > search->fullest)
		search->fullest = full;
	return MNL_CB_OK;
}

/* Sockets of IPv6 may take connections of both families. */
int backlog_read(const uint64_t *ports, size_t count, double *ret_fullest, struct error *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct search search = {.ports = ports, .count = count};
	char buffer[sizeof(struct nlmsghdr) + sizeof(struct inet_diag_req_v2) + NLMSG_ALIGNTO];
	struct inet_diag_req_v2 *request;
	struct nlmsghdr *message;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(families); i++) {
		message = netlink_request(buffer, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
		request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
		request->sdiag_family = families[i];
		request->sdiag_protocol = IPPROTO_TCP;
		request->idiag_states = 1U << TCP_LISTEN;
		r = netlink_talk(NETLINK_SOCK_DIAG, message, on_socket, &search);
	}
	if (r < 0)
		return error_set(err, -r, "listen queues cannot be read: %s", strerror(-r));
	*ret_fullest = search.fullest;
	return 0;
}
