/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the program costs: the kernel counts its runs and their time while its statistics are on.
 * It counts by program, and a restarted agent brings a new one, so what the former had done is
 * added up in a map of its own, that the figures do not go back. In libxdp's dispatcher ours is no
 * program of its own, and the kernel counts nothing for it.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane_bpf_internal.h"

/* False: the kernel does not say. */
static bool ask(int fd, uint32_t *ret_id, struct dataplane_runs *ret_runs)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return false;
	*ret_id = info.id;
	*ret_runs = (struct dataplane_runs){.ns = info.run_time_ns, .runs = info.run_cnt};
	return true;
}

static int own_fd(const struct dataplane_bpf *dp)
{
	return bpf_program__fd(dp->skel->progs.lb_ingress);
}

/* --- the former programs' --- */

static struct lb_program_past past_of(const struct dataplane_bpf *dp)
{
	struct lb_program_past past = {0};
	uint32_t zero = 0;

	bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.program_past), &zero, &past);
	return past;
}

static void pin_path(const struct dataplane_bpf *dp, char *buffer, size_t size)
{
	dataplane_bpf_pin_path(dp->bpffs, "programs", "lb_ingress", buffer, size);
}

/* Asks by the pin: to open a program by its id, one would need CAP_SYS_ADMIN. */
static bool ask_pinned(const struct dataplane_bpf *dp, uint32_t *ret_id,
		       struct dataplane_runs *ret_runs)
{
	bool known;
	char path[256];
	int fd;

	pin_path(dp, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return false;
	known = ask(fd, ret_id, ret_runs);
	close(fd);
	return known;
}

/* It may give way on one interface after the other: what it did in between is counted when the next
 * one comes. */
void bpf_runs_take_over(struct dataplane_bpf *dp, uint32_t former_id)
{
	struct program_former *former = &dp->former;
	struct lb_program_past past = past_of(dp);
	uint32_t pinned = 0, own = 0, zero = 0;
	struct dataplane_runs now, ignored;

	if (!ask_pinned(dp, &pinned, &now) || pinned != former_id ||
	    !ask(own_fd(dp), &own, &ignored) || own == former_id)
		return;
	if (former->id != former_id)
		*former = (struct program_former){.id = former_id};
	past.run_ns += now.ns - former->seen.ns;
	past.runs += now.runs - former->seen.runs;
	former->seen = now;
	bpf_map_update_elem(bpf_map__fd(dp->skel->maps.program_past), &zero, &past, BPF_ANY);
}

int bpf_runs_pin(const struct dataplane_bpf *dp, struct error *err)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/programs", dp->bpffs);
	mkdir(path, 0700);
	pin_path(dp, path, sizeof(path));
	unlink(path);
	if (bpf_obj_pin(own_fd(dp), path))
		return error_set(err, errno, "program %s: cannot be pinned: %s", path,
				 strerror(errno));
	return 0;
}

/* --- all of them --- */

void bpf_program_runs(struct dataplane *base, struct dataplane_runs *ret_runs)
{
	const struct dataplane_bpf *dp = bpf_of(base);
	struct lb_program_past past = past_of(dp);
	struct dataplane_runs own = {0};
	uint32_t id;

	ask(own_fd(dp), &id, &own);
	ret_runs->ns = past.run_ns + own.ns;
	ret_runs->runs = past.runs + own.runs;
}
