/* SPDX-License-Identifier: Apache-2.0 */
#include "lbnode_plan.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lbnode_kinds.h"

/*
 * The most that the balancer puts before a packet (bpf/tunnel.h): the outer header may be IPv6's,
 * GUE has UDP's header and its own.
 */
#define OUTER_IPIP 40
#define OUTER_GUE  (40 + 8 + 4)
/* And with --second-chance two more addresses (bpf/gue.h). */
#define CHANCE     (4 + 2 * 16)
/* What TCP needs besides its data (RFC 9293, 3.7.1). */
#define TCP_IPV4   (20 + 20)
#define TCP_IPV6   (40 + 20)

static struct step *plan_add(struct node_state *plan, enum step_kind kind)
{
	struct step *step = &plan->steps[plan->count++];

	memset(step, 0, sizeof(*step));
	step->kind = kind;
	return step;
}

/* --- what every mode needs --- */

static bool has_family(const struct lbnode_options *options, bool ipv4)
{
	for (size_t i = 0; i < options->vip_count; i++)
		if (address_is_ipv4(&options->vips[i].address) == ipv4)
			return true;
	return false;
}

static void plan_sysctl(struct node_state *plan, const char *family, const char *interface,
			const char *name, const char *value)
{
	struct step *step = plan_add(plan, STEP_SYSCTL);

	snprintf(step->name, sizeof(step->name), "net/%s/conf/%s/%s", family, interface, name);
	snprintf(step->value, sizeof(step->value), "%s", value);
}

/* ARP is silenced before there is an address to answer for. The kernel takes the larger value of
 * `all` and the interface; `all` covers further interfaces on the same network. */
static void plan_silence(const struct lbnode_options *options, struct node_state *plan)
{
	if (!has_family(options, true))
		return;
	plan_sysctl(plan, "ipv4", options->interface, "arp_ignore", "1");
	plan_sysctl(plan, "ipv4", options->interface, "arp_announce", "2");
	plan_sysctl(plan, "ipv4", "all", "arp_ignore", "1");
	plan_sysctl(plan, "ipv4", "all", "arp_announce", "2");
}

static void plan_vips(const struct lbnode_options *options, struct node_state *plan)
{
	for (size_t i = 0; i < options->vip_count; i++) {
		const struct prefix *vip = &options->vips[i];
		bool single = vip->length == address_bits(&vip->address);

		plan_add(plan, single ? STEP_ADDRESS : STEP_LOCAL)->prefix = *vip;
	}
}

/* --- the MSS --- */

static int interface_mtu(const char *interface, uint64_t *ret_mtu, struct error *err)
{
	struct ifreq request = {.ifr_mtu = 0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	memcpy(request.ifr_name, interface, strnlen(interface, sizeof(request.ifr_name) - 1));
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request) < 0)
		r = error_field(err,
				error_set(err, errno, "%s: no such interface, or no MTU: %s",
					  interface, strerror(errno)),
				"interface");
	else
		*ret_mtu = (uint64_t)request.ifr_mtu;
	if (fd >= 0)
		close(fd);
	return r;
}

static void plan_routes(struct node_state *plan, const char *family, uint64_t advmss)
{
	struct step *step = plan_add(plan, STEP_ROUTES);

	snprintf(step->name, sizeof(step->name), "%s", family);
	step->table = RULE_TABLE;
	step->advmss = advmss;
}

/* The routes come first: a rule that leads to an empty table is no harm, but of no use either. */
static int plan_mss(const struct lbnode_options *options, struct node_state *plan,
		    struct error *err)
{
	uint64_t outer = options->modes & LBNODE_GUE ? OUTER_GUE : OUTER_IPIP, mtu = 0;
	int r = interface_mtu(options->interface, &mtu, err);

	if (options->second_chance)
		outer += CHANCE;
	if (r < 0)
		return r;
	if (mtu < 576)
		return error_set(err, EINVAL, "%s: an MTU of %u leaves no room for tunnels",
				 options->interface, (unsigned int)mtu);
	if (has_family(options, true))
		plan_routes(plan, "ipv4", mtu - outer - TCP_IPV4);
	if (has_family(options, false))
		plan_routes(plan, "ipv6", mtu - outer - TCP_IPV6);
	for (size_t i = 0; i < options->vip_count; i++) {
		struct step *step = plan_add(plan, STEP_RULE);

		step->prefix = options->vips[i];
		step->table = RULE_TABLE;
	}
	return 0;
}

/* --- the kernel's devices --- */

/* An IPv4 VIP, as a single address; NULL: there is none. */
static const struct address *any_ipv4(const struct lbnode_options *options)
{
	for (size_t i = 0; i < options->vip_count; i++)
		if (address_is_ipv4(&options->vips[i].address))
			return &options->vips[i].address;
	return NULL;
}

static void plan_device(struct node_state *plan, const char *name, const char *type,
			const struct address *ipv4)
{
	struct step *step = plan_add(plan, STEP_DEVICE);

	if (ipv4)
		step->prefix = (struct prefix){.address = *ipv4, .length = 32};
	snprintf(step->name, sizeof(step->name), "%s", name);
	snprintf(step->value, sizeof(step->value), "%s", type);
}

static void plan_fou(struct node_state *plan, const char *family, uint64_t port)
{
	struct step *step = plan_add(plan, STEP_FOU);

	snprintf(step->name, sizeof(step->name), "%s", family);
	step->port = port;
}

/*
 * Behind either outer family either inner one may come. The stack sees the outer sources, which
 * the balancer spreads: a strict rp_filter would drop those that are not routed back by here.
 */
static void plan_kernel(const struct lbnode_options *options, struct node_state *plan)
{
	const struct address *ipv4 = any_ipv4(options);

	if (reverse_path_is_strict(options->interface))
		plan_sysctl(plan, "ipv4", options->interface, "rp_filter", "2");
	if (ipv4)
		plan_device(plan, "sluice4", "ipip", ipv4);
	if (has_family(options, false))
		plan_device(plan, "sit0", "sit", NULL);
	plan_device(plan, "sluice6", "ip6tnl", ipv4);
	if (options->modes & LBNODE_GUE) {
		plan_fou(plan, "ipv4", options->gue_port);
		plan_fou(plan, "ipv6", options->gue_port);
	}
}

/* --- lb_decap --- */

static void plan_entries(const struct lbnode_options *options, struct node_state *plan,
			 enum step_kind kind, const struct prefix *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct step *step = plan_add(plan, kind);

		step->prefix = prefixes[i];
		snprintf(step->name, sizeof(step->name), "%s", options->bpffs);
	}
}

static void plan_decap(const struct lbnode_options *options, struct node_state *plan)
{
	bool ipip = options->modes & LBNODE_IPIP, gue = options->modes & LBNODE_GUE;
	struct step *step = plan_add(plan, STEP_DECAP);

	snprintf(step->name, sizeof(step->name), "%s", options->bpffs);
	snprintf(step->interface, sizeof(step->interface), "%s", options->interface);
	snprintf(step->value, sizeof(step->value), "%s%s%s", ipip ? "ipip" : "",
		 ipip && gue ? "," : "", gue ? "gue" : "");
	snprintf(step->option, sizeof(step->option), "%s", options->xdp_mode);
	step->port = gue ? options->gue_port : 0;
	step->listed = options->from_count > 0;
	step->chance = options->second_chance;
	plan_entries(options, plan, STEP_SOURCE, options->from, options->from_count);
	plan_entries(options, plan, STEP_VIP, options->vips, options->vip_count);
}

static bool is_from(const struct lbnode_options *options, bool ipv4)
{
	for (size_t i = 0; i < options->from_count; i++)
		if (address_is_ipv4(&options->from[i].address) == ipv4)
			return true;
	return false;
}

/*
 * The kernel tells lb_decap a way only where it may forward itself, and it forwards what has no
 * neighbour yet. IPv6 asks `all` as well, and takes no router's word any more unless told to.
 */
static void plan_forwarding(const struct lbnode_options *options, struct node_state *plan)
{
	if (is_from(options, true))
		plan_sysctl(plan, "ipv4", options->interface, "forwarding", "1");
	if (!is_from(options, false))
		return;
	if (takes_router_advertisements(options->interface))
		plan_sysctl(plan, "ipv6", options->interface, "accept_ra", "2");
	plan_sysctl(plan, "ipv6", "all", "forwarding", "1");
}

static void plan_cookies(const struct lbnode_options *options, struct node_state *plan)
{
	struct step *step = plan_add(plan, STEP_COOKIE);

	snprintf(step->name, sizeof(step->name), "%s-cookies", options->bpffs);
	snprintf(step->file, sizeof(step->file), "%s", options->cookie_key_file);
	snprintf(step->interface, sizeof(step->interface), "%s", options->interface);
}

/* Devices come before the routes are copied, for they bring some along; lb_decap comes last, when
 * there is somebody to take what it takes off. */
int plan_up(const struct lbnode_options *options, struct node_state *ret_plan, struct error *err)
{
	bool tunnels = options->modes & (LBNODE_IPIP | LBNODE_GUE);
	int r = 0;

	ret_plan->count = 0;
	plan_silence(options, ret_plan);
	if (tunnels && options->kernel)
		plan_kernel(options, ret_plan);
	if (tunnels)
		r = plan_mss(options, ret_plan, err);
	if (r < 0)
		return r;
	plan_vips(options, ret_plan);
	if (options->cookie_key_file)
		plan_cookies(options, ret_plan);
	if (options->second_chance)
		plan_forwarding(options, ret_plan);
	if (tunnels && !options->kernel)
		plan_decap(options, ret_plan);
	return 0;
}
