// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * lb_ingress: the packet's way through the balancer, top to bottom.
 *
 *   parse -> vip -> guard -> flow -> schedule -> forward -> verdict
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "flow.h"
#include "forward.h"
#include "guard.h"
#include "maps.h"
#include "packet.h"
#include "parse.h"
#include "verdict.h"
#include "vip.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A client's packet to one of our services. */
LB_INLINE enum lb_verdict serve(struct xdp_md *ctx, struct packet *pkt, struct decision *d)
{
	__u32 index = d->service_id;
	enum lb_verdict verdict;

	d->service = bpf_map_lookup_elem(&services, &index);
	if (!d->service)
		return LB_INTERNAL;
	verdict = guard(pkt);
	if (verdict != LB_PASS)
		return verdict;
	verdict = flow_assign(pkt, d);
	if (verdict != LB_PASS)
		return verdict;
	return forward(ctx, pkt, d);
}

SEC("xdp")
int lb_ingress(struct xdp_md *ctx)
{
	struct packet pkt = {};
	struct decision d = {};
	struct lb_vip *vip;

	if (!parse(ctx, &pkt))
		return finish(&pkt, &d, LB_PASS);
	vip = vip_find(&pkt);
	if (!vip)
		return finish(&pkt, &d, LB_PASS);
	pkt.now = bpf_jiffies64();
	if (vip->kind == LB_VIP_NAT)
		return finish(&pkt, &d, nat_return(&pkt, &d));
	d.service_id = vip->service;
	d.vip_id = vip->vip;
	return finish(&pkt, &d, serve(ctx, &pkt, &d));
}

/* The data plane's clock, for the agent: jiffies into the caller's context. */
SEC("syscall")
int lb_clock(__u64 *ret_jiffies)
{
	*ret_jiffies = bpf_jiffies64();
	return 0;
}
