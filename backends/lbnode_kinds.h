/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_KINDS_H
#define SLUICE_LBNODE_KINDS_H

/* What each kind of step does; step_...() in lbnode_step.h have the contracts. */
#include "lbnode_step.h"

struct step_ops {
	int (*probe)(struct step *step, bool *ret_holds, struct error *err);
	int (*apply)(const struct step *step, struct error *err);
	int (*revert)(const struct step *step, bool *ret_left, struct error *err);
	void (*describe)(const struct step *step, char buffer[STEP_TEXT_MAX]);
	void (*shell)(const struct step *step, bool revert, FILE *out);
};

extern const struct step_ops address_ops, local_ops, sysctl_ops, routes_ops, rule_ops, device_ops,
	fou_ops, decap_ops, vip_ops, source_ops, cookie_ops;

/* A sysctl's value without the line's end. Returns 0 or a negative errno. */
int sysctl_read(const char *path, char ret_value[STEP_VALUE_MAX]);

/* Whether the device has the address, and giving it; one that is there already is no error. */
int address_find(const char *device, const struct address *address, bool *ret_present,
		 struct error *err);
int address_add(const char *device, const struct address *address, struct error *err);

/* Whether what comes in by the interface is dropped unless the way back goes by it, too: the
 * kernel takes the larger value of `all` and the interface (Documentation/networking/
 * ip-sysctl.rst). */
bool reverse_path_is_strict(const char *interface);

/* Whether a router's word is taken there, as long as this host is none. */
bool takes_router_advertisements(const char *interface);

/* Prints what lb_decap has counted. */
int decap_show_counters(const char *directory, FILE *out, struct error *err);

/* Likewise lb_syncookie. */
int cookie_show_counters(const char *directory, FILE *out, struct error *err);

#define RULE_TABLE 27746 /* the table of STEP_ROUTES, and the priority of STEP_RULE */

#endif
