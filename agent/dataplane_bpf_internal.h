/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DATAPLANE_BPF_INTERNAL_H
#define SLUICE_DATAPLANE_BPF_INTERNAL_H

/*
 * What the files of the real data plane share, and nobody else:
 *
 *   dataplane_bpf.c       opening: constants, sizes, maps made or adopted, shared memory
 *   dataplane_adopt.c     a former agent's maps
 *   dataplane_maps.c      operations on maps
 *   dataplane_flows.c     translated flows, read a part at a time
 *   dataplane_attach.c    the program on interfaces
 *   dataplane_capture.c   captured packets, samples of drops
 *   dataplane_runs.c      what the program costs, as the kernel counts
 *   dataplane_explain.c   what explaining asks for
 *   dataplane_pin.c       the directory of pins
 *   dataplane_probe.c     the probes' programs on interfaces
 *   dataplane_selftest.c  the program does the packet cases, on the side
 */
#include <bpf/libbpf.h>

#include "dataplane_bpf.h"
#include "ingress.skel.h"

/* What fits a page with headroom and tailroom; longer packets come in several. */
#define MTU_ONE_PAGE 3498

/* Values of a per-CPU map that are read at once. */
#define PERCPU_BATCH 128

/* A program that ours has replaced, and what it had done when that was last looked at. */
struct program_former {
	uint32_t id; /* 0: there was none */
	struct dataplane_runs seen;
};

struct dataplane_bpf {
	struct dataplane base;
	struct ingress *skel;
	char bpffs[200];
	int lock_fd; /* of the directory, locked: one agent a directory */
	int cpus;
	uint64_t seed;
	uint32_t icmp_per_second;
	enum attach_mode mode;
	struct carry carry; /* see dataplane_bpf_carried() */
	int former_nat_fd;  /* of a former agent's nat_flows, if that is copied; else -1 */
	struct dataplane_interface interfaces[DATAPLANE_INTERFACES_MAX];
	size_t interface_count;
	struct vip_table *vips;
	size_t vips_bytes, vip_groups_bytes;
	size_t flows_bytes, slots_bytes, services_bytes, backends_bytes, loads_bytes;
	size_t probe_paths_bytes, handshakes_bytes, cookie_keys_bytes, cookie_states_bytes,
		meta_bytes;
	uint32_t handshake_mask;
	bool cookies, ipv4_checksums;
	struct program_former former;   /* dataplane_runs.c */
	struct bpf_probe_hooks *probes; /* NULL: no probe was ever asked for */
	struct bpf_capture *capture;    /* NULL: no packet was ever captured */
	/* Room for PERCPU_BATCH values of a per-CPU map, for all CPUs. */
	union {
		struct lb_traffic *traffic;
		struct lb_backend_stats *backend;
		struct lb_flow_stats *flow;
		struct lb_service_drops *drops;
		void *raw;
	} percpu;
};

static inline struct dataplane_bpf *bpf_of(struct dataplane *dp)
{
	return (struct dataplane_bpf *)dp;
}

/* --- dataplane_bpf.c --- */

/* Into a skeleton that is not loaded yet. */
void bpf_set_constants(const struct dataplane_bpf *dp, struct ingress *skel);

/* Maps an array of flag BPF_F_MMAPABLE; *ret_bytes is for munmap(2). */
int bpf_map_memory(const struct bpf_map *map, void **ret_memory, size_t *ret_bytes,
		   struct error *err);

/* Has libbpf keep the first warning since libbpf_says[0] was cleared: it says what an error code
 * cannot. */
void bpf_keep_warnings(void);

/* Gives a second object, open and not loaded, the maps of the data plane by their names. */
int bpf_share_maps(const struct dataplane_bpf *dp, struct bpf_object *object, struct error *err);

/* --- dataplane_adopt.c --- */

/* What this agent writes into the map meta. */
struct lb_meta bpf_meta(const struct dataplane_bpf *dp);

/* Decides what is carried over, into dp->carry and dp->base.adopted; the maps' sizes are set. */
void bpf_examine(struct dataplane_bpf *dp);

/* Before the load: takes over the maps that can be. */
int bpf_adopt(struct dataplane_bpf *dp, struct error *err);

/* After it, into memory. */
int bpf_copy_backends(struct dataplane_bpf *dp, struct error *err);

/* --- dataplane_maps.c --- */

extern const struct dataplane_ops bpf_ops;

int bpf_egress_put(struct dataplane *dp, uint32_t ifindex, uint32_t by, struct error *err);
void bpf_egress_remove(struct dataplane *dp, uint32_t ifindex);

/* --- dataplane_sources.c --- */

int bpf_sources_put(struct dataplane *dp, const struct lb_source_key *keys, uint32_t count,
		    struct error *err);
bool bpf_sources_sweep(struct dataplane *dp, struct lb_source_key *position, uint32_t room,
		       bool (*keeps)(void *context, uint32_t list), void *context);

/* --- dataplane_flows.c --- */

uint32_t bpf_nat_flows_read(struct dataplane *dp, uint32_t *position, struct lb_tuple *replies,
			    struct lb_nat_entry *entries, uint32_t room, bool *ret_end);

/* --- dataplane_attach.c --- */

void bpf_detach(struct dataplane *dp, const char *interface);
bool bpf_holds(struct dataplane *dp, const char *interface, char *reason, size_t size);

/* --- dataplane_runs.c --- */

/* The program of this id has just given way to ours on one of its interfaces: what it has done
 * counts on. */
void bpf_runs_take_over(struct dataplane_bpf *dp, uint32_t former_id);

/* Pins our program in place of the former one, so that the next agent can ask it. */
int bpf_runs_pin(const struct dataplane_bpf *dp, struct error *err);

void bpf_program_runs(struct dataplane *dp, struct dataplane_runs *ret_runs);

/* --- dataplane_capture.c --- */

/* The same as in dataplane_ops. */
int bpf_capture_start(struct dataplane *dp, const struct lb_capture_filter *filter, int *ret_fd,
		      struct error *err);
int bpf_capture_renew(struct dataplane *dp, struct error *err);
void bpf_capture_stop(struct dataplane *dp);
bool bpf_capture_read(struct dataplane *dp, dataplane_capture_take take, void *context);
void bpf_capture_stats(struct dataplane *dp, struct lb_capture_stats *ret_stats);
bool bpf_drop_sample(struct dataplane *dp, enum lb_verdict verdict,
		     struct lb_drop_sample *ret_sample);

/* Ends what is captured. */
void bpf_capture_close(struct dataplane_bpf *dp);

/* --- dataplane_explain.c --- */

void bpf_constants(const struct dataplane *dp, struct native_constants *ret_constants);
int bpf_map_get(struct dataplane *dp, const char *name, const void *key, void *ret_value);
int bpf_route_get(struct dataplane *dp, struct bpf_fib_lookup *params);

/* --- dataplane_probe.c --- */

/* Chooses the mark of this agent's probes; after bpf_directory_open(). */
int bpf_probe_open(struct dataplane_bpf *dp, struct error *err);

/* The same as dataplane_ops.probe_follow. */
int bpf_probe_follow(struct dataplane *dp, const uint32_t *devices, size_t count,
		     struct error *err);

/* Closes the agent's end; filters stay. */
void bpf_probe_close(struct dataplane_bpf *dp);

/* Takes our filters off all interfaces; of dp, lock_fd and bpffs are enough. */
void bpf_probe_unload(const struct dataplane_bpf *dp);

/* --- dataplane_pin.c --- */

/* Makes and locks the directory: one agent a directory. -EBUSY, -ENODEV: not a bpffs. */
int bpf_directory_open(struct dataplane_bpf *dp, const char *path, struct error *err);

/* Removes the directories that nothing is pinned in. */
void bpf_directory_clean(const char *bpffs);

/* Constants live in a map of libbpf's own; scratch is nobody's between two packets. */
bool bpf_map_is_pinned(const struct bpf_map *map);
bool bpf_map_is_switches(const struct bpf_map *map);

/* Where the map is pinned, by a former agent or by this one. */
void bpf_map_path(const struct dataplane_bpf *dp, const struct bpf_map *map, char *buffer,
		  size_t size);

#endif
