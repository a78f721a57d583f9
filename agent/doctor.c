/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

#define NEARLY_FULL 0.8 /* of a limit */

/* One examination under way. */
struct exam {
	const struct manager *manager;
	const struct doctor_host *host;
	struct doctor_report *report;
	int ret; /* -ENOMEM: findings are missing */
};

/* --- findings --- */

__attribute__((format(printf, 5, 6))) static struct doctor_finding *
find(struct exam *exam, enum doctor_level level, const char *check, const char *object,
     const char *format, ...)
{
	static struct doctor_finding lost; /* nobody reads it */
	struct doctor_report *report = exam->report;
	struct doctor_finding *finding, *findings;
	va_list args;

	if (report->count == report->room) {
		report->room = report->room ? report->room * 2 : 32;
		findings = reallocarray(report->findings, report->room, sizeof(*findings));
		if (!findings) {
			exam->ret = -ENOMEM;
			report->room = report->count;
			return &lost;
		}
		report->findings = findings;
	}
	finding = &report->findings[report->count++];
	*finding = (struct doctor_finding){.level = level, .check = check};
	snprintf(finding->object, sizeof(finding->object), "%s", object);
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
	return finding;
}

__attribute__((format(printf, 2, 3))) static void advise(struct doctor_finding *finding,
							 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->advice, sizeof(finding->advice), format, args);
	va_end(args);
}

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_NOTE] = "note",
		[DOCTOR_WARNING] = "warning",
		[DOCTOR_PROBLEM] = "problem",
	};

	return names[level];
}

/* --- the machine --- */

static void examine_kernel(struct exam *exam)
{
	struct doctor_finding *finding;

	if (exam->host->bpf_jit != 0) {
		find(exam, DOCTOR_OK, "kernel", "", "Linux %s", exam->host->kernel);
		return;
	}
	finding = find(exam, DOCTOR_PROBLEM, "kernel", "",
		       "Linux %s interprets BPF programs: each packet costs many times as much",
		       exam->host->kernel);
	advise(finding, "sysctl -w net.core.bpf_jit_enable=1");
}

static void examine_sync(struct exam *exam)
{
	const char *problem = manager_out_of_sync(exam->manager);
	struct doctor_finding *finding;

	if (!problem) {
		find(exam, DOCTOR_OK, "sync", "", "the data plane is as asked for");
		return;
	}
	finding =
		find(exam, DOCTOR_PROBLEM, "sync", "",
		     "the data plane is not as asked for: %s; it is tried again ten times a second",
		     problem);
	advise(finding, "see the agent's log; lbctl status shows the limits");
}

/* --- interfaces --- */

static void examine_attachment(struct exam *exam, const struct doctor_interface *interface)
{
	const char *name = interface->attached.name;
	struct doctor_finding *finding;

	if (!interface->up) {
		finding = find(exam, DOCTOR_PROBLEM, "interface", name, "it is down");
		advise(finding, "ip link set dev %s up", name);
	} else if (strcmp(interface->attached.mode, "native") != 0) {
		finding = find(exam, DOCTOR_WARNING, "interface", name,
			       "XDP runs in mode %s, behind the driver (%s): several times slower",
			       interface->attached.mode, interface->driver);
		advise(finding, "lbagent --xdp-mode native says what the driver lacks");
	} else {
		find(exam, DOCTOR_OK, "interface", name,
		     "XDP runs natively in the driver (%s), by %s", interface->driver,
		     interface->attached.attached_by);
	}
}

/* Merged packets are longer than any MTU and leave as they are: receivers drop them. */
static void examine_merging(struct exam *exam, const struct doctor_interface *interface)
{
	bool generic = strcmp(interface->attached.mode, "generic") == 0;
	const char *name = interface->attached.name;
	struct doctor_finding *finding;

	if (interface->lro == 1) {
		finding = find(exam, DOCTOR_PROBLEM, "offload", name,
			       "LRO merges packets before XDP sees them");
		advise(finding, "ethtool -K %s lro off", name);
	}
	if (interface->gro == 1 && generic) {
		finding = find(exam, DOCTOR_PROBLEM, "offload", name,
			       "GRO merges packets before generic XDP sees them");
		advise(finding, "ethtool -K %s gro off", name);
	}
	if (interface->lro != 1 && !(interface->gro == 1 && generic))
		find(exam, DOCTOR_OK, "offload", name, "no packets are merged before XDP");
}

static void examine_offloads(struct exam *exam, const struct doctor_interface *interface)
{
	const char *name = interface->attached.name;
	struct doctor_finding *finding;

	examine_merging(exam, interface);
	if (strcmp(interface->driver, "veth") == 0 && interface->tx_checksum == 1) {
		finding = find(exam, DOCTOR_PROBLEM, "offload", name,
			       "a veth with TX checksum offload: packets between namespaces carry "
			       "no checksum, and are forwarded so");
		advise(finding, "ethtool -K %s tx off, and the same on its peer", name);
	}
	if (interface->carries_vlans && interface->rx_vlan == 1) {
		finding =
			find(exam, DOCTOR_PROBLEM, "offload", name,
			     "the driver takes VLAN tags off before XDP sees them: tagged packets "
			     "look untagged");
		advise(finding, "ethtool -K %s rxvlan off", name);
	}
}

static void examine_filter(struct exam *exam, const struct doctor_interface *interface)
{
	const char *name = interface->attached.name;
	struct doctor_finding *finding;

	if (interface->rp_filter != 1 || exam->host->interface_count < 2)
		return;
	finding =
		find(exam, DOCTOR_NOTE, "rp_filter", name,
		     "strict: answers to checks that come in here, while the route to the backend "
		     "leads elsewhere, are dropped");
	advise(finding, "sysctl -w net.ipv4.conf.%s.rp_filter=2", name);
}

static void examine_interfaces(struct exam *exam)
{
	const struct doctor_interface *interface = exam->host->interfaces;
	size_t i;

	for (i = 0; i < exam->host->interface_count; i++) {
		examine_attachment(exam, &interface[i]);
		examine_offloads(exam, &interface[i]);
		examine_filter(exam, &interface[i]);
	}
	if (exam->host->interface_count == 0)
		find(exam, DOCTOR_PROBLEM, "interface", "", "the program is attached nowhere");
}

/* --- VIPs --- */

static bool in_network(const struct address *address, const struct prefix *network)
{
	unsigned int bits = network->length + (unsigned int)(128 - address_bits(address)),
		     whole = bits / 8;
	const uint8_t *a = address->ip.s6_addr, *b = network->address.ip.s6_addr;

	if (address_is_ipv4(address) != address_is_ipv4(&network->address) ||
	    memcmp(a, b, whole) != 0)
		return false;
	return bits % 8 == 0 || (a[whole] ^ b[whole]) >> (8 - bits % 8) == 0;
}

static const struct doctor_interface *attached_named(const struct exam *exam, const char *name)
{
	size_t i;

	for (i = 0; i < exam->host->interface_count; i++) {
		if (strcmp(exam->host->interfaces[i].attached.name, name) == 0)
			return &exam->host->interfaces[i];
	}
	return NULL;
}

/* The machine's own entry for the VIP, else the network that it is in, on an interface of ours. */
static const struct doctor_address *vip_place(const struct exam *exam, const struct address *vip,
					      bool *ret_own)
{
	const struct doctor_address *item, *network = NULL;
	size_t i;

	*ret_own = false;
	for (i = 0; i < exam->host->address_count; i++) {
		item = &exam->host->addresses[i];
		if (address_equal(&item->address, vip)) {
			*ret_own = true;
			return item;
		}
		if (attached_named(exam, item->interface) && in_network(vip, &item->prefix))
			network = item;
	}
	return network;
}

/* An interface that answers no ARP request for an address which is another interface's. */
static const struct doctor_interface *silent_interface(const struct exam *exam, const char *holder)
{
	size_t i;

	for (i = 0; i < exam->host->interface_count; i++) {
		if (exam->host->interfaces[i].arp_ignore > 0 &&
		    strcmp(exam->host->interfaces[i].attached.name, holder) != 0)
			return &exam->host->interfaces[i];
	}
	return NULL;
}

/* How a VIP that is in no network of ours comes here. */
static void examine_route(struct exam *exam, const struct vip *vip, const char *object)
{
	const struct announce_view announce = manager_announces(exam->manager);
	struct announced_route route;
	struct doctor_finding *finding;

	if (!manager_route(exam->manager, vip, &route)) {
		find(exam, DOCTOR_NOTE, "vip", object,
		     "not in a network of this machine: routers must send its packets here");
	} else if (route.announced) {
		find(exam, DOCTOR_OK, "vip", object, "announced to routers by table %u",
		     announce.table);
	} else {
		finding = find(exam, DOCTOR_WARNING, "vip", object, "not announced to routers: %s",
			       route.reason);
		if (manager_desired(exam->manager)->withdrawn)
			advise(finding, "lbctl announce");
	}
}

static void examine_vip(struct exam *exam, const struct vip *vip)
{
	const struct address *address = &vip->endpoint.address;
	const struct doctor_interface *silent;
	const struct doctor_address *place;
	char object[VIP_TEXT_MAX], text[ADDRESS_TEXT_MAX];
	struct doctor_finding *finding;
	bool own;

	format_vip(vip, object);
	format_address(address, text);
	place = vip->host_bits ? NULL : vip_place(exam, address, &own);
	if (!place) {
		examine_route(exam, vip, object);
		return;
	}
	if (!own) {
		finding = find(exam, DOCTOR_PROBLEM, "vip", object,
			       "in the network of %s, but nobody here answers ARP or NDP for it",
			       place->interface);
		advise(finding, "ip address add %s/%u dev %s", text, address_bits(address),
		       place->interface);
		return;
	}
	silent = address_is_ipv4(address) ? silent_interface(exam, place->interface) : NULL;
	if (!silent) {
		find(exam, DOCTOR_OK, "vip", object, "an address of %s", place->interface);
		return;
	}
	finding =
		find(exam, DOCTOR_PROBLEM, "vip", object,
		     "an address of %s, for which %s answers no ARP request: its arp_ignore is %d",
		     place->interface, silent->attached.name, silent->arp_ignore);
	advise(finding, "sysctl -w net.ipv4.conf.%s.arp_ignore=0, and of all",
	       silent->attached.name);
}

/* --- services --- */

static unsigned int overhead(const struct service_spec *service, const struct backend_spec *backend)
{
	unsigned int outer = address_is_ipv4(&backend->endpoint.address) ? 20 : 40;

	if (service->mode == LB_MODE_IPIP)
		return outer;
	return service->mode == LB_MODE_GUE ? outer + 8 + (service->gue_variant == 0 ? 4 : 0) : 0;
}

/* The longest packet that comes in must leave with what a tunnel puts before it. */
static void examine_mtu(struct exam *exam, const struct service_spec *service)
{
	const struct dataplane *dp = manager_dataplane(exam->manager);
	unsigned int mtu, room, least = UINT16_MAX, needed = 0;
	enum doctor_level level;
	struct doctor_finding *finding;
	size_t i;

	for (i = 0; i < service->backend_count; i++) {
		mtu = dp->backends[service->backends[i].id].hop.mtu;
		room = mtu - overhead(service, &service->backends[i]);
		if (mtu && room < least) {
			least = room;
			needed = dp->mtu + mtu - room;
		}
	}
	if (least >= dp->mtu)
		return;
	level = service->too_big == TOO_BIG_DROP ? DOCTOR_PROBLEM : DOCTOR_NOTE;
	finding = find(exam, level, "mtu", service->name,
		       "packets of more than %u bytes do not fit the way to its backends; senders "
		       "are %s",
		       least, level == DOCTOR_NOTE ? "told" : "not told: --too-big drop");
	advise(finding, "an MTU of %u between balancer and backends: ip link set dev IF mtu %u",
	       needed, needed);
}

static bool is_resolved(const struct exam *exam, const struct backend_spec *backend)
{
	return manager_dataplane(exam->manager)->backends[backend->id].hop.flags &
	       LB_BACKEND_RESOLVED;
}

static void advise_neighbour(struct doctor_finding *finding, const struct backend_spec *backend)
{
	char address[ADDRESS_TEXT_MAX];

	format_address(&backend->endpoint.address, address);
	advise(finding, "ip route get %s; ip neigh show to %s", address, address);
}

static void advise_check(struct doctor_finding *finding, const struct service_spec *service)
{
	if (service->mode == LB_MODE_NAT)
		advise(finding, "lbctl show %s", service->name);
	else
		advise(finding, "on the backend: lbnode show; lbctl show %s", service->name);
}

/* The program can send packets out only by interfaces that it is attached to. */
static void examine_way(struct exam *exam, const char *object, const struct backend_spec *backend)
{
	const struct lb_hop *hop = &manager_dataplane(exam->manager)->backends[backend->id].hop;
	char name[IF_NAMESIZE] = "";
	struct doctor_finding *finding;
	const struct rtnl_link *link;
	size_t i;

	if (!is_resolved(exam, backend) || hop->flags & LB_BACKEND_LOCAL)
		return;
	link = links_find(manager_links(exam->manager), hop->ifindex);
	for (i = 0; i < exam->host->interface_count; i++) {
		const struct doctor_interface *interface = &exam->host->interfaces[i];
		const struct rtnl_link *member =
			links_find(manager_links(exam->manager), interface->attached.ifindex);

		if (interface->attached.ifindex == hop->ifindex ||
		    (member && link && member->master == link->ifindex))
			return;
	}
	snprintf(name, sizeof(name), "%s", link ? link->name : "?");
	finding = find(exam, DOCTOR_PROBLEM, "way", object,
		       "the route leaves by %s, where the program is not attached: its packets are "
		       "dropped",
		       name);
	advise(finding, "start lbagent with --interface %s, too", name);
}

/* It is up or down by what a client does not do. */
static void examine_check(struct exam *exam, const char *object, const char *reason)
{
	if (reason[0])
		find(exam, DOCTOR_WARNING, "check", object,
		     "its checks go to its own address, not to the VIP as clients do: %s", reason);
}

static bool examine_backend(struct exam *exam, const struct service_spec *service,
			    const struct backend_spec *backend)
{
	struct backend_view view = manager_backend(exam->manager, backend);
	char object[SERVICE_NAME_MAX + ENDPOINT_TEXT_MAX + 2], endpoint[ENDPOINT_TEXT_MAX];
	struct doctor_finding *finding;

	snprintf(object, sizeof(object), "%s %s", service->name,
		 format_endpoint(&backend->endpoint, endpoint));
	if (view.status == BACKEND_NO_NEIGHBOUR) {
		finding = find(exam, DOCTOR_PROBLEM, "backend", object, "%s", view.reason);
		advise_neighbour(finding, backend);
	} else if (view.status == BACKEND_DOWN && !is_resolved(exam, backend)) {
		finding = find(exam, DOCTOR_PROBLEM, "backend", object,
			       "down: %s; its neighbour does not answer", view.reason);
		advise_neighbour(finding, backend);
	} else if (view.status == BACKEND_DOWN) {
		finding = find(exam, DOCTOR_PROBLEM, "backend", object, "down: %s", view.reason);
		advise_check(finding, service);
	}
	examine_way(exam, object, backend);
	examine_check(exam, object, view.check_via_reason);
	return view.status == BACKEND_UP;
}

static void examine_service(struct exam *exam, const struct service_spec *service)
{
	struct doctor_finding *finding;
	size_t i, up = 0;

	for (i = 0; i < service->vip_count; i++)
		examine_vip(exam, &service->vips[i].vip);
	for (i = 0; i < service->backend_count; i++)
		up += examine_backend(exam, service, &service->backends[i]);
	examine_mtu(exam, service);
	if (up) {
		find(exam, DOCTOR_OK, "service", service->name, "%zu of %zu backends are up", up,
		     service->backend_count);
		return;
	}
	finding = find(exam, DOCTOR_PROBLEM, "service", service->name,
		       "none of its %zu backends is up: its packets are %s", service->backend_count,
		       service->when_down == DOWN_PASS ? "left to this host" : "dropped");
	if (service->backend_count == 0)
		advise(finding, "lbctl add backend %s ADDR", service->name);
	else
		advise(finding, "lbctl show %s", service->name);
}

/* --- limits and drops --- */

static void examine_limit(struct exam *exam, const char *what, const char *flag, double used,
			  double limit)
{
	struct doctor_finding *finding;

	if (limit <= 0 || used < NEARLY_FULL * limit)
		return;
	finding = find(exam, DOCTOR_WARNING, "limit", what, "%.0f of %.0f are used", used, limit);
	advise(finding, "restart lbagent with a larger %s", flag);
}

static void examine_limits(struct exam *exam)
{
	const struct desired *desired = manager_desired(exam->manager);
	const struct flow_counts *counts = manager_flows(exam->manager);
	const uint32_t *flows = counts->by_state;
	struct dataplane *dp = manager_dataplane(exam->manager);
	size_t i, before = exam->report->count;
	double vips = 0, backends = 0;

	for (i = 0; i < desired->service_count; i++) {
		vips += (double)desired->services[i].vip_count;
		backends += (double)desired->services[i].backend_count;
	}
	examine_limit(exam, "services", "--max-services", (double)desired->service_count,
		      dp->sizes.services);
	examine_limit(exam, "backends", "--max-backends", backends, dp->sizes.backends);
	examine_limit(exam, "vips", "--max-vips", vips, dp->sizes.vips);
	examine_limit(exam, "flows", "--flows",
		      (double)flows[LB_FLOW_INHERITED] + flows[LB_FLOW_EMBRYONIC] +
			      flows[LB_FLOW_ESTABLISHED] + flows[LB_FLOW_CLOSING],
		      dp->sizes.flows);
	examine_limit(exam, "nat-flows", "--nat-flows", counts->nat, dp->sizes.nat_flows);
	if (exam->report->count == before)
		find(exam, DOCTOR_OK, "limit", "", "no map is nearly full");
}

/* Drops that are never the clients' doing. */
static void examine_drops(struct exam *exam)
{
	static const struct {
		enum lb_verdict verdict;
		const char *advice;
	} drops[] = {
		{LB_NO_NEIGHBOUR, "lbctl show tells of which backends the way is not known"},
		{LB_NAT_PORTS, "more backends, or lbagent --nat-ports with a wider range"},
		{LB_HEADROOM, "lbagent --xdp-mode generic on this interface, or another driver"},
		{LB_INTERNAL, "please report it, with lbctl --json status"},
	};
	struct dataplane *dp = manager_dataplane(exam->manager);
	struct doctor_finding *finding;
	struct lb_traffic traffic;
	size_t i;

	for (i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
		dp->ops->verdict_stats(dp, drops[i].verdict, &traffic);
		if (traffic.packets == 0)
			continue;
		finding = find(exam, DOCTOR_WARNING, "drops", view_drop_reason(drops[i].verdict),
			       "%llu packets dropped since the maps were made",
			       (unsigned long long)traffic.packets);
		advise(finding, "%s", drops[i].advice);
	}
}

int doctor_examine(const struct manager *manager, const struct doctor_host *host,
		   struct doctor_report *ret_report)
{
	const struct desired *desired = manager_desired(manager);
	struct exam exam = {.manager = manager, .host = host, .report = ret_report};
	size_t i;

	*ret_report = (struct doctor_report){0};
	examine_kernel(&exam);
	examine_sync(&exam);
	examine_interfaces(&exam);
	examine_limits(&exam);
	examine_drops(&exam);
	for (i = 0; i < desired->service_count; i++)
		examine_service(&exam, &desired->services[i]);
	if (desired->service_count == 0)
		find(&exam, DOCTOR_NOTE, "service", "", "there are no services yet");
	return exam.ret;
}

void doctor_report_clear(struct doctor_report *report)
{
	free(report->findings);
	*report = (struct doctor_report){0};
}
