/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_NETLINK_H
#define SLUICE_LBNODE_NETLINK_H

/* One question to the kernel, and all of its answers. */
#include <libmnl/libmnl.h>

/*
 * Sends the request by a socket of its own on this bus (NETLINK_ROUTE, NETLINK_GENERIC) and shows
 * every answer to `visit` (or NULL). The request asks for an acknowledgement or a dump. Returns 0
 * or a negative errno.
 */
int netlink_talk(int bus, struct nlmsghdr *request, mnl_cb_t visit, void *context);

/* A request with NLM_F_REQUEST and these flags, in a buffer that can take it. */
struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t flags);

#endif
