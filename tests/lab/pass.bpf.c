/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passes everything. A veth takes in what its peer sends by XDP_TX only while it has a program of
 * its own: veth_xdp_flush() wakes no other receiver (GRO alone will do for XDP_REDIRECT only).
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp.frags") /* of any length */
int lab_pass(struct xdp_md *packet)
{
	(void)packet;
	return XDP_PASS;
}
