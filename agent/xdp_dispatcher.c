/* SPDX-License-Identifier: Apache-2.0 */
#include "xdp_dispatcher.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xdp/libxdp.h>

static void pin_path(const char *bpffs, const char *interface, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s/dispatched/%s", bpffs, interface);
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

/* The id of the program pinned at path; 0: none. */
static uint32_t pinned_id(const char *path)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info), id = 0;
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0)
		id = info.id;
	close(fd);
	return id;
}

/* Takes the program of this id out of the interface's dispatcher, if it is there. */
static int take_out(uint32_t ifindex, uint32_t id)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *program = NULL;
	int ret = 0;

	if (libxdp_get_error(all))
		return 0;
	while ((program = xdp_multiprog__next_prog(program, all))) {
		if (xdp_program__id(program) != id)
			continue;
		ret = xdp_program__detach(program, (int)ifindex, xdp_multiprog__attach_mode(all),
					  0);
		break;
	}
	xdp_multiprog__close(all);
	return ret;
}

static int pin(const struct xdp_program *program, const char *bpffs, const char *path)
{
	char directory[256];

	snprintf(directory, sizeof(directory), "%s/dispatched", bpffs);
	mkdir(directory, 0700);
	unlink(path);
	return bpf_obj_pin(xdp_program__fd(program), path);
}

static int join_error(const char *interface, const char *what, int code, struct error *err)
{
	int ret = error_set(err, code, "interface %s: XDP dispatcher: %s: %s", interface, what,
			    strerror(code));

	return error_hint(err, ret, "`xdp-loader status %s` shows who shares it", interface);
}

int dispatcher_join(const char *bpffs, const char *interface, uint32_t ifindex,
		    struct bpf_object *object, enum attach_mode mode, bool *ret_new,
		    struct error *err)
{
	struct xdp_program_opts opts = {
		.sz = sizeof(opts), .obj = object, .prog_name = "lb_ingress"};
	struct xdp_program *program = xdp_program__create(&opts);
	long problem = libxdp_get_error(program);
	uint32_t former;
	char path[256];
	int ret;

	if (problem)
		return join_error(interface, "program", (int)-problem, err);
	pin_path(bpffs, interface, path, sizeof(path));
	former = pinned_id(path);
	ret = xdp_program__attach(program, (int)ifindex,
				  mode == ATTACH_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE, 0);
	if (ret) {
		ret = join_error(interface, "cannot be joined", -ret, err);
	} else {
		if (former && take_out(ifindex, former))
			ret = join_error(interface, "former lb_ingress stays", EIO, err);
		if (pin(program, bpffs, path) && ret == 0)
			ret = join_error(interface, "cannot be pinned", errno, err);
		*ret_new = former == 0;
	}
	xdp_program__close(program);
	return ret;
}

int dispatcher_leave(const char *bpffs, const char *interface, struct error *err)
{
	uint32_t ifindex = if_nametoindex(interface), id;
	char path[256];
	int ret = 0;

	pin_path(bpffs, interface, path, sizeof(path));
	id = pinned_id(path);
	if (id && ifindex)
		ret = take_out(ifindex, id);
	if (ret)
		return join_error(interface, "lb_ingress cannot be taken out", -ret, err);
	unlink(path);
	return 0;
}
