/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_ENGINE_H
#define SLUICE_PACKET_ENGINE_H

/* The two ways to run the data plane: the program in the kernel and the same code natively. */
#include "case.h"
#include "frame.h"

struct xdp_md;

/* The one route of the test's network namespace that no backend line gives: what the data plane
 * learns by asking the kernel. */
#define KERNEL_ROUTE_ADDRESS "198.18.1.99"
#define KERNEL_ROUTE_PREFIX  "198.18.1.1/24" /* of DEVICE_RIGHT */
#define KERNEL_ROUTE_DST_MAC "02:00:00:00:01:63"
#define KERNEL_ROUTE_SRC_MAC "02:00:00:00:00:12" /* of DEVICE_RIGHT */

/* What became of a packet. */
struct outcome {
	int code; /* XDP_* */
	struct frame frame;
};

struct engine {
	const char *name;
	/* The data plane with these constants and empty maps. */
	int (*reset)(const struct constants *constants, struct error *err);
	/* Maps by name. Values of per-CPU maps are sums over CPUs of their 64-bit words. get: 0 or
	 * -ENOENT. next_key: key NULL for the first, -ENOENT behind the last. */
	int (*get)(const char *map, const void *key, void *ret_value);
	int (*put)(const char *map, const void *key, const void *value);
	int (*next_key)(const char *map, const void *key, void *ret_next);
	/* One packet through lb_ingress. Only the interface redirect_to may be redirected to. */
	int (*run)(const struct frame *in, enum case_device device, enum case_device redirect_to,
		   struct outcome *ret_outcome, struct error *err);
	/* The agent's switches, in memory. */
	struct lb_switches *(*switches)(void);
	/* Comment lines about the program. Returns how many instructions the verifier went through;
	 * 0: it was not asked. */
	uint32_t (*describe)(FILE *out);
	void (*close)(void);
};

extern const struct engine engine_native;
extern const struct engine engine_bpf;
/* The program in the kernel while all packets are captured: a packet that is not captured as it
 * came in and, if it leaves, as it leaves is an error. */
extern const struct engine engine_captured;

/* engine_native's run() of another program than the natively built one, over its maps. */
int engine_native_run(int (*program)(struct xdp_md *), const struct frame *in,
		      enum case_device device, enum case_device redirect_to,
		      struct outcome *ret_outcome, struct error *err);

/* Sizes of the maps that follow from a case's constants; 0: as declared. */
uint32_t engine_map_entries(const char *map, const struct constants *constants);

/* Slots of the table of VIPs. */
#define ENGINE_VIP_SLOTS 256U

#define LINES_OF(slots) (((slots) + LB_SLOTS_PER_LINE - 1) / LB_SLOTS_PER_LINE)
#define TICK_MS         4 /* nominal, see abi.h */

/* Keys of the flow hash: any, but the same for both. */
void engine_hash_keys(uint32_t *keys, size_t count);

#endif
