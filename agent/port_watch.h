/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PORT_WATCH_H
#define SLUICE_PORT_WATCH_H

/*
 * Keeps interfaces attached while the agent runs: whenever links change, and four times a second,
 * for the kernel does not tell when somebody takes an XDP program off. Tells what changes.
 */
#include <uv.h>

#include "manager.h"
#include "ports.h"

struct port_watch;

/* ports have been followed once; all must outlive it. NULL: out of memory. */
struct port_watch *port_watch_new(uv_loop_t *loop, struct events *events, struct manager *manager,
				  struct ports *ports);

/* The loop must run once more. NULL-safe. */
void port_watch_free(struct port_watch *watch);

#endif
