/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The probes' programs (bpf/probe.bpf.c) as tc filters of clsact, which share the data plane's
 * maps. They outlive the agent as all else does; the next one puts its programs in their place.
 *
 * Ours are known by priority and handle. The handle is the inode of our directory in the bpffs, so
 * two agents do not meet on one interface. DIR/clsact/IFINDEX says that the qdisc is ours too.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane_bpf_internal.h"
#include "probe.skel.h"
#include "rtnl.h"

/* Before those that tc numbers by itself, from 49152 down: they may end a packet's way. */
#define PRIORITY   27
#define HOOKS_MAX  (2 * DATAPLANE_INTERFACES_MAX)
#define CLSACT_DIR "clsact"
#define NUMBERS    256U /* that LB_PROBE_MARK has room for */

struct bpf_probe_hooks {
	int number_fd;      /* see take_number() */
	struct probe *skel; /* NULL: not loaded yet */
	uint32_t devices[DATAPLANE_INTERFACES_MAX];
	size_t device_count;
	uint32_t hooked[HOOKS_MAX];
	size_t hooked_count;
	bool swept; /* what a former agent left is known */
};

static const struct {
	enum bpf_tc_attach_point point;
	uint32_t parent;
} sides[] = {
	{BPF_TC_INGRESS, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)},
	{BPF_TC_EGRESS, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)},
};

#define SIDES (sizeof(sides) / sizeof(sides[0]))

static uint32_t handle_of(const struct dataplane_bpf *dp)
{
	struct stat directory = {.st_ino = 0};

	fstat(dp->lock_fd, &directory);
	return (uint32_t)directory.st_ino ?: 1;
}

/* Binds fd to the name of a number. A name without a file is the network namespace's, as interfaces
 * are, and free again when its process ends, however it ends. */
static bool bind_number(int fd, uint32_t number)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int length =
		snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "sluice-probes-%u", number);

	return bind(fd, (const struct sockaddr *)&name,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0;
}

/*
 * By its mark a filter knows the probes of its own agent from another's: the filters of two with
 * one number would take each other's. The number that our directory gives is the same after a
 * restart, for filters that outlived us; if another agent has it, the next one that is free.
 */
static uint32_t take_number(const struct dataplane_bpf *dp)
{
	uint32_t i, first = handle_of(dp) & (NUMBERS - 1);

	for (i = 0; i < NUMBERS; i++) {
		if (bind_number(dp->probes->number_fd, (first + i) % NUMBERS))
			return (first + i) % NUMBERS;
	}
	return first;
}

int bpf_probe_open(struct dataplane_bpf *dp, struct error *err)
{
	dp->probes = calloc(1, sizeof(*dp->probes));
	if (!dp->probes)
		return error_set(err, ENOMEM, "out of memory");
	dp->probes->number_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (dp->probes->number_fd < 0)
		return error_set(err, errno, "a number for the marks of checks: socket: %s",
				 strerror(errno));
	dp->base.probe_mark = LB_PROBE_MARK | take_number(dp) << LB_PROBE_MARK_SHIFT;
	return 0;
}

/* --- one interface --- */

static struct bpf_tc_hook hook_at(uint32_t ifindex, enum bpf_tc_attach_point point)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)ifindex,
		.attach_point = point,
	};
}

/* The program of our filter there; 0: there is none. */
static uint32_t filter_program(const struct dataplane_bpf *dp, uint32_t ifindex,
			       enum bpf_tc_attach_point point)
{
	struct bpf_tc_hook hook = hook_at(ifindex, point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle_of(dp), .priority = PRIORITY);

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) ? 0 : info.id;
}

static void clsact_path(const struct dataplane_bpf *dp, uint32_t ifindex, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s/" CLSACT_DIR "/%u", dp->bpffs, ifindex);
}

static int hook_error(uint32_t ifindex, int code, struct error *err)
{
	char name[IF_NAMESIZE] = "?";
	int ret;

	if_indextoname(ifindex, name);
	ret = error_set(err, code, "interface %s: no tc filter for checks can be attached: %s",
			name, strerror(code));
	return error_hint(err, ret,
			  "the kernel needs clsact and cls_bpf (modprobe sch_ingress cls_bpf)");
}

/* Makes the qdisc if there is none, and takes note that it is ours. */
static int clsact_make(const struct dataplane_bpf *dp, uint32_t ifindex, int program,
		       struct error *err)
{
	struct bpf_tc_hook hook = hook_at(ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	int ret = bpf_tc_hook_create(&hook);
	char path[256];

	if (ret == -EEXIST)
		return 0;
	if (ret == -ENODEV) /* gone; what comes after it has another number */
		return ret;
	if (ret)
		return hook_error(ifindex, -ret, err);
	snprintf(path, sizeof(path), "%s/" CLSACT_DIR, dp->bpffs);
	mkdir(path, 0700);
	clsact_path(dp, ifindex, path, sizeof(path));
	unlink(path); /* of an interface that is gone, which had this number */
	if (bpf_obj_pin(program, path))
		return error_set(err, errno, "pin %s: %s", path, strerror(errno));
	return 0;
}

/* Puts our programs on the interface, if there is one, in place of a former agent's. */
static int hook_put(const struct dataplane_bpf *dp, uint32_t ifindex, struct error *err)
{
	const struct probe *skel = dp->probes->skel;
	const struct bpf_program *programs[SIDES] = {skel->progs.lb_probe_ingress,
						     skel->progs.lb_probe_egress};
	size_t i;
	int ret = clsact_make(dp, ifindex, bpf_program__fd(programs[0]), err);

	for (i = 0; ret == 0 && i < SIDES; i++) {
		struct bpf_tc_hook hook = hook_at(ifindex, sides[i].point);
		int fd = bpf_program__fd(programs[i]);
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle_of(dp), .priority = PRIORITY,
			    .prog_fd = fd, .flags = BPF_TC_F_REPLACE);

		if (filter_program(dp, ifindex, sides[i].point) == program_id(fd))
			continue;
		ret = bpf_tc_attach(&hook, &opts);
		if (ret && ret != -ENODEV)
			ret = hook_error(ifindex, -ret, err);
	}
	return ret == -ENODEV ? 0 : ret;
}

/* If we cannot tell, there are. */
static bool has_filters(uint32_t ifindex)
{
	struct rtnl *rtnl;
	bool any = false, one = true;
	size_t i;

	if (rtnl_open(&rtnl))
		return true;
	for (i = 0; i < SIDES; i++) {
		if (rtnl_has_filters(rtnl, ifindex, sides[i].parent, &one) || one)
			any = true;
	}
	rtnl_close(rtnl);
	return any;
}

/* Takes our filters off, and with the last filter of all our qdisc. */
static void hook_remove(const struct dataplane_bpf *dp, uint32_t ifindex)
{
	struct bpf_tc_hook all = hook_at(ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	char path[256];
	size_t i;

	for (i = 0; i < SIDES; i++) {
		struct bpf_tc_hook hook = hook_at(ifindex, sides[i].point);
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle_of(dp), .priority = PRIORITY);

		if (filter_program(dp, ifindex, sides[i].point))
			bpf_tc_detach(&hook, &opts);
	}
	clsact_path(dp, ifindex, path, sizeof(path));
	if (unlink(path) == 0 && !has_filters(ifindex))
		bpf_tc_hook_destroy(&all);
}

/* --- all of them --- */

static bool contains(const uint32_t *list, size_t count, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (list[i] == ifindex)
			return true;
	}
	return false;
}

/* What probes leave by, and where replies may come in. Returns how many; 0: no probes. */
static size_t wanted(const struct dataplane_bpf *dp, uint32_t list[HOOKS_MAX])
{
	const struct bpf_probe_hooks *hooks = dp->probes;
	size_t i, count = hooks->device_count;

	memcpy(list, hooks->devices, count * sizeof(*list));
	for (i = 0; hooks->device_count && i < dp->interface_count; i++) {
		if (!contains(list, count, dp->interfaces[i].ifindex))
			list[count++] = dp->interfaces[i].ifindex;
	}
	return count;
}

/* Takes our filters off all interfaces but these, whoever of us put them there. */
static void sweep(const struct dataplane_bpf *dp, const uint32_t *keep, size_t count)
{
	struct if_nameindex *interfaces = if_nameindex(), *at;

	for (at = interfaces; at && at->if_index; at++) {
		if (!contains(keep, count, at->if_index))
			hook_remove(dp, at->if_index);
	}
	if_freenameindex(interfaces);
}

/* Filters where they are wanted, and nowhere else. */
static int hooks_follow(struct dataplane_bpf *dp, struct error *err)
{
	struct bpf_probe_hooks *hooks = dp->probes;
	uint32_t list[HOOKS_MAX];
	size_t i, count = wanted(dp, list);
	struct error inner;
	int problem, ret = 0;

	for (i = 0; i < count; i++) {
		problem = hook_put(dp, list[i], &inner);
		if (problem && ret == 0) {
			ret = problem;
			*err = inner;
		}
	}
	for (i = 0; i < hooks->hooked_count; i++) {
		if (!contains(list, count, hooks->hooked[i]))
			hook_remove(dp, hooks->hooked[i]);
	}
	if (!hooks->swept)
		sweep(dp, list, count);
	hooks->swept = true;
	memcpy(hooks->hooked, list, count * sizeof(*list));
	hooks->hooked_count = count;
	return ret;
}

/* The programs, with the maps of the running data plane. */
static struct probe *load(const struct dataplane_bpf *dp, struct error *err)
{
	struct probe *skel = probe__open();
	int ret =
		skel ? bpf_share_maps(dp, skel->obj, err) : error_set(err, ENOMEM, "out of memory");

	if (ret == 0) {
		skel->rodata->lb_probe_mark = dp->base.probe_mark;
		ret = probe__load(skel);
		if (ret)
			error_set(err, -ret, "the kernel refuses the program for checks: %s",
				  strerror(-ret));
	}
	if (ret == 0)
		return skel;
	probe__destroy(skel);
	return NULL;
}

int bpf_probe_follow(struct dataplane *base, const uint32_t *devices, size_t count,
		     struct error *err)
{
	struct dataplane_bpf *dp = bpf_of(base);

	if (count > DATAPLANE_INTERFACES_MAX)
		return error_set(err, E2BIG, "checks leave by more than %d interfaces",
				 DATAPLANE_INTERFACES_MAX);
	if (count && !dp->probes->skel)
		dp->probes->skel = load(dp, err);
	if (count && !dp->probes->skel)
		return -EIO;
	memcpy(dp->probes->devices, devices, count * sizeof(*devices));
	dp->probes->device_count = count;
	return hooks_follow(dp, err);
}

void bpf_probe_close(struct dataplane_bpf *dp)
{
	if (!dp->probes)
		return;
	probe__destroy(dp->probes->skel);
	if (dp->probes->number_fd >= 0)
		close(dp->probes->number_fd);
	free(dp->probes);
	dp->probes = NULL;
}

void bpf_probe_unload(const struct dataplane_bpf *dp)
{
	sweep(dp, NULL, 0);
}
