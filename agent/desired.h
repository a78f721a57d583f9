/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DESIRED_H
#define SLUICE_DESIRED_H

/*
 * The desired state: what the operator asked for, and nothing else. Pure data: no I/O, no clock.
 *
 * A change is made on a clone and is then committed or thrown away as a whole, so whatever is
 * refused on the way leaves the running state as it was. The functions below check what they can
 * know alone (syntax lives in config.h, limits of the maps in ids.h).
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "announce.h"
#include "autoscale_policy.h"
#include "check.h"
#include "error.h"
#include "load_policy.h"
#include "owners.h"
#include "parse.h"
#include "steady.h"

#define SERVICE_NAME_MAX   63
#define BACKEND_WEIGHT_MAX 1000
#define GUE_PORT_DEFAULT   6080 /* IANA's for GUE */

/* What is made of SYNs that a backend's clients repeat more often than its peers' do. */
enum passive_action {
	PASSIVE_OFF,
	PASSIVE_WATCH, /* "suspect": it is said, and the next check comes at once */
	PASSIVE_EJECT, /* and it gets no new flows for a while */
};

enum admin_state { ADMIN_UP, ADMIN_DRAIN, ADMIN_MAINT };

struct backend_spec {
	uint16_t id; /* index into the map backends; 0 until assigned */
	struct endpoint endpoint;
	uint16_t weight; /* 0 to BACKEND_WEIGHT_MAX; 0 gets no new flows */
	/* New flows go to those of the lowest priority that has a backend for them. */
	uint8_t priority;
	uint8_t quic_id_length; /* 0: it has none */
	uint8_t quic_id[LB_QUIC_ID_MAX];
	enum admin_state state;
	bool removing;        /* drains, then leaves the desired state */
	uint64_t deadline_ms; /* end of a drain, as steady_now() counts; 0: none */
	uint16_t load_factor; /* thousandths of its weight that its load leaves it; 0: all */
	/* What the autoscaler has asked its driver to start; "": it is the operator's. */
	char launched[SCALE_ID_MAX + 1];
};

struct vip_spec {
	uint16_t id; /* index into vip_stats; 0 until assigned */
	struct vip vip;
};

/* Where the outer source of a tunnel's packets comes from. */
enum tunnel_source {
	TUNNEL_SPREAD, /* varies by flow, so that receivers and routers spread flows */
	TUNNEL_FIXED,  /* the balancer's own address and one port */
};

/* Which flows have entries in the flow table. */
enum tracking {
	TRACK_AUTO,    /* see service_tracking() */
	TRACK_CHANGED, /* of TCP and SCTP, those that a change of backends could move */
	TRACK_ALL,
	TRACK_NONE,
};

enum when_down { DOWN_DROP, DOWN_PASS };
enum too_big { TOO_BIG_TELL, TOO_BIG_DROP };
enum second_chance { CHANCE_OFF, CHANCE_ON };
enum syn_cookies { COOKIES_OFF, COOKIES_AUTO, COOKIES_ALWAYS };

/* By which way a backend is checked; see check_way.h. */
enum check_via {
	VIA_AUTO, /* VIA_VIP but in mode nat */
	VIA_VIP,
	VIA_ADDRESS,
};

struct service_spec {
	uint16_t id; /* index into the map services; 0 until assigned */
	char name[SERVICE_NAME_MAX + 1];
	struct vip_spec *vips; /* owned */
	size_t vip_count;
	enum lb_mode mode;   /* LB_MODE_GUE for both variants */
	uint8_t gue_variant; /* 0: with GUE's header; 1: without */
	uint16_t gue_port;   /* host order */
	enum tunnel_source tunnel_source;
	enum lb_scheduler scheduler;
	enum tracking tracking;
	enum when_down when_down;
	enum too_big too_big;
	struct check_spec check;
	enum check_via check_via;
	struct autoscale_policy scale;
	struct load_policy load;
	uint64_t slow_start_ms; /* 0: a backend that comes back has its whole weight at once */
	enum passive_action passive;
	uint8_t eject_max;                   /* per cent of the pool; see pool.h */
	uint8_t panic_threshold;             /* per cent of the pool's weight; 0: it never panics */
	struct announce_min announce_min;    /* of healthy backends, for its VIPs to be announced */
	uint64_t timeout_ms[LB_FLOW_STATES]; /* idle times; [LB_FLOW_INHERITED] unused */
	uint64_t timeout_udp_ms;             /* of UDP, for [LB_FLOW_ESTABLISHED] */
	char *source_allow;                  /* owned; words as in source_list.h; NULL: none */
	char *source_deny;
	/* Sources that share a rate begin alike, so many bits. */
	uint8_t source_prefix_ipv4, source_prefix_ipv6;
	uint8_t quic_id_length; /* bytes of a QUIC server ID; 0: none */
	/* A second; 0: no limit. */
	uint32_t source_rate_flows, source_rate_packets, max_new_flows, max_new_entries;
	enum syn_cookies syn_cookies;
	uint32_t syn_cookies_above; /* COOKIES_AUTO: SYNs a second */
	/* Backends are told who owned a flow's slot before, and hand on what is not theirs. */
	enum second_chance second_chance;
	struct owners former[OWNERS_FORMER]; /* the newest first; owned. Empty: none */
	struct backend_spec *backends;       /* owned; in order of insertion */
	size_t backend_count;
};

struct desired {
	uint64_t generation;           /* raised by each commit */
	uint64_t seed;                 /* of the flow hash; fleet-wide if the operator says so */
	struct steady steady;          /* the clock of deadlines */
	bool withdrawn;                /* this balancer announces no VIP; not of the services */
	bool former_given;             /* services remember whom they shall, and nobody else */
	struct service_spec *services; /* owned; in order of insertion */
	size_t service_count;
};

/* NULL only when out of memory. */
struct desired *desired_new(void);
struct desired *desired_clone(const struct desired *desired);
void desired_free(struct desired *desired);

/* A spec with every default in place, no name, no VIP. */
void service_spec_init(struct service_spec *spec);
/* Likewise, without an address. */
void backend_spec_init(struct backend_spec *spec);
/* *ret_copy owns all that it has. -ENOMEM leaves it untouched. */
int service_spec_copy(const struct service_spec *spec, struct service_spec *ret_copy);
/* Frees what spec owns, not spec. */
void service_spec_clear(struct service_spec *spec);

/* NULL if there is none. The result points into desired until its next change. */
struct service_spec *desired_service(const struct desired *desired, const char *name);
struct backend_spec *service_backend(const struct service_spec *service,
				     const struct endpoint *endpoint);

/* Is it asked to take new flows, whatever is known of it? NULL is not. */
bool backend_takes_part(const struct backend_spec *spec);

/* A SPEC's words for modes, by enum lb_mode; NULL where there is none. */
#define MODE_WORDS (LB_MODE_GUE + 1)
extern const char *const mode_words[MODE_WORDS];

/* Which tracking auto stands for: changed where a flow's slot tells its backend, which only the
 * scheduler maglev's does, and nobody asks who has an entry, as SYN cookies do; else all. */
enum tracking service_tracking(const struct service_spec *service);

/* Has it a VIP of this protocol? */
bool service_has_protocol(const struct service_spec *service, uint8_t protocol);

/* Is the service in mode nat, and has it a VIP of this protocol? */
bool service_translates(const struct service_spec *service, uint8_t protocol);

/* The port a backend has if none is written: the one port of all VIPs, else 0. */
uint16_t service_default_port(const struct service_spec *service);

/* As above, but a missing one is -ENOENT with err naming it and what there is. */
int desired_require_service(const struct desired *desired, const char *name,
			    struct service_spec **ret_service, struct error *err);
int service_require_backend(const struct service_spec *service, const char *endpoint_text,
			    struct backend_spec **ret_backend, struct error *err);

/*
 * Takes what *spec owns (and clears it) on success. -EEXIST: the name or a VIP is taken.
 * -EINVAL: service_spec_check() refuses it.
 */
int desired_add_service(struct desired *desired, struct service_spec *spec, struct error *err);
void desired_remove_service(struct desired *desired, struct service_spec *service);

/* -EEXIST: already there. -EINVAL: service_spec_check() would refuse it. */
int service_add_backend(struct service_spec *service, const struct backend_spec *backend,
			struct error *err);
void service_remove_backend(struct service_spec *service, struct backend_spec *backend);

/* Everything that must hold within one service. */
int service_spec_check(const struct service_spec *spec, struct error *err);

/* Everything that must hold between services: names and VIPs are unique. */
int desired_check(const struct desired *desired, struct error *err);

#endif
