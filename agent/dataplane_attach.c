/* SPDX-License-Identifier: Apache-2.0 */

/* The program on interfaces: by a link of our own, or by libxdp's dispatcher. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane_bpf_internal.h"
#include "xdp_dispatcher.h"

static void link_path(const char *bpffs, const char *interface, char *buffer, size_t size)
{
	dataplane_bpf_pin_path(bpffs, "links", interface, buffer, size);
}

/* The interface that an XDP link is on, 0: none any more; and its program. */
static uint32_t link_ifindex(int fd, uint32_t *ret_program)
{
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) || info.type != BPF_LINK_TYPE_XDP)
		return 0;
	*ret_program = info.prog_id;
	return info.xdp.ifindex;
}

/* Puts our program into a former agent's link. Returns 1 if there was one, 0 if not. */
static int link_update(struct dataplane_bpf *dp, const char *path, uint32_t ifindex,
		       struct error *err)
{
	int fd = bpf_obj_get(path), ret = 0;
	uint32_t program = 0;

	if (fd < 0)
		return 0;
	if (link_ifindex(fd, &program) != ifindex) {
		unlink(path); /* of an interface that is gone; another has its name now */
		close(fd);
		return 0;
	}
	if (bpf_link_update(fd, bpf_program__fd(dp->skel->progs.lb_ingress), NULL))
		ret = error_set(err, errno, "link %s: program cannot be replaced: %s", path,
				strerror(errno));
	else
		bpf_runs_take_over(dp, program);
	close(fd);
	return ret ? ret : 1;
}

static int link_create(struct dataplane_bpf *dp, uint32_t ifindex, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int fd = bpf_link_create(bpf_program__fd(dp->skel->progs.lb_ingress), (int)ifindex, BPF_XDP,
				 &opts);

	return fd < 0 ? -errno : fd;
}

/* The program that packets of an interface meet; 0: none. */
static int ask_program(uint32_t ifindex, uint32_t *ret_program)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int ret = bpf_xdp_query((int)ifindex, 0, &query);

	if (ret == 0)
		*ret_program = query.prog_id ?: query.drv_prog_id ?: query.skb_prog_id;
	return ret;
}

/* The same; 0 also if the kernel does not say. */
static uint32_t program_on(uint32_t ifindex)
{
	uint32_t program = 0;

	ask_program(ifindex, &program);
	return program;
}

#define PROGRAM_TEXT_MAX 48

/* "XDP program 42 (its_name)"; the name only at the start, while we may ask for it (CAP_SYS_ADMIN).
 */
static const char *program_text(uint32_t program, char text[PROGRAM_TEXT_MAX])
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(program);
	bool known = fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &length) == 0;

	snprintf(text, PROGRAM_TEXT_MAX, known ? "XDP program %u (%s)" : "XDP program %u", program,
		 info.name);
	if (fd >= 0)
		close(fd);
	return text;
}

static int busy_error(const char *interface, uint32_t program, struct error *err)
{
	char text[PROGRAM_TEXT_MAX];
	int ret = error_set(err, EBUSY, "interface %s: %s is attached already", interface,
			    program_text(program, text));

	if (strstr(text, "(lb_ingress)"))
		return error_hint(
			err, ret,
			"another lbagent has the interface, or left it so: stop that one, "
			"then lbagent --unload --bpffs DIR with its directory");
	return error_hint(err, ret,
			  "see `bpftool prog show id %u`; if it may go: ip link set %s xdp off",
			  program, interface);
}

static int attach_error(const struct dataplane_bpf *dp, const char *interface, uint32_t ifindex,
			int code, struct error *err)
{
	uint32_t program = program_on(ifindex);
	int ret;

	if (program)
		return busy_error(interface, program, err);
	ret = error_set(err, code, "interface %s: XDP program cannot be attached: %s", interface,
			strerror(code));
	if (dp->base.mtu > MTU_ONE_PAGE && !dp->skel->rodata->lb_frags)
		return error_hint(err, ret,
				  "restart lbagent: it then loads the program for MTUs over %d",
				  MTU_ONE_PAGE);
	if (dp->base.mtu > MTU_ONE_PAGE)
		return error_hint(
			err, ret,
			"the driver may not know native XDP at MTUs over %d (multi-buffer "
			"XDP): lower the MTU, or try --xdp-mode generic",
			MTU_ONE_PAGE);
	return error_hint(err, ret, "try --xdp-mode generic");
}

static int link_new(struct dataplane_bpf *dp, const char *interface, uint32_t ifindex,
		    struct error *err)
{
	char path[256];
	int fd = -EOPNOTSUPP, ret = 0;

	if (dp->mode != ATTACH_GENERIC)
		fd = link_create(dp, ifindex, XDP_FLAGS_DRV_MODE);
	if (fd < 0 && fd != -EBUSY && dp->mode != ATTACH_NATIVE)
		fd = link_create(dp, ifindex, XDP_FLAGS_SKB_MODE);
	if (fd < 0)
		return attach_error(dp, interface, ifindex, -fd, err);
	link_path(dp->bpffs, interface, path, sizeof(path));
	if (bpf_obj_pin(fd, path))
		ret = error_set(err, errno, "link %s: cannot be pinned: %s", path, strerror(errno));
	close(fd);
	return ret;
}

/* The program once more, with the maps of the running one, for a dispatcher to load. NULL: err
 * says why. */
static struct ingress *open_twin(const struct dataplane_bpf *dp, struct error *err)
{
	struct ingress *twin = ingress__open();

	if (!twin) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	bpf_set_constants(dp, twin);
	bpf_program__set_autoload(twin->progs.lb_clock, false);
	bpf_program__set_autoload(twin->progs.lb_route, false);
	if (bpf_share_maps(dp, twin->obj, err) == 0)
		return twin;
	ingress__destroy(twin);
	return NULL;
}

static int join_dispatcher(struct dataplane_bpf *dp, struct dataplane_interface *entry,
			   struct error *err)
{
	struct ingress *twin = open_twin(dp, err);
	int ret;

	if (!twin)
		return -EIO;
	ret = dispatcher_join(dp->bpffs, entry->name, entry->ifindex, twin->obj, dp->mode,
			      &entry->is_new, err);
	ingress__destroy(twin);
	entry->attached_by = "dispatcher";
	return ret;
}

static int attach_link(struct dataplane_bpf *dp, struct dataplane_interface *entry,
		       struct error *err)
{
	struct error ignored;
	char path[256];
	int ret;

	/* if a dispatcher that we had joined is gone, only its pin is left */
	dispatcher_leave(dp->bpffs, entry->name, &ignored);
	snprintf(path, sizeof(path), "%s/links", dp->bpffs);
	mkdir(path, 0700);
	link_path(dp->bpffs, entry->name, path, sizeof(path));
	ret = link_update(dp, path, entry->ifindex, err);
	entry->is_new = ret == 0;
	entry->attached_by = "link";
	if (ret == 0)
		ret = link_new(dp, entry->name, entry->ifindex, err);
	return ret < 0 ? ret : 0;
}

static const char *attached_mode(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)ifindex, 0, &query))
		return "unknown";
	return query.attach_mode == XDP_ATTACHED_SKB ? "generic" : "native";
}

int dataplane_bpf_attach(struct dataplane *base, const char *interface, struct error *err)
{
	struct dataplane_bpf *dp = bpf_of(base);
	uint32_t ifindex = if_nametoindex(interface);
	struct dataplane_interface *entry;
	int ret;

	if (ifindex == 0) {
		ret = error_set(err, ENODEV, "interface %s: there is no such interface", interface);
		return error_hint(err, ret, "`ip -br link` lists them");
	}
	if (dp->interface_count == DATAPLANE_INTERFACES_MAX)
		return error_set(err, E2BIG, "interface %s: more than %d interfaces", interface,
				 DATAPLANE_INTERFACES_MAX);
	ret = bpf_egress_put(base, ifindex, ifindex, err);
	if (ret)
		return ret;
	entry = &dp->interfaces[dp->interface_count];
	snprintf(entry->name, sizeof(entry->name), "%s", interface);
	entry->ifindex = ifindex;
	ret = dispatcher_present(ifindex) ? join_dispatcher(dp, entry, err)
					  : attach_link(dp, entry, err);
	if (ret)
		return ret;
	entry->mode = attached_mode(ifindex);
	dp->interface_count++;
	return 0;
}

/* --- and whether it is still there --- */

static bool link_holds(const char *bpffs, const char *interface, uint32_t ifindex, uint32_t program)
{
	uint32_t ours = 0;
	char path[256];
	bool holds;
	int fd;

	link_path(bpffs, interface, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return false;
	holds = link_ifindex(fd, &ours) == ifindex && ours == program;
	close(fd);
	return holds;
}

enum dataplane_holder dataplane_bpf_holder(const char *bpffs, const char *interface,
					   struct error *err)
{
	uint32_t ifindex = if_nametoindex(interface);
	uint32_t program = ifindex ? program_on(ifindex) : 0;

	if (!program)
		return HOLDER_NONE;
	if (link_holds(bpffs, interface, ifindex, program))
		return HOLDER_US;
	if (dispatcher_present(ifindex))
		return HOLDER_DISPATCHER;
	busy_error(interface, program, err);
	return HOLDER_OTHER;
}

static struct dataplane_interface *find_interface(struct dataplane_bpf *dp, const char *interface)
{
	size_t i;

	for (i = 0; i < dp->interface_count; i++) {
		if (strcmp(dp->interfaces[i].name, interface) == 0)
			return &dp->interfaces[i];
	}
	return NULL;
}

bool bpf_holds(struct dataplane *base, const char *interface, char *reason, size_t size)
{
	struct dataplane_bpf *dp = bpf_of(base);
	const struct dataplane_interface *entry = find_interface(dp, interface);
	char name[IF_NAMESIZE], text[PROGRAM_TEXT_MAX];
	uint32_t program = 0;
	int asked = entry ? ask_program(entry->ifindex, &program) : 0;

	if (asked && asked != -ENODEV)
		return true; /* as far as is known: for want of a descriptor nobody has lost it */
	if (entry && program &&
	    (link_holds(dp->bpffs, interface, entry->ifindex, program) ||
	     dispatcher_has(dp->bpffs, interface, entry->ifindex)))
		return true;
	if (!entry || !if_indextoname(entry->ifindex, name))
		snprintf(reason, size, "the interface is gone");
	else if (program)
		snprintf(reason, size, "%s is in its place", program_text(program, text));
	else
		snprintf(reason, size, "somebody took the XDP program off");
	return false;
}

/* --- off --- */

static void take_off(const struct dataplane_bpf *dp, const struct dataplane_interface *entry)
{
	struct error ignored;
	char path[256];

	dispatcher_leave(dp->bpffs, entry->name, &ignored);
	link_path(dp->bpffs, entry->name, path, sizeof(path));
	unlink(path); /* the last reference detaches */
}

void bpf_detach(struct dataplane *base, const char *interface)
{
	struct dataplane_bpf *dp = bpf_of(base);
	struct dataplane_interface *entry = find_interface(dp, interface);
	const struct dataplane_interface *end = dp->interfaces + dp->interface_count;

	if (!entry)
		return;
	take_off(dp, entry);
	bpf_egress_remove(base, entry->ifindex);
	dp->interface_count--;
	memmove(entry, entry + 1, (size_t)(end - entry - 1) * sizeof(*entry));
}

void dataplane_bpf_detach_new(struct dataplane *base)
{
	struct dataplane_bpf *dp = bpf_of(base);
	size_t i;

	for (i = 0; i < dp->interface_count; i++) {
		if (dp->interfaces[i].is_new)
			take_off(dp, &dp->interfaces[i]);
	}
}

const struct dataplane_interface *dataplane_bpf_interfaces(const struct dataplane *base,
							   size_t *ret_count)
{
	const struct dataplane_bpf *dp = (const struct dataplane_bpf *)base;

	*ret_count = dp->interface_count;
	return dp->interfaces;
}
