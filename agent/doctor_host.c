/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor_host.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

/* --- sysctls --- */

static int sysctl_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = -1;
	char text[16] = "";
	struct error ignored;
	uint64_t value;

	if (fd >= 0) {
		length = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[length > 0 ? strcspn(text, "\n") : 0] = '\0';
	return parse_number(text, 0, 1 << 16, &value, &ignored) ? DOCTOR_UNKNOWN : (int)value;
}

static int conf_read(const char *interface, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", interface, name);
	return sysctl_read(path);
}

/* The kernel takes the larger one. */
static int conf_in_force(const char *interface, const char *name)
{
	int own = conf_read(interface, name), all = conf_read("all", name);

	return own > all ? own : all;
}

/* --- offloads --- */

static int ethtool(int fd, const char *interface, void *request)
{
	struct ifreq ifr = {.ifr_data = request};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", interface);
	return ioctl(fd, SIOCETHTOOL, &ifr);
}

static int ethtool_value_get(int fd, const char *interface, uint32_t command, uint32_t bit)
{
	struct ethtool_value value = {.cmd = command};

	if (ethtool(fd, interface, &value))
		return DOCTOR_UNKNOWN;
	return (value.data & bit) != 0;
}

static void read_offloads(int fd, struct doctor_interface *interface)
{
	const char *name = interface->attached.name;
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};

	if (ethtool(fd, name, &driver) == 0)
		snprintf(interface->driver, sizeof(interface->driver), "%s", driver.driver);
	interface->lro = ethtool_value_get(fd, name, ETHTOOL_GFLAGS, ETH_FLAG_LRO);
	interface->gro = ethtool_value_get(fd, name, ETHTOOL_GGRO, ~0U);
	interface->rx_vlan = ethtool_value_get(fd, name, ETHTOOL_GFLAGS, ETH_FLAG_RXVLAN);
	interface->tx_checksum = ethtool_value_get(fd, name, ETHTOOL_GTXCSUM, ~0U);
}

/* --- interfaces --- */

static bool carries_vlans(const struct links *links, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < links->count; i++) {
		if (links->items[i].kind == RTNL_LINK_VLAN && !links->items[i].lower_is_elsewhere &&
		    links->items[i].lower == ifindex)
			return true;
	}
	return false;
}

static int read_interfaces(const struct dataplane_interface *attached, size_t count,
			   const struct links *links, struct doctor_host *host)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct doctor_interface *interface;
	const struct rtnl_link *link;

	host->interfaces = calloc(count ? count : 1, sizeof(*host->interfaces));
	for (; host->interfaces && host->interface_count < count; host->interface_count++) {
		interface = &host->interfaces[host->interface_count];
		interface->attached = attached[host->interface_count];
		link = links_find(links, interface->attached.ifindex);
		interface->up = link && link->up;
		interface->mtu = link ? link->mtu : 0;
		interface->carries_vlans = carries_vlans(links, interface->attached.ifindex);
		read_offloads(fd, interface);
		interface->rp_filter = conf_in_force(interface->attached.name, "rp_filter");
		interface->arp_ignore = conf_in_force(interface->attached.name, "arp_ignore");
	}
	if (fd >= 0)
		close(fd);
	return host->interfaces ? 0 : -ENOMEM;
}

/* --- addresses --- */

static bool address_of(const struct sockaddr *from, struct address *ret_address)
{
	if (from && from->sa_family == AF_INET6) {
		ret_address->ip = ((const struct sockaddr_in6 *)from)->sin6_addr;
		return true;
	}
	if (!from || from->sa_family != AF_INET)
		return false;
	*ret_address = (struct address){0};
	ret_address->ip.s6_addr[10] = ret_address->ip.s6_addr[11] = 0xff;
	memcpy(&ret_address->ip.s6_addr[12], &((const struct sockaddr_in *)from)->sin_addr, 4);
	return true;
}

static struct prefix network_of(const struct address *address, const struct sockaddr *mask)
{
	struct prefix network = {.address = *address};
	const uint8_t *bytes =
		mask->sa_family == AF_INET6
			? ((const struct sockaddr_in6 *)mask)->sin6_addr.s6_addr
			: (const uint8_t *)&((const struct sockaddr_in *)mask)->sin_addr;
	size_t first = mask->sa_family == AF_INET6 ? 0 : 12, i;

	for (i = first; i < 16; i++) {
		network.address.ip.s6_addr[i] &= bytes[i - first];
		network.length = (uint8_t)(network.length + __builtin_popcount(bytes[i - first]));
	}
	return network;
}

static int read_addresses(struct doctor_host *host)
{
	struct ifaddrs *list = NULL, *item;
	struct doctor_address *place;
	size_t room = 0;

	if (getifaddrs(&list))
		return -errno;
	for (item = list; item; item = item->ifa_next)
		room++;
	host->addresses = calloc(room ? room : 1, sizeof(*host->addresses));
	for (item = list; host->addresses && item; item = item->ifa_next) {
		place = &host->addresses[host->address_count];
		if (!item->ifa_netmask || !address_of(item->ifa_addr, &place->address))
			continue;
		place->prefix = network_of(&place->address, item->ifa_netmask);
		snprintf(place->interface, sizeof(place->interface), "%s", item->ifa_name);
		host->address_count++;
	}
	freeifaddrs(list);
	return host->addresses ? 0 : -ENOMEM;
}

int doctor_host_read(const struct dataplane_interface *attached, size_t count,
		     const struct links *links, struct doctor_host *ret_host)
{
	struct doctor_host host = {.bpf_jit = sysctl_read("/proc/sys/net/core/bpf_jit_enable")};
	struct utsname name;
	int ret;

	if (uname(&name) == 0)
		snprintf(host.kernel, sizeof(host.kernel), "%s", name.release);
	ret = read_interfaces(attached, count, links, &host);
	if (ret == 0)
		ret = read_addresses(&host);
	if (ret)
		doctor_host_clear(&host);
	else
		*ret_host = host;
	return ret;
}

void doctor_host_clear(struct doctor_host *host)
{
	free(host->interfaces);
	free(host->addresses);
	*host = (struct doctor_host){0};
}
