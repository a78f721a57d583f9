/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody else's XDP program, to share an interface with by libxdp's dispatcher. It runs first,
 * and passes everything on to the next one. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <xdp/xdp_helpers.h>

struct {
	__uint(priority, 10);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(lab_neighbour);

SEC("xdp")
int lab_neighbour(struct xdp_md *packet)
{
	(void)packet;
	return XDP_PASS;
}
