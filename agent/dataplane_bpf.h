/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DATAPLANE_BPF_H
#define SLUICE_DATAPLANE_BPF_H

/*
 * The real data plane: loads lb_ingress, makes or adopts the pinned maps, attaches to
 * interfaces. Everything lives below one directory of a bpffs and outlives the agent:
 *
 *   DIR/maps/NAME      the maps
 *   DIR/links/IF       the XDP link of each interface that is ours alone
 *   DIR/dispatched/IF  our program on each interface that we share; see xdp_dispatcher.h
 *   DIR/clsact/IFINDEX says that the interface's clsact qdisc is ours; see dataplane_probe.c
 *
 * IF has colons for dots: eth0.5 is eth0:5.
 */
#include "carry.h"
#include "dataplane.h"

enum attach_mode { ATTACH_AUTO, ATTACH_NATIVE, ATTACH_GENERIC };

#define DATAPLANE_INTERFACES_MAX 64

struct dataplane_bpf_config {
	const char *bpffs; /* the directory; its parent must be (in) a bpffs */
	struct dataplane_sizes sizes;
	uint64_t seed;         /* of the flow hash */
	uint16_t nat_port_low; /* NAT ports: low to high, inclusive */
	uint16_t nat_port_high;
	struct dataplane_prefix tunnel_sources[2]; /* as in struct dataplane */
	uint32_t icmp_per_second;                  /* ICMP errors that one CPU may send */
	uint32_t handshake_sample;                 /* one in so many TCP flows is timed; 2^n */
	bool cookies;                              /* services may answer by SYN cookies */
	bool ipv4_checksums;                       /* IPv4 packets to a VIP must have a right one */
	enum attach_mode mode;
	uint32_t mtu;             /* as in struct dataplane: what packets must be taken in */
	const char *verifier_log; /* file that gets the verifier's log; NULL: none */
};

/* How one interface is attached. */
struct dataplane_interface {
	char name[16];
	uint32_t ifindex;
	const char *mode;        /* "native" or "generic" */
	const char *attached_by; /* "link" or "dispatcher" */
	bool is_new;             /* no former agent had attached it */
};

/*
 * Checks what must be there (rights, bpffs, no other agent on the directory), loads the program
 * and makes or adopts the maps. Nothing is attached yet, the running program goes on undisturbed.
 * If a former agent's maps are not just as ours would be, new ones are made, and what connections
 * live by is carried over as far as it can be: dataplane_bpf_carried() says what is not.
 */
int dataplane_bpf_open(const struct dataplane_bpf_config *config, struct dataplane **ret_dp,
		       struct error *err);

/* A self-test that was passed. */
struct dataplane_selftest {
	unsigned int cases;
	unsigned int left_out; /* which this program, or any on the side, cannot do */
	uint32_t ms;
};

/*
 * Loads the program once more, on the side, with small maps of its own and attached nowhere, and
 * has it do the recorded packet cases; mtu as in the config. Nothing else is touched. -EBADMSG: a
 * case comes out otherwise, and err says which.
 */
int dataplane_bpf_selftest(uint32_t mtu, struct dataplane_selftest *ret_test, struct error *err);

/* What is carried over from a former agent. */
const struct carry *dataplane_bpf_carried(const struct dataplane *dp);

/* The same without doing anything, beside a running agent. */
int dataplane_bpf_examine(const struct dataplane_bpf_config *config, struct carry *ret_carry,
			  struct error *err);

/* Does a former agent's data plane have VIPs of services? */
bool dataplane_bpf_former_serves(const struct dataplane *dp);

/*
 * Copies what is to be copied while packets flow. Once before the programs are attached, and once
 * after that, for what came in between.
 */
int dataplane_bpf_carry(struct dataplane *dp, struct error *err);

/*
 * Puts the loaded program into the packets' way on an interface: a former agent's program is
 * replaced by one atomic step, a stranger's is never touched. Where libxdp's dispatcher runs
 * already ours joins it; elsewhere it gets a link of its own, which any other program makes
 * impossible (-EBUSY). Packets may then leave by it, too. The same as dataplane_ops.attach.
 */
int dataplane_bpf_attach(struct dataplane *dp, const char *interface, struct error *err);

/* Whose the packets of an interface are. */
enum dataplane_holder {
	HOLDER_NONE,
	HOLDER_US,         /* a former agent's program, to be replaced in one step */
	HOLDER_DISPATCHER, /* to be joined, or joined already */
	HOLDER_OTHER,      /* a program that we do not touch */
};

/* Looks without touching. With HOLDER_OTHER err says which program it is, and the way out. */
enum dataplane_holder dataplane_bpf_holder(const char *bpffs, const char *interface,
					   struct error *err);

/* The path of an interface's pin in a directory of bpffs, see above; bpffs is below size - 64. */
void dataplane_bpf_pin_path(const char *bpffs, const char *directory, const char *interface,
			    char *buffer, size_t size);

/* Takes back what dataplane_bpf_attach() newly attached; what a former agent had attached stays. */
void dataplane_bpf_detach_new(struct dataplane *dp);

/* Pins the maps in place of a former agent's, if they are new. After attach. */
int dataplane_bpf_pin(struct dataplane *dp, struct error *err);

/* The attached interfaces; *ret_count of them, valid until the next attach or detach. */
const struct dataplane_interface *dataplane_bpf_interfaces(const struct dataplane *dp,
							   size_t *ret_count);

/* Closes the agent's end; packets flow on. NULL-safe. */
void dataplane_bpf_close(struct dataplane *dp);

/* Takes our program off all interfaces and removes the pins. Packets of services stop. */
int dataplane_bpf_unload(const char *bpffs, struct error *err);

#endif
