/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_VERBS_H
#define SLUICE_LBNODE_VERBS_H

/*
 * What lbnode does. The verbs say on stdout what they did and return 0, or a negative errno with
 * err filled.
 */
#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "parse.h"

#define LBNODE_VIPS_MAX  128
#define LBNODE_FROM_MAX  32
#define LBNODE_PORTS_MAX 32
#define LBNODE_HOOK_MAX  32

enum lbnode_modes {
	LBNODE_L2 = 1 << 0,
	LBNODE_IPIP = 1 << 1,
	LBNODE_GUE = 1 << 2,
};

struct lbnode_options {
	unsigned int modes; /* enum lbnode_modes */
	struct prefix vips[LBNODE_VIPS_MAX];
	size_t vip_count;
	struct prefix from[LBNODE_FROM_MAX]; /* senders of tunnel packets; none: any */
	size_t from_count;
	const char *interface; /* where the balancer's packets come in */
	uint64_t gue_port;
	const char *cookie_key_file;      /* of SYN cookies; NULL: none are made connections of */
	bool second_chance;               /* what nobody here knows goes on to other backends */
	bool kernel;                      /* the kernel's tunnel devices, not lb_decap */
	const char *xdp_mode;             /* auto, native or generic */
	const char *bpffs;                /* directory that lb_decap is pinned in */
	const char *state;                /* path of the state file */
	bool print;                       /* print shell commands, change nothing */
	struct endpoint listen;           /* where report tells of this host; port 0: not given */
	uint64_t ports[LBNODE_PORTS_MAX]; /* whose listen queues it looks at */
	size_t port_count;
	char *hook[LBNODE_HOOK_MAX + 1]; /* the program it asks, and its arguments; none: NULL */
	size_t hook_count;
};

/* Prepares the host; needs VIPs and interface. All or nothing. */
int lbnode_up(const struct lbnode_options *options, struct error *err);

/* Takes back what up did, last first; what fails stays noted in the state file. */
int lbnode_down(const struct lbnode_options *options, struct error *err);

/* Lists what up did and whether it still stands, and what lb_decap has counted. */
int lbnode_show(const struct lbnode_options *options, struct error *err);

/* Tells balancers how loaded this host is, until SIGTERM or SIGINT; needs listen. */
int lbnode_report(const struct lbnode_options *options, struct error *err);

#endif
