/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_USUAL_H
#define SLUICE_BENCH_USUAL_H

/* What usual.bpf.c and the program that fills its maps share. */
#include <linux/types.h>

#define USUAL_FLOWS    (1U << 22) /* of all processors */
#define USUAL_VIPS     2048
#define USUAL_BACKENDS 65536U
#define USUAL_RING     65537U
#define USUAL_CPUS     128

struct usual_vip_key {
	__be32 addr[4]; /* IPv4 in the first, the others zero */
	__be16 port;
	__u8 l4_proto;
	__u8 pad;
};

struct usual_flow_key {
	__be32 src[4];
	__be32 dst[4];
	__be16 src_port;
	__be16 dst_port;
	__u8 l4_proto;
	__u8 pad[3];
};

struct usual_flow {
	__u32 backend;
	__u32 pad;
	__u64 seen_ns;
};

struct usual_backend {
	__be32 addr[4];
	__u8 mac[6];
	__u8 is_ipv6;
	__u8 pad;
};

struct usual_stats {
	__u64 packets;
	__u64 bytes;
};

#endif
