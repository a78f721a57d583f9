/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PRIVILEGES_H
#define SLUICE_PRIVILEGES_H

/*
 * What the agent may do once it runs. It needs more to start (a low port, the socket's group) than
 * to go on; what it gives up here, no fault in it can use later.
 *
 *   CAP_BPF, CAP_PERFMON   to make maps and load programs, whose verifier asks for both
 *   CAP_NET_ADMIN          to attach to interfaces that come back; routes, neighbours, marks
 *   CAP_NET_RAW            probes by ICMP
 *   CAP_SYS_ADMIN          only where asked for: libxdp finds other programs by their ids
 */
#include <stdbool.h>

#include "error.h"

/*
 * Keeps of these what the process has, for good: no way leads back, by exec neither. CAP_SYS_ADMIN
 * stays only if `admin`, or if it stands in for CAP_BPF or CAP_PERFMON, as in some containers.
 * To be called while there is one thread.
 */
int privileges_reduce(bool admin, struct error *err);

/* Whether a program that this process starts would have capabilities: it may not take them from
 * its children without CAP_SETPCAP, unless root means nothing to it (SecureBits=noroot). */
bool privileges_inherited(void);

/* Calls take with the name of each capability in force: "CAP_BPF". */
void privileges_each(void (*take)(void *context, const char *name), void *context);

#endif
