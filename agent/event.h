/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_EVENT_H
#define SLUICE_EVENT_H

/*
 * What happened to the balancer: when, what, to whom, whose doing it was, and why. An event is
 * one JSON object of one line, on disk as in answers. Pure.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "log.h"

/* Kind, its name, how loudly the log says it. Each enum backend_status has one: "backend-" and
 * its name. */
#define EVENT_KINDS(X)                                                                             \
	X(AGENT_STARTED, "agent-started", INFO)                                                    \
	X(AGENT_STOPPING, "agent-stopping", INFO)                                                  \
	X(STATE_RESTORED, "state-restored", WARN)                                                  \
	X(MAPS_REPLACED, "maps-replaced", WARN)                                                    \
	X(CONFIG_APPLIED, "config-applied", INFO)                                                  \
	X(CHANGE_UNDONE, "change-undone", ERROR)                                                   \
	X(SERVICE_ADDED, "service-added", INFO)                                                    \
	X(SERVICE_CHANGED, "service-changed", INFO)                                                \
	X(SERVICE_REMOVED, "service-removed", INFO)                                                \
	X(BACKEND_ADDED, "backend-added", INFO)                                                    \
	X(BACKEND_CHANGED, "backend-changed", INFO)                                                \
	X(BACKEND_REMOVED, "backend-removed", INFO)                                                \
	X(BACKEND_UP, "backend-up", INFO)                                                          \
	X(BACKEND_CHECKING, "backend-checking", INFO)                                              \
	X(BACKEND_DOWN, "backend-down", WARN)                                                      \
	X(BACKEND_DRAIN, "backend-drain", INFO)                                                    \
	X(BACKEND_DRAINED, "backend-drained", INFO)                                                \
	X(BACKEND_REMOVING, "backend-removing", INFO)                                              \
	X(BACKEND_MAINT, "backend-maint", INFO)                                                    \
	X(BACKEND_NO_NEIGHBOUR, "backend-no-neighbour", WARN)                                      \
	X(BACKEND_EJECTED, "backend-ejected", WARN)                                                \
	X(BACKEND_SUSPECT, "backend-suspect", WARN)                                                \
	X(BACKEND_NOT_SUSPECT, "backend-not-suspect", INFO)                                        \
	X(SCALE_UP, "scale-up", INFO)                                                              \
	X(SCALE_DOWN, "scale-down", INFO)                                                          \
	X(SCALE_REPLACE, "scale-replace", WARN)                                                    \
	X(SCALE_RETIRE, "scale-retire", INFO)                                                      \
	X(SCALE_DRY_RUN, "scale-dry-run", INFO)                                                    \
	X(SCALE_STOPPED, "scale-stopped", INFO)                                                    \
	X(SCALE_LAUNCH_FAILED, "scale-launch-failed", WARN)                                        \
	X(SCALE_STOP_FAILED, "scale-stop-failed", WARN)                                            \
	X(SCALE_CIRCUIT_OPEN, "scale-circuit-open", WARN)                                          \
	X(SCALE_CIRCUIT_CLOSED, "scale-circuit-closed", INFO)                                      \
	X(SCALE_NO_DATA, "scale-no-data", WARN)                                                    \
	X(SCALE_DATA, "scale-data", INFO)                                                          \
	X(LOAD_STEP, "load-step", INFO)                                                            \
	X(LOAD_DRY_RUN, "load-dry-run", INFO)                                                      \
	X(LOAD_SILENT, "load-silent", WARN)                                                        \
	X(LOAD_HEARD, "load-heard", INFO)                                                          \
	X(SERVICE_PANICS, "service-panics", WARN)                                                  \
	X(SERVICE_PANICS_NO_MORE, "service-panics-no-more", INFO)                                  \
	X(SYN_COOKIES_ON, "syn-cookies-on", WARN)                                                  \
	X(SYN_COOKIES_OFF, "syn-cookies-off", INFO)                                                \
	X(VIP_ANNOUNCED, "vip-announced", INFO)                                                    \
	X(VIP_WITHDRAWN, "vip-withdrawn", WARN)                                                    \
	X(BALANCER_WITHDRAWN, "balancer-withdrawn", WARN)                                          \
	X(BALANCER_ANNOUNCED, "balancer-announced", INFO)                                          \
	X(REPLIES_ASTRAY, "replies-astray", WARN)                                                  \
	X(INTERFACE_ATTACHED, "interface-attached", INFO)                                          \
	X(INTERFACE_DETACHED, "interface-detached", INFO)                                          \
	X(INTERFACE_LOST, "interface-lost", WARN)                                                  \
	X(INTERFACE_TROUBLE, "interface-trouble", WARN)                                            \
	X(CAPTURE_BEGUN, "capture-begun", INFO)                                                    \
	X(CAPTURE_ENDED, "capture-ended", INFO)                                                    \
	X(SOURCES_RELOADED, "sources-reloaded", INFO)                                              \
	X(SOURCES_FAILED, "sources-failed", ERROR)                                                 \
	X(STORE_CONNECTED, "store-connected", INFO)                                                \
	X(STORE_LOST, "store-lost", WARN)                                                          \
	X(STORE_REFUSED, "store-refused", ERROR)                                                   \
	X(ROLLOUT_BEGUN, "rollout-begun", INFO)                                                    \
	X(ROLLOUT_IN_FORCE, "rollout-in-force", INFO)                                              \
	X(ROLLOUT_REFUSED, "rollout-refused", ERROR)                                               \
	X(ROLLOUT_DONE, "rollout-done", INFO)                                                      \
	X(ROLLOUT_UNDONE, "rollout-undone", WARN)                                                  \
	X(OUT_OF_SYNC, "out-of-sync", ERROR)                                                       \
	X(IN_SYNC, "in-sync", INFO)

enum event_kind {
#define X(NAME, name, level) EVENT_##NAME,
	EVENT_KINDS(X)
#undef X
		EVENT_KIND_COUNT
};

/* The texts of an event, by the keys they have in JSON: whose doing it was (a client of the API, or
 * the agent itself), what it happened to, what that was before and is after, why, and the way out.
 */
#define EVENT_TEXTS(X)                                                                             \
	X(who)                                                                                     \
	X(service)                                                                                 \
	X(backend)                                                                                 \
	X(interface)                                                                               \
	X(before)                                                                                  \
	X(after)                                                                                   \
	X(reason)                                                                                  \
	X(hint)

/* Texts are never NULL once an event is in a journal; "" stands for none. */
struct event {
	uint64_t seq;        /* 1 is a journal's first; each later one is greater */
	uint64_t time_ms;    /* Unix time */
	uint64_t generation; /* of the desired state */
	enum event_kind kind;
#define X(text) const char *text;
	EVENT_TEXTS(X)
#undef X
};

/* No text of an event in a journal is longer; the rest of one that is is cut off. */
#define EVENT_TEXT_MAX 511

const char *event_kind_name(enum event_kind kind);
enum log_level event_kind_level(enum event_kind kind);

/* False: there is no such kind. */
bool event_kind_find(const char *name, enum event_kind *ret_kind);

/* Texts that are empty are left out. NULL: out of memory. */
cJSON *event_write(const struct event *event);

/* The texts point into json. -EINVAL: not an event. */
int event_read(const cJSON *json, struct event *ret_event, struct error *err);

/* What a reader wants to see. */
struct event_filter {
	const char *service; /* NULL: any */
	bool any_kind;
	enum event_kind kind; /* where not any */
};

bool event_matches(const struct event *event, const struct event_filter *filter);

#endif
