/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_EXPLAIN_DOC_H
#define SLUICE_EXPLAIN_DOC_H

/*
 * The document of an explanation under construction, and the names of what it speaks of. What
 * cannot be added for want of memory is noted once for all: the writers below take NULL for an
 * object, and the caller looks at `whole` in the end.
 */
#include <cjson/cJSON.h>

#include "explain.h"
#include "manager.h"

struct explain_doc {
	const struct explanation *run;
	const struct manager *manager;
	cJSON *root;
	cJSON *steps;
	bool whole;
};

/* An object with these in it, added to the steps. text is what people read. */
__attribute__((format(printf, 4, 5))) cJSON *doc_step(struct explain_doc *doc, const char *stage,
						      const char *outcome, const char *format, ...);

cJSON *doc_object(struct explain_doc *doc, cJSON *parent, const char *key);
cJSON *doc_array(struct explain_doc *doc, cJSON *parent, const char *key);
cJSON *doc_item(struct explain_doc *doc, cJSON *array); /* an object */
/* Takes item over. */
void doc_add(struct explain_doc *doc, cJSON *object, const char *key, cJSON *item);
void doc_text(struct explain_doc *doc, cJSON *object, const char *key, const char *text);
void doc_number(struct explain_doc *doc, cJSON *object, const char *key, double number);
void doc_true(struct explain_doc *doc, cJSON *object, const char *key, bool value);
void doc_mac(struct explain_doc *doc, cJSON *object, const char *key, const uint8_t mac[6]);
void doc_hex(struct explain_doc *doc, cJSON *object, const char *key, const uint8_t *bytes,
	     size_t size);

/* NULL: the desired state has none of this index (any more). */
const struct service_spec *doc_service(const struct explain_doc *doc, uint16_t id);
const struct vip_spec *doc_vip(const struct explain_doc *doc, uint16_t id);
const struct backend_spec *doc_backend(const struct explain_doc *doc, uint16_t id);

/* Their names, or "number N" for what the desired state does not have; in buffer, as all texts
 * below but protocols. */
#define DOC_NAME_MAX 72
const char *doc_service_name(const struct explain_doc *doc, uint16_t id, char buffer[DOC_NAME_MAX]);
const char *doc_backend_name(const struct explain_doc *doc, uint16_t id, char buffer[DOC_NAME_MAX]);
const char *doc_interface_name(const struct explain_doc *doc, uint32_t ifindex,
			       char buffer[DOC_NAME_MAX]);

/* "tcp", "udp", "sctp", "icmp", else "protocol N". */
const char *doc_protocol_name(uint8_t protocol, char buffer[DOC_NAME_MAX]);

/* "203.0.113.7:4242", or the address alone for port 0. */
const char *doc_endpoint(const struct lb_addr *addr, __be16 port, char buffer[DOC_NAME_MAX]);

/* "02:00:00:00:00:01" */
const char *doc_mac_text(const uint8_t mac[6], char buffer[DOC_NAME_MAX]);

/* "100", or "200.100": the outer tag's ID first. */
const char *doc_vlan_text(uint32_t vlan, char buffer[DOC_NAME_MAX]);

/* "0.2 s", "12 s", "35 min": how long ago. */
const char *doc_span(double seconds, char buffer[DOC_NAME_MAX]);

/* Seconds of so many ticks (of an embryonic flow, of mode nat) or coarse ticks. */
double doc_tick_seconds(const struct explain_doc *doc, uint32_t ticks);
double doc_coarse_seconds(const struct explain_doc *doc, uint32_t ticks);

/* --- the stages, in the packet's order; each adds the steps that it came to --- */

void explain_doc_vip(struct explain_doc *doc); /* explain_vip.c */
/* False: the packet went no further. */
bool explain_doc_guard(struct explain_doc *doc);    /* explain_vip.c */
bool explain_doc_cookie(struct explain_doc *doc);   /* likewise */
void explain_doc_flow(struct explain_doc *doc);     /* explain_flow.c */
void explain_doc_schedule(struct explain_doc *doc); /* explain_flow.c */
void explain_doc_limits(struct explain_doc *doc);   /* explain_vip.c */
void explain_doc_entered(struct explain_doc *doc);  /* explain_flow.c */
void explain_doc_forward(struct explain_doc *doc);  /* explain_way.c */
void explain_doc_return(struct explain_doc *doc);   /* explain_way.c */
void explain_doc_verdict(struct explain_doc *doc);  /* explain_way.c */

/* The document of docs/api.md. NULL: out of memory. */
cJSON *explain_view(const struct explanation *explanation, const struct manager *manager);

#endif
