/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PROBE_KIND_H
#define SLUICE_PROBE_KIND_H

/*
 * Between the scheduler, probe.c, and the kinds of probes, probe_*.c.
 *
 * start begins one probe and returns an object of its own, or NULL with a reason if it could not
 * even begin. The object reports by probe_done() exactly once unless cancelled, never from within
 * start, and frees itself afterwards. cancel frees it without a report. The timeout is the
 * scheduler's: it cancels.
 */
#include "probe.h"

struct probe_ops {
	void *(*start)(struct prober *prober, char reason[PROBE_REASON_MAX]);
	void (*cancel)(void *probe);
	/* NULL: no answer is a failure, always. */
	bool (*passes_unanswered)(const struct check_run *check);
	/* Frees what prober_shared() holds; handles close when the loop runs. NULL: nothing. */
	void (*free_shared)(void *shared);
};

extern const struct probe_ops probe_tcp_ops;
extern const struct probe_ops probe_http_ops;
extern const struct probe_ops probe_https_ops;
extern const struct probe_ops probe_udp_ops; /* dns, too */
extern const struct probe_ops probe_icmp_ops;
extern const struct probe_ops probe_exec_ops;

/* reason need not be given on success. */
void probe_done(struct prober *prober, bool success, const char *reason);

/* For a probe that must wait for its turn: probe_wait() within start, probe_go() when the turn has
 * come. Its timeout counts from there. */
void probe_wait(struct prober *prober);
void probe_go(struct prober *prober);

uv_loop_t *prober_loop(const struct prober *prober);
const struct check_run *prober_check(const struct prober *prober);
const struct endpoint *prober_target(const struct prober *prober); /* check-port applied */

/* What the probes of a kind, or of kinds with the same ops, have in common on this loop; NULL until
 * one of them sets it. */
void **prober_shared(const struct prober *prober);

/* What a kind keeps for one prober from its first probe to its last: NULL until it sets it, to what
 * free() is for. */
void **prober_kept(struct prober *prober);

/* What every IP socket of a probe needs before its first packet. Returns 0 or a negative errno. */
int probe_socket_prepare(const struct prober *prober, int fd);
/* The same for a socket that several probers share and that was prepared for another: where their
 * marks differ. */
int probe_socket_prepare_again(const struct prober *prober, int fd);
uint32_t prober_mark(const struct prober *prober); /* 0: none */

#endif
