/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own tunnel devices. They take packets of any sender (`external`: metadata only).
 * sit has no such kind; its device for all that no other takes is sit0, which the kernel brings
 * along and which cannot be removed.
 *
 * A device without an IPv4 address drops what comes in by it unless rp_filter is 0 for it and for
 * `all` (Linux, fib_frontend.c). So those that IPv4 packets may come out of have an IPv4 VIP.
 */
#include "lbnode_kinds.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lbnode_netlink.h"

static const char absent[] = "absent", down[] = "down", up[] = "up";

static bool is_external(const struct step *step)
{
	return strcmp(step->value, "sit") != 0;
}

static bool has_ipv4(const struct step *step)
{
	return step->prefix.length > 0;
}

/* absent, down or up. */
static const char *device_state(const char *name)
{
	struct ifreq request = {.ifr_flags = 0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *state = absent;

	memcpy(request.ifr_name, name, strnlen(name, sizeof(request.ifr_name) - 1));
	if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0)
		state = request.ifr_flags & IFF_UP ? up : down;
	if (fd >= 0)
		close(fd);
	return state;
}

static int device_create(const struct step *step)
{
	char buffer[512];
	struct nlmsghdr *request =
		netlink_request(buffer, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data;

	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, step->name);
	info = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_str(request, IFLA_INFO_KIND, step->value);
	if (is_external(step)) {
		data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
		mnl_attr_put(request, IFLA_IPTUN_COLLECT_METADATA, 0, NULL);
		mnl_attr_nest_end(request, data);
	}
	mnl_attr_nest_end(request, info);
	return netlink_talk(NETLINK_ROUTE, request, NULL, NULL);
}

/* RTM_NEWLINK brings it up or down, RTM_DELLINK removes it. */
static int device_change(const struct step *step, uint16_t type, bool is_up)
{
	char buffer[256];
	struct nlmsghdr *request = netlink_request(buffer, type, NLM_F_ACK);
	struct ifinfomsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	body->ifi_index = (int)if_nametoindex(step->name);
	if (body->ifi_index == 0)
		return -ENODEV;
	if (type == RTM_NEWLINK) {
		body->ifi_flags = is_up ? IFF_UP : 0;
		body->ifi_change = IFF_UP;
	}
	return netlink_talk(NETLINK_ROUTE, request, NULL, NULL);
}

static int probe(struct step *step, bool *ret_holds, struct error *err)
{
	bool has_address = true;
	int r = 0;

	snprintf(step->former, sizeof(step->former), "%s", device_state(step->name));
	if (has_ipv4(step))
		r = address_find(step->name, &step->prefix.address, &has_address, err);
	*ret_holds = has_address && strcmp(step->former, up) == 0;
	return r;
}

static int create_error(const struct step *step, int code, struct error *err)
{
	int r;

	if (code == EOPNOTSUPP) {
		r = error_set(err, code, "%s: this kernel has no tunnel devices of the type %s",
			      step->name, step->value);
		return error_hint(err, r,
				  "leave --kernel away: the program lb_decap needs no device");
	}
	r = error_set(err, code, "%s: no tunnel device of the type %s can be made: %s", step->name,
		      step->value, strerror(code));
	if (code == EEXIST)
		return error_hint(err, r,
				  "there is another external one; `ip -d link show type %s` tells, "
				  "or leave --kernel away",
				  step->value);
	return r;
}

/* The clients are not to be found behind the tunnel: where packets from elsewhere would be
 * dropped, those from anywhere that has a route are let in. */
static int device_loosen(const struct step *step, struct error *err)
{
	struct step sysctl = {.kind = STEP_SYSCTL, .value = "2"};

	if (!reverse_path_is_strict(step->name))
		return 0;
	snprintf(sysctl.name, sizeof(sysctl.name), "net/ipv4/conf/%.15s/rp_filter", step->name);
	return sysctl_ops.apply(&sysctl, err);
}

static int device_start(const struct step *step, struct error *err)
{
	int r = device_loosen(step, err);

	if (r == 0 && has_ipv4(step))
		r = address_add(step->name, &step->prefix.address, err);
	if (r < 0)
		return r;
	r = device_change(step, RTM_NEWLINK, true);
	return r < 0 ? error_set(err, -r, "%s: cannot be set up: %s", step->name, strerror(-r)) : 0;
}

static int revert(const struct step *step, bool *ret_left, struct error *err)
{
	int r = 0;

	(void)ret_left;
	if (strcmp(step->former, up) != 0)
		r = device_change(step, RTM_NEWLINK, false);
	if (r == 0 && strcmp(step->former, absent) == 0)
		r = device_change(step, RTM_DELLINK, false);
	if (r == 0 || r == -ENODEV)
		return 0;
	return error_set(err, -r, "%s: cannot be taken back: %s", step->name, strerror(-r));
}

static int apply(const struct step *step, struct error *err)
{
	struct error ignored;
	bool left;
	int r = device_create(step);

	/* The kernel may have brought sit0 along just now. */
	if (r < 0 && strcmp(device_state(step->name), absent) == 0)
		return create_error(step, -r, err);
	r = device_start(step, err);
	if (r < 0)
		revert(step, &left, &ignored);
	return r;
}

static void describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	snprintf(buffer, STEP_TEXT_MAX, "tunnel device %s (%s)", step->name, step->value);
}

static void shell(const struct step *step, bool back, FILE *out)
{
	char text[PREFIX_TEXT_MAX];

	if (back) {
		if (strcmp(step->former, up) != 0)
			fprintf(out, "ip link set %s down\n", step->name);
		if (strcmp(step->former, absent) == 0 && is_external(step))
			fprintf(out, "ip link delete %s\n", step->name);
		return;
	}
	if (is_external(step))
		fprintf(out, "ip link add %s type %s external\n", step->name, step->value);
	else
		fprintf(out, "modprobe %s\n", step->value);
	if (has_ipv4(step))
		fprintf(out, "ip address add %s dev %s\n", format_prefix(&step->prefix, text),
			step->name);
	fprintf(out,
		"case $(cat /proc/sys/net/ipv4/conf/all/rp_filter "
		"/proc/sys/net/ipv4/conf/%s/rp_filter) in *2*) ;; *1*) "
		"echo 2 >/proc/sys/net/ipv4/conf/%s/rp_filter ;; esac\n",
		step->name, step->name);
	fprintf(out, "ip link set %s up\n", step->name);
}

const struct step_ops device_ops = {probe, apply, revert, describe, shell};
