/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_REPLY_TAKERS_H
#define SLUICE_REPLY_TAKERS_H

/*
 * In mode nat replies of backends come to an address of the balancer. A VIP there would take them
 * for packets of its own clients. Pure.
 */
#include "desired.h"

struct reply_takers;

/* Of a state that outlives it, where replies come to ports low to high. NULL: out of memory. */
struct reply_takers *reply_takers_new(const struct desired *desired, uint16_t low, uint16_t high);
void reply_takers_free(struct reply_takers *takers); /* NULL-safe */

/*
 * A VIP, of any service, that takes what the backends of service send to `own`, and in *ret_owner
 * whose it is; NULL: there is none. before is the service as it was: VIPs that had an index then,
 * and replies of their protocol in the way, are passed over. NULL: none is. takers NULL: there is
 * no VIP.
 */
const struct vip_spec *reply_takers_find(const struct reply_takers *takers,
					 const struct service_spec *service,
					 const struct address *own,
					 const struct service_spec *before,
					 const struct service_spec **ret_owner);

#endif
