/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CHECK_WAY_H
#define SLUICE_CHECK_WAY_H

/*
 * Which way the checks of a backend go, and what exactly they check. By the clients' way, to the
 * VIP on that backend, where the mode keeps the VIP and nothing stands against it: then a backend
 * that does not hold the VIP, does not take the tunnel off or does not listen there is down, as it
 * is for clients. Else to the backend's own address. Pure.
 */
#include "desired.h"
#include "nexthop.h"

enum check_way_kind {
	WAY_ADDRESS, /* to the backend's own address, unmarked */
	WAY_VIP,     /* to the same, marked: bpf/probe.bpf.c makes of it the clients' way */
	WAY_HOST,    /* to the VIP, which this machine holds itself */
};

struct check_way {
	enum check_way_kind kind;
	struct endpoint target; /* what the probe's sockets speak to */
	struct vip vip;         /* what is checked, of one address and port, or of IPPROTO_ICMP;
				 * not for WAY_ADDRESS */
	struct address own;     /* WAY_VIP, if backend and VIP differ in family: the machine's own
				 * of the VIP's; else all zero */
	char reason[160];       /* WAY_ADDRESS where the VIP was asked for: why not; else empty */
};

/* What there is to choose from. */
struct check_way_facts {
	const struct desired *desired;
	const struct rtnl_address *addresses; /* the machine's */
	size_t address_count;
	const char *refused; /* why the kernel does not let probes by the VIP; NULL: it does */
};

/* Is the VIP's way asked for? Without, the hop makes no difference. */
bool check_way_wants_vip(const struct service_spec *service);

/* hop is what is known of the way to backend. The port that is checked is the service's
 * check-port, else that of its first VIP of the check's protocol that has one, else the backend's.
 */
void check_way_find(const struct service_spec *service, const struct backend_spec *backend,
		    const struct nexthop *hop, const struct check_way_facts *facts,
		    struct check_way *ret_way);

/* Would the same packets be sent? */
bool check_way_equal(const struct check_way *a, const struct check_way *b);

/* "vip" or "address". */
const char *check_way_name(const struct check_way *way);

#endif
