/* SPDX-License-Identifier: Apache-2.0 */
#include "lbnode_step.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOPBACK   "lo"
#define ANSWER_MAX 8192 /* an acknowledgement quotes our small request */

bool step_same(const struct step *a, const struct step *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == STEP_ADDRESS)
		return address_equal(&a->address, &b->address);
	return strcmp(a->path, b->path) == 0;
}

/* --- addresses --- */

static bool is_address(const struct sockaddr *sockaddr, const struct address *address)
{
	struct in_addr ipv4;

	if (!sockaddr)
		return false;
	if (sockaddr->sa_family == AF_INET && address_is_ipv4(address)) {
		ipv4 = address_ipv4(address);
		return ((const struct sockaddr_in *)sockaddr)->sin_addr.s_addr == ipv4.s_addr;
	}
	return sockaddr->sa_family == AF_INET6 &&
	       memcmp(&((const struct sockaddr_in6 *)sockaddr)->sin6_addr, &address->ip,
		      sizeof(address->ip)) == 0;
}

static int address_probe(const struct address *address, bool *ret_present, struct error *err)
{
	struct ifaddrs *all, *i;
	bool present = false;

	if (getifaddrs(&all) < 0)
		return error_set(err, errno, "cannot list addresses: %s", strerror(errno));
	for (i = all; i && !present; i = i->ifa_next)
		present = strcmp(i->ifa_name, LOOPBACK) == 0 && is_address(i->ifa_addr, address);
	freeifaddrs(all);
	*ret_present = present;
	return 0;
}

/* The body of RTM_NEWADDR and RTM_DELADDR. */
static void put_address(struct nlmsghdr *message, const struct address *address)
{
	/* A deprecated address is never chosen as the source of connections of the host's own. */
	const struct ifa_cacheinfo deprecated = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};
	struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
	struct in_addr ipv4;

	body->ifa_index = if_nametoindex(LOOPBACK);
	if (address_is_ipv4(address)) {
		ipv4 = address_ipv4(address);
		body->ifa_family = AF_INET;
		body->ifa_prefixlen = 32;
		mnl_attr_put(message, IFA_LOCAL, sizeof(ipv4), &ipv4);
		mnl_attr_put(message, IFA_ADDRESS, sizeof(ipv4), &ipv4);
		return;
	}
	body->ifa_family = AF_INET6;
	body->ifa_prefixlen = 128;
	body->ifa_flags = IFA_F_NODAD;
	mnl_attr_put(message, IFA_LOCAL, sizeof(address->ip), &address->ip);
	mnl_attr_put(message, IFA_ADDRESS, sizeof(address->ip), &address->ip);
	mnl_attr_put(message, IFA_CACHEINFO, sizeof(deprecated), &deprecated);
}

/* Sends a request and reads its acknowledgement. Returns 0 or a negative errno. */
static int netlink_request(struct nlmsghdr *message)
{
	char buffer[ANSWER_MAX];
	struct mnl_socket *socket;
	ssize_t length;
	int r = 0;

	socket = mnl_socket_open(NETLINK_ROUTE);
	if (!socket)
		return -errno;
	message->nlmsg_seq = 1;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) {
		r = -errno;
	} else {
		length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (length < 0 || mnl_cb_run(buffer, (size_t)length, message->nlmsg_seq,
					     mnl_socket_get_portid(socket), NULL, NULL) < 0)
			r = -errno;
	}
	mnl_socket_close(socket);
	return r;
}

static int address_change(const struct address *address, uint16_t type, uint16_t flags)
{
	char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	put_address(message, address);
	return netlink_request(message);
}

static int address_apply(const struct address *address, struct error *err)
{
	char text[ADDRESS_TEXT_MAX];
	int r = address_change(address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);

	if (r == 0 || r == -EEXIST)
		return 0;
	return error_set(err, -r, "cannot add %s to " LOOPBACK ": %s",
			 format_address(address, text), strerror(-r));
}

static int address_revert(const struct address *address, struct error *err)
{
	char text[ADDRESS_TEXT_MAX];
	int r = address_change(address, RTM_DELADDR, 0);

	if (r == 0 || r == -EADDRNOTAVAIL)
		return 0;
	return error_set(err, -r, "cannot remove %s from " LOOPBACK ": %s",
			 format_address(address, text), strerror(-r));
}

/* --- sysctls --- */

static int sysctl_open(const char *path, int flags)
{
	char full[sizeof("/proc/sys/") + SYSCTL_PATH_MAX];
	int fd;

	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Without the line's end. Returns 0 or a negative errno. */
static int sysctl_read(const char *path, char ret_value[SYSCTL_VALUE_MAX])
{
	char buffer[SYSCTL_VALUE_MAX];
	int fd = sysctl_open(path, O_RDONLY);
	ssize_t length;

	if (fd < 0)
		return fd;
	length = read(fd, buffer, sizeof(buffer) - 1);
	if (length < 0) {
		length = -errno;
		close(fd);
		return (int)length;
	}
	close(fd);
	buffer[length] = '\0';
	buffer[strcspn(buffer, "\n")] = '\0';
	memcpy(ret_value, buffer, sizeof(buffer));
	return 0;
}

static int sysctl_write(const char *path, const char *value, struct error *err)
{
	int fd = sysctl_open(path, O_WRONLY);
	int r = fd < 0 ? fd : 0;

	if (fd >= 0) {
		if (write(fd, value, strlen(value)) < 0)
			r = -errno;
		close(fd);
	}
	if (r < 0)
		return error_set(err, -r, "cannot write %s to /proc/sys/%s: %s", value, path,
				 strerror(-r));
	return 0;
}

static int sysctl_probe(struct step *step, bool *ret_holds, struct error *err)
{
	int r = sysctl_read(step->path, step->former);

	if (r < 0)
		return error_set(err, -r, "cannot read /proc/sys/%s: %s", step->path, strerror(-r));
	*ret_holds = strcmp(step->former, step->value) == 0;
	return 0;
}

static int sysctl_revert(const struct step *step, bool *ret_left, struct error *err)
{
	char now[SYSCTL_VALUE_MAX];
	int r = sysctl_read(step->path, now);

	if (r == -ENOENT) /* the interface is gone, and its sysctls with it */
		return 0;
	if (r < 0)
		return error_set(err, -r, "cannot read /proc/sys/%s: %s", step->path, strerror(-r));
	if (strcmp(now, step->former) == 0)
		return 0;
	if (strcmp(now, step->value) != 0) {
		*ret_left = true;
		return 0;
	}
	return sysctl_write(step->path, step->former, err);
}

/* --- both --- */

int step_probe(struct step *step, bool *ret_holds, struct error *err)
{
	if (step->kind == STEP_ADDRESS)
		return address_probe(&step->address, ret_holds, err);
	return sysctl_probe(step, ret_holds, err);
}

int step_apply(const struct step *step, struct error *err)
{
	if (step->kind == STEP_ADDRESS)
		return address_apply(&step->address, err);
	return sysctl_write(step->path, step->value, err);
}

int step_revert(const struct step *step, bool *ret_left, struct error *err)
{
	*ret_left = false;
	if (step->kind == STEP_ADDRESS)
		return address_revert(&step->address, err);
	return sysctl_revert(step, ret_left, err);
}

const char *step_describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	char text[ADDRESS_TEXT_MAX];

	if (step->kind == STEP_ADDRESS)
		snprintf(buffer, STEP_TEXT_MAX, "%s/%d on " LOOPBACK,
			 format_address(&step->address, text),
			 address_is_ipv4(&step->address) ? 32 : 128);
	else
		snprintf(buffer, STEP_TEXT_MAX, "/proc/sys/%s = %s", step->path, step->value);
	return buffer;
}

const char *step_shell(const struct step *step, bool revert, char buffer[STEP_TEXT_MAX])
{
	char text[ADDRESS_TEXT_MAX];
	bool ipv4 = address_is_ipv4(&step->address);

	if (step->kind == STEP_ADDRESS)
		snprintf(buffer, STEP_TEXT_MAX, "ip address %s %s/%d dev " LOOPBACK "%s",
			 revert ? "del" : "add", format_address(&step->address, text),
			 ipv4 ? 32 : 128, ipv4 || revert ? "" : " nodad preferred_lft 0");
	else
		snprintf(buffer, STEP_TEXT_MAX, "echo %s >'/proc/sys/%s'",
			 revert ? step->former : step->value, step->path);
	return buffer;
}
