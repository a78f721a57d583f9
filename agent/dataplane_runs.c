/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the program costs: the kernel counts its runs and their time while its statistics are on.
 * It counts by program, and a restarted agent brings a new one, so what the former had done is
 * added up in a map of its own, that the figures do not go back. In libxdp's dispatcher ours is no
 * program of its own, and the kernel counts nothing for it.
 */
#include <bpf/bpf.h>

#include "dataplane_bpf_internal.h"

/* Nothing, if the kernel does not say. */
static struct dataplane_runs runs_of(int fd, uint32_t *ret_id)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return (struct dataplane_runs){0};
	*ret_id = info.id;
	return (struct dataplane_runs){.ns = info.run_time_ns, .runs = info.run_cnt};
}

static struct lb_program_past past_of(const struct dataplane_bpf *dp)
{
	struct lb_program_past past = {0};
	uint32_t zero = 0;

	bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.program_past), &zero, &past);
	return past;
}

/* A program may give way on one interface after the other: what it did in between is counted when
 * the next one comes. */
void bpf_runs_take_over(struct dataplane_bpf *dp, int former_fd)
{
	struct lb_program_past past = past_of(dp);
	struct program_former *former = &dp->former;
	uint32_t id = 0, own = 0, zero = 0;
	struct dataplane_runs now = runs_of(former_fd, &id);

	runs_of(bpf_program__fd(dp->skel->progs.lb_ingress), &own);
	if (id == 0 || id == own)
		return;
	if (former->id != id)
		*former = (struct program_former){.id = id};
	past.run_ns += now.ns - former->seen.ns;
	past.runs += now.runs - former->seen.runs;
	former->seen = now;
	bpf_map_update_elem(bpf_map__fd(dp->skel->maps.program_past), &zero, &past, BPF_ANY);
}

void bpf_program_runs(struct dataplane *base, struct dataplane_runs *ret_runs)
{
	const struct dataplane_bpf *dp = bpf_of(base);
	struct lb_program_past past = past_of(dp);
	uint32_t id;
	struct dataplane_runs own = runs_of(bpf_program__fd(dp->skel->progs.lb_ingress), &id);

	ret_runs->ns = past.run_ns + own.ns;
	ret_runs->runs = past.runs + own.runs;
}
