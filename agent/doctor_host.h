/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DOCTOR_HOST_H
#define SLUICE_DOCTOR_HOST_H

/*
 * The machine as far as it bears on packets: kernel, sysctls, offloads, addresses. Read by short
 * questions to the kernel (ethtool's ioctl, /proc/sys, getifaddrs) that do not block.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane_bpf.h"
#include "links.h"
#include "parse.h"

/* Of switches and sysctls that this kernel or interface has not. */
#define DOCTOR_UNKNOWN (-1)

/* One interface that the program is attached to. */
struct doctor_interface {
	struct dataplane_interface attached;
	char driver[32]; /* empty: unknown */
	bool up;
	bool carries_vlans; /* VLAN devices stand on it */
	uint32_t mtu;
	int lro, gro, rx_vlan, tx_checksum; /* offloads: 1 on, 0 off */
	int rp_filter, arp_ignore; /* of IPv4; in force: the larger of its own and of all's */
};

struct doctor_address {
	struct prefix prefix; /* the network that it is in */
	struct address address;
	char interface[IF_NAMESIZE];
};

struct doctor_host {
	char kernel[65];                     /* release, as uname -r */
	int bpf_jit;                         /* net.core.bpf_jit_enable */
	struct doctor_interface *interfaces; /* owned, as below */
	size_t interface_count;
	struct doctor_address *addresses; /* of all interfaces */
	size_t address_count;
};

/* -ENOMEM, or what getifaddrs() says. What cannot be read otherwise is DOCTOR_UNKNOWN. */
int doctor_host_read(const struct dataplane_interface *attached, size_t count,
		     const struct links *links, struct doctor_host *ret_host);
void doctor_host_clear(struct doctor_host *host);

#endif
