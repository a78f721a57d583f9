/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_VIP_LIST_H
#define SLUICE_VIP_LIST_H

/*
 * The entries of the data plane's map of VIPs that a desired state asks for, sorted, so that each
 * of the map's is looked for in it at the cost of a few comparisons, however many there are. Pure.
 */
#include "desired.h"
#include "sync.h"

/* Where a VIP is entered, and where echo requests to its addresses are looked for. */
struct lb_vip_prefix_key vip_list_key(const struct vip *vip);
struct lb_vip_prefix_key vip_list_echo_key(const struct vip *vip);

struct vip_list;

/*
 * All VIPs, their addresses' echoes, and the balancer's own addresses that backends of mode nat
 * reply to, by facts. NULL: out of memory.
 */
struct vip_list *vip_list_new(const struct desired *desired, const struct backend_facts *facts);
void vip_list_free(struct vip_list *list);

/* What is asked for there; NULL: nothing. */
const struct lb_vip *vip_list_find(const struct vip_list *list,
				   const struct lb_vip_prefix_key *key);

#endif
