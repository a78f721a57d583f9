/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_CASE_H
#define SLUICE_PACKET_CASE_H

/* One case as cases/README.md describes the files: a setup, then steps. Pure but for reading. */
#include <stdio.h>

#include "abi.h"
#include "layer.h"
#include "parse.h"
#include "verdicts.h"

#define CASE_NAME_MAX     128
#define CASE_WORD_MAX     24 /* names of services and backends */
#define CASE_SERVICES_MAX 8
#define CASE_VIPS_MAX     4
#define CASE_BACKENDS_MAX 16
#define CASE_SOURCES_MAX  8
#define CASE_ENTRIES_MAX  512 /* of "flows" and "nat" lines */
#define CASE_COUNTS_MAX   6

/* The interfaces of the test's own network namespace. */
enum case_device { DEVICE_LEFT = 11, DEVICE_RIGHT = 12 };

#define COARSE_TICK_SHIFT 8
#define LONG_TICK_SHIFT   20 /* to one that does not end while a case is played */

/* What is fixed when a program is loaded. */
struct constants {
	uint32_t buckets; /* of the flow table */
	uint32_t table_size;
	uint16_t nat_port_low;
	uint16_t nat_port_count;
	uint32_t icmp_per_second;
	uint32_t coarse_tick_shift; /* of a tick to a coarse tick, the second of icmp_per_second */
	uint32_t handshake_mask;    /* flows whose hash has none of these bits are timed */
	uint32_t checksums;         /* 1: IPv4 packets to a VIP must have a right one */
	uint32_t frags;             /* 1: packets may be longer than a page */
	uint32_t sample_mask;       /* as in struct lb_switches */
};

struct case_vip {
	char text[VIP_TEXT_MAX];
	struct vip vip;
};

/* Whom a list of sources has. */
struct case_source {
	bool deny;
	struct prefix prefix;
};

struct case_service {
	char name[CASE_WORD_MAX];
	enum lb_mode mode;
	enum lb_scheduler scheduler;
	uint16_t flags; /* enum lb_service_flags */
	uint16_t gue_port;
	uint8_t quic_id_length;
	struct case_vip vips[CASE_VIPS_MAX];
	size_t vip_count;
	uint64_t timeout_ms[LB_FLOW_STATES];
	uint64_t timeout_udp_ms;
	struct case_source sources[CASE_SOURCES_MAX];
	size_t source_count;
	/* In a second; 0: no limit. */
	uint32_t max_flows, max_entries, source_flows, source_packets;
	bool cookies;  /* SYNs are answered by cookies: */
	uint32_t syns; /* beyond so many in a second; 0: always */
};

struct case_backend {
	char name[CASE_WORD_MAX];
	size_t service; /* index into the case's services */
	struct endpoint endpoint;
	struct address local_address;
	bool nat; /* replies come to local_address, on every port */
	uint8_t spread_bits;
	uint16_t weight;
	uint16_t mtu;
	uint32_t vlan; /* as in struct lb_hop */
	int64_t load;
	uint8_t quic_id[LB_QUIC_ID_MAX];
	bool has_quic_id;
	uint8_t dst_mac[6];
	uint8_t src_mac[6];
	enum case_device device;
	bool up;       /* packets may go there */
	bool in_table; /* the first table has it */
	bool resolved; /* the next hop is known */
	bool is_host;  /* the balancer itself */
};

enum step_kind {
	STEP_PACKET,
	STEP_SET,
	STEP_TABLE,
	STEP_MARKS,
	STEP_EARLIER,
	STEP_EARLIEST,
	STEP_AGE,
	STEP_FOLD,
	STEP_FLOWS,
	STEP_NAT,
	STEP_COUNT,
};

enum out_kind { OUT_NOTHING, OUT_SAME, OUT_CHANGED, OUT_WRAPPED, OUT_NEW };

struct step_packet {
	enum case_device device;
	struct layers in;
	bool has_verdict;
	enum lb_verdict verdict;
	int code; /* XDP_* */
	enum case_device redirect_to;
	enum out_kind out;
	struct layers front;  /* OUT_WRAPPED: what stands before the IP header */
	struct layers change; /* OUT_NEW: the whole packet */
};

#define CASE_NOBODY SIZE_MAX

struct step_table {
	size_t service;
	size_t owners[CASE_BACKENDS_MAX]; /* indices into the case's backends, or CASE_NOBODY */
	size_t count;
};

struct step_count {
	char what[VIP_TEXT_MAX];
	struct {
		char key[24];
		uint64_t value;
	} counts[CASE_COUNTS_MAX];
	size_t count;
};

struct step {
	enum step_kind kind;
	unsigned int line;
	union {
		struct step_packet packet;
		struct {
			size_t index;
			struct case_backend backend;
		} set;
		struct step_table table;
		uint64_t age_ms;
		uint32_t flow_fold;             /* as in struct lb_switches */
		char entries[CASE_ENTRIES_MAX]; /* sorted words */
		struct step_count count;
	};
};

struct test_case {
	char name[CASE_NAME_MAX];
	unsigned int line;
	struct constants constants;
	struct case_service services[CASE_SERVICES_MAX];
	size_t service_count;
	struct case_source sources[CASE_SOURCES_MAX]; /* of all services; deny only */
	size_t source_count;
	struct case_backend backends[CASE_BACKENDS_MAX]; /* as the setup lines say */
	size_t backend_count;
	struct step **steps; /* owned */
	size_t step_count;
};

struct case_reader;

/* Negative errno: the file cannot be opened. */
int case_reader_open(const char *path, struct case_reader **ret_reader);
/* NULL-safe. */
void case_reader_close(struct case_reader *reader);

/* 1: *ret_case is the caller's; 0: the file has ended; -EINVAL, -ENOMEM: err filled and
 * *ret_line is where. */
int case_read(struct case_reader *reader, struct test_case **ret_case, unsigned int *ret_line,
	      struct error *err);
/* NULL-safe. */
void case_free(struct test_case *test);

/* Sorts the words of text, so that lists compare whatever their order. */
void sort_words(char *text);

const char *verdict_name(enum lb_verdict verdict);

#endif
