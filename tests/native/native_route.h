/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_NATIVE_ROUTE_H
#define SLUICE_NATIVE_ROUTE_H

/* The one way that bpf_fib_lookup() knows in the tests' natively built data plane. */
#include <stdint.h>

#include "abi.h"

struct native_route {
	struct lb_addr dst;
	uint32_t ifindex; /* 0: there is no way */
	uint8_t src_mac[6];
	uint8_t dst_mac[6];
};
void native_set_route(const struct native_route *route);

#endif
