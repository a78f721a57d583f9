/* SPDX-License-Identifier: Apache-2.0 */
#include "xdp_dispatcher.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#define DISPATCHER_PROGRAMS_MAX 10 /* libxdp's */

static void pin_path(const char *bpffs, const char *interface, char *buffer, size_t size)
{
	dataplane_bpf_pin_path(bpffs, "dispatched", interface, buffer, size);
}

/* What goes wrong is said in our own words, once. */
static int quiet(enum libxdp_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

bool dispatcher_present(uint32_t ifindex)
{
	struct xdp_multiprog *all;
	bool present;

	libxdp_set_print(quiet);
	all = xdp_multiprog__get_from_ifindex((int)ifindex);
	if (libxdp_get_error(all))
		return false;
	present = !xdp_multiprog__is_legacy(all);
	xdp_multiprog__close(all);
	return present;
}

/* The id of the program or map pinned at path; 0: none. */
static uint32_t pinned_id(const char *path)
{
	union { /* both begin with type and id */
		struct bpf_prog_info program;
		struct bpf_map_info map;
	} info = {0};
	uint32_t length = sizeof(info), id = 0;
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0)
		id = info.program.id;
	close(fd);
	return id;
}

/*
 * What tells our programs in a dispatcher from others': one is pinned; one of an agent that was
 * killed before it pinned it still has our maps.
 */
struct ours {
	uint32_t program; /* pinned; 0: none */
	uint32_t map;     /* pinned map vips; 0: none */
};

static struct ours ours_pinned(const char *bpffs, const char *interface)
{
	struct ours ours;
	char path[256];

	pin_path(bpffs, interface, path, sizeof(path));
	ours.program = pinned_id(path);
	snprintf(path, sizeof(path), "%s/maps/vips", bpffs);
	ours.map = pinned_id(path);
	return ours;
}

static bool has_map(const struct xdp_program *program, uint32_t map)
{
	uint32_t maps[64] = {0}, i;
	struct bpf_prog_info info = {.nr_map_ids = 64, .map_ids = (uintptr_t)maps};
	uint32_t length = sizeof(info);

	if (map == 0 || bpf_obj_get_info_by_fd(xdp_program__fd(program), &info, &length))
		return false;
	for (i = 0; i < 64 && i < info.nr_map_ids; i++) {
		if (maps[i] == map)
			return true;
	}
	return false;
}

static bool is_ours(const struct xdp_program *program, const struct ours *ours)
{
	return xdp_program__id(program) == ours->program || has_map(program, ours->map);
}

bool dispatcher_has(const char *bpffs, const char *interface, uint32_t ifindex)
{
	const struct ours ours = ours_pinned(bpffs, interface);
	struct xdp_program *program = NULL;
	struct xdp_multiprog *all;
	bool has = false;

	if (ours.program == 0)
		return false;
	all = xdp_multiprog__get_from_ifindex((int)ifindex);
	if (libxdp_get_error(all))
		return false;
	while (!has && !xdp_multiprog__is_legacy(all) &&
	       (program = xdp_multiprog__next_prog(program, all)))
		has = xdp_program__id(program) == ours.program;
	xdp_multiprog__close(all);
	return has;
}

/* One of the name of ours that is not. */
static bool has_strangers(uint32_t ifindex, const struct ours *ours)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *program = NULL;
	bool has = false;

	if (libxdp_get_error(all))
		return false;
	while (!has && (program = xdp_multiprog__next_prog(program, all)))
		has = strcmp(xdp_program__name(program), "lb_ingress") == 0 &&
		      !is_ours(program, ours);
	xdp_multiprog__close(all);
	return has;
}

/* Takes one program of ours, but not `keep`, out of the interface's dispatcher. Returns 1 if
 * there was one, 0 if not. */
static int take_out_one(uint32_t ifindex, const struct ours *ours, uint32_t keep)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *program = NULL;
	int ret = 0;

	if (libxdp_get_error(all))
		return 0;
	while ((program = xdp_multiprog__next_prog(program, all))) {
		if (xdp_program__id(program) == keep || !is_ours(program, ours))
			continue;
		ret = xdp_program__detach(program, (int)ifindex, xdp_multiprog__attach_mode(all),
					  0);
		ret = ret ?: 1;
		break;
	}
	xdp_multiprog__close(all);
	return ret;
}

/* Each leaves a new dispatcher behind, so they are looked for one by one. */
static int take_out(uint32_t ifindex, const struct ours *ours, uint32_t keep)
{
	int left = DISPATCHER_PROGRAMS_MAX, ret = 1;

	while (ret == 1 && left-- > 0)
		ret = take_out_one(ifindex, ours, keep);
	return ret < 0 ? ret : 0;
}

/* In place of a former pin, which stays if this fails. */
static int pin(const struct xdp_program *program, const char *bpffs, const char *path)
{
	char place[256];

	snprintf(place, sizeof(place), "%s/dispatched", bpffs);
	mkdir(place, 0700);
	pin_path(bpffs, ".", place, sizeof(place)); /* no interface has this name */
	unlink(place);
	if (bpf_obj_pin(xdp_program__fd(program), place) || rename(place, path))
		return -errno;
	return 0;
}

static int join_error(const char *interface, const char *what, int code, struct error *err)
{
	int ret = error_set(err, code, "interface %s: XDP dispatcher: %s: %s", interface, what,
			    strerror(code));

	return error_hint(err, ret, "`xdp-loader status %s` shows who shares it", interface);
}

/* The verifier's reason is in what libbpf prints, and nowhere else. */
static bool length_refused;

static int listen_for_reason(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[1024];

	(void)level;
	vsnprintf(text, sizeof(text), format, args);
	length_refused = length_refused || strstr(text, "changes packet data");
	return 0;
}

/*
 * Since 6.12, Linux lets a program that makes packets longer replace only one that is known to do
 * so too; those that Debian 12's libxdp puts into its dispatcher are not.
 */
static int attach(struct xdp_program *program, const char *interface, uint32_t ifindex,
		  enum xdp_attach_mode mode, struct error *err)
{
	libbpf_print_fn_t former = libbpf_set_print(listen_for_reason);
	int ret;

	length_refused = false;
	ret = xdp_program__attach(program, (int)ifindex, mode, 0);
	libbpf_set_print(former);
	if (!ret)
		return 0;
	if (!length_refused)
		return join_error(interface, "cannot be joined", -ret, err);
	ret = error_set(err, ENOTSUP,
			"interface %s: XDP dispatcher: this kernel lets no program that makes "
			"packets longer join it",
			interface);
	return error_hint(err, ret,
			  "it takes a newer libxdp's; or give Sluice the interface: xdp-loader "
			  "unload %s --all",
			  interface);
}

/* The mode to join in: auto is that of the dispatcher, whatever it is. */
static enum xdp_attach_mode join_mode(uint32_t ifindex, enum attach_mode mode)
{
	enum xdp_attach_mode running = XDP_MODE_NATIVE;
	struct xdp_multiprog *all;

	if (mode != ATTACH_AUTO)
		return mode == ATTACH_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	all = xdp_multiprog__get_from_ifindex((int)ifindex);
	if (libxdp_get_error(all))
		return running;
	running = xdp_multiprog__attach_mode(all);
	xdp_multiprog__close(all);
	return running;
}

int dispatcher_join(const char *bpffs, const char *interface, uint32_t ifindex,
		    struct bpf_object *object, enum attach_mode mode, bool *ret_new,
		    struct error *err)
{
	struct xdp_program_opts opts = {
		.sz = sizeof(opts), .obj = object, .prog_name = "lb_ingress"};
	const struct ours former = ours_pinned(bpffs, interface);
	const enum xdp_attach_mode join = join_mode(ifindex, mode);
	struct xdp_program *program = xdp_program__create(&opts);
	long problem = libxdp_get_error(program);
	char path[256];
	int ret;

	if (problem)
		return join_error(interface, "program", (int)-problem, err);
	if (has_strangers(ifindex, &former)) {
		xdp_program__close(program);
		error_set(err, EBUSY, "interface %s: another lbagent is in its XDP dispatcher",
			  interface);
		return error_hint(err, -EBUSY,
				  "stop that one, then lbagent --unload --bpffs DIR with its "
				  "directory");
	}
	pin_path(bpffs, interface, path, sizeof(path));
	ret = attach(program, interface, ifindex, join, err);
	if (ret)
		goto close;
	ret = pin(program, bpffs, path);
	if (ret) {
		ret = join_error(interface, "lb_ingress cannot be pinned", -ret, err);
		xdp_program__detach(program, (int)ifindex, join, 0);
		goto close;
	}
	ret = take_out(ifindex, &former, xdp_program__id(program));
	if (ret)
		ret = join_error(interface, "the former lb_ingress stays", -ret, err);
	*ret_new = former.program == 0;
close:
	xdp_program__close(program);
	return ret;
}

int dispatcher_leave(const char *bpffs, const char *interface, struct error *err)
{
	const struct ours ours = ours_pinned(bpffs, interface);
	uint32_t ifindex = if_nametoindex(interface);
	char path[256];
	int ret = 0;

	libxdp_set_print(quiet);
	if (ifindex && ours.program)
		ret = take_out(ifindex, &ours, 0);
	if (ret)
		return join_error(interface, "lb_ingress cannot be taken out", -ret, err);
	pin_path(bpffs, interface, path, sizeof(path));
	unlink(path);
	return 0;
}
