/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_OPTIONS_H
#define SLUICE_OPTIONS_H

/* The agent's flags and its configuration file, which knows the same words. */
#include <cjson/cJSON.h>
#include <net/if.h>

#include "dataplane_bpf.h"
#include "etcd_url.h"
#include "log.h"
#include "parse.h"
#include "source_list.h"

struct options {
	char interfaces[DATAPLANE_INTERFACES_MAX][IF_NAMESIZE];
	size_t interface_count;
	char state_dir[200];
	char commands_dir[200]; /* of exec checks */
	char socket[108];
	char socket_group[33];
	struct endpoint listen; /* port 0: no TCP listener */
	char token_file[200];   /* of the TCP listener; empty: none */
	char tls_cert[200];     /* likewise; both or none */
	char tls_key[200];
	char cookie_key_file[200]; /* of SYN cookies; empty: none */
	char seed_file[200];       /* of the flow hash's seed, that a fleet shares; empty: none */
	char store[400];           /* the URL of the fleet's etcd; empty: there is none */
	struct etcd_url store_url; /* the same, read */
	char store_ca[200];        /* PEM; empty: the system's authorities */
	char store_cert[200];      /* likewise, to show etcd; both or none */
	char store_key[200];
	char store_user_file[200]; /* of USER:PASSWORD; empty: none */
	uint32_t announce_table;   /* routes to VIPs go there; 0: VIPs are not announced */
	uint64_t drain_on_stop_ms; /* at SIGTERM: from the withdrawal of VIPs to the end; 0: none */
	char bpffs[200];
	enum attach_mode xdp_mode;
	enum log_level log_level;
	struct dataplane_sizes sizes;
	struct prefix tunnel_sources[2]; /* outer ones of IPv4 and of IPv6 */
	uint32_t icmp_per_second;        /* ICMP errors that one CPU may send */
	bool drop_bad_checksums;         /* of IPv4 headers */
	uint32_t handshake_sample;       /* one in so many TCP flows is timed; 2^n */
	uint16_t nat_port_low, nat_port_high;
	bool nat_ports_scarce;  /* by default they overlap with the host's own ports */
	char verifier_log[200]; /* empty: none */
	char source_deny[SOURCE_WORDS_MAX + 1]; /* of all services; empty: none */
	bool skip_self_test;
	bool preflight, unload, help, version;
	bool check;         /* the configuration file, and do nothing else */
	const char *config; /* its path, into argv; NULL: none */
	cJSON *services;    /* of the configuration file; NULL: none. Owned. */
};

/* Reads the configuration file, if one is named, then the flags, which win. -EINVAL: a flag is
 * refused; -EBADMSG: the file. */
int options_read(struct options *options, int argc, char *const *argv, struct error *err);
void options_clear(struct options *options);

/* What --help prints. */
void options_usage(void);

#endif
