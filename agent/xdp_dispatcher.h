/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_XDP_DISPATCHER_H
#define SLUICE_XDP_DISPATCHER_H

/*
 * Sharing an interface with other XDP programs by libxdp's dispatcher: a small program that
 * calls one after the other. Ours is then no XDP program of its own but an extension of that
 * one, so it is loaded a second time, from an object of its own with the same maps.
 *
 * DIR/dispatched/IF pins the extension, so that the next agent knows which one to replace, and
 * --unload which interfaces to leave.
 */
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane_bpf.h"

/* Is the interface's XDP program a dispatcher? */
bool dispatcher_present(uint32_t ifindex);

/* Is our pinned program in the interface's dispatcher? */
bool dispatcher_has(const char *bpffs, const char *interface, uint32_t ifindex);

/*
 * Adds lb_ingress of object to the interface's dispatcher, then takes a former agent's out; the
 * packets meet at least one of the two at any moment. object is open, not loaded, and its maps
 * are those of the running data plane; it stays the caller's. ATTACH_AUTO takes the dispatcher's
 * own mode. *ret_new: there was no former one. -EBUSY: another lbagent's is in it already.
 */
int dispatcher_join(const char *bpffs, const char *interface, uint32_t ifindex,
		    struct bpf_object *object, enum attach_mode mode, bool *ret_new,
		    struct error *err);

/* Takes ours out again and removes the pin. No error if interface, dispatcher or ours is gone. */
int dispatcher_leave(const char *bpffs, const char *interface, struct error *err);

#endif
