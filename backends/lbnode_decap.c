/* SPDX-License-Identifier: Apache-2.0 */
/* The program lb_decap and its maps. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "decap.skel.h"
#include "decap_abi.h"
#include "lbnode_bpffs.h"
#include "lbnode_kinds.h"

static const char *const map_names[] = {"decap_config", "decap_vips", "decap_sources",
					"decap_stats"};
#define MAPS (sizeof(map_names) / sizeof(map_names[0]))

static struct decap_config config_of(const struct step *step)
{
	struct decap_config config = {0};

	if (strstr(step->value, "ipip"))
		config.flags |= DECAP_IPIP;
	if (strstr(step->value, "gue")) {
		config.flags |= DECAP_GUE;
		config.gue_port = htons((uint16_t)step->port);
	}
	if (step->listed)
		config.flags |= DECAP_FROM;
	if (step->chance)
		config.flags |= DECAP_CHANCE;
	return config;
}

/* --- probing --- */

/* The interface that the pinned link is on; 0: none, or none any more. */
static unsigned int attached_to(const char *directory)
{
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpffs_open(directory, "link");

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) || info.type != BPF_LINK_TYPE_XDP)
		info.xdp.ifindex = 0;
	close(fd);
	return info.xdp.ifindex;
}

static bool is_configured(const struct step *step)
{
	struct decap_config wanted = config_of(step), found;
	int fd = bpffs_open(step->name, "decap_config");
	uint32_t zero = 0;
	bool same;

	if (fd < 0)
		return false;
	same = bpf_map_lookup_elem(fd, &zero, &found) == 0 &&
	       memcmp(&wanted, &found, sizeof(found)) == 0;
	close(fd);
	return same;
}

static int probe(struct step *step, bool *ret_holds, struct error *err)
{
	unsigned int ifindex = if_nametoindex(step->interface);

	(void)err;
	*ret_holds = ifindex != 0 && attached_to(step->name) == ifindex && is_configured(step);
	return 0;
}

/* --- loading --- */

/* Loads with or without the leave to get packets in several pieces, which jumbo frames come in. */
static struct decap *load(bool frags)
{
	struct decap *skeleton = decap__open();

	if (!skeleton)
		return NULL;
	skeleton->rodata->decap_frags = frags;
	if (frags)
		bpf_program__set_flags(skeleton->progs.lb_decap, BPF_F_XDP_HAS_FRAGS);
	if (decap__load(skeleton) == 0)
		return skeleton;
	decap__destroy(skeleton);
	return NULL;
}

static int load_error(int code, struct error *err)
{
	int r = error_set(err, code, "program lb_decap cannot be loaded: %s (%s)", strerror(code),
			  bpffs_warning());

	return error_hint(err, r,
			  code == EPERM ? "run as root"
					: "Linux 5.15 or later is needed; --kernel does without");
}

/* Before Linux 5.18 packets have one piece only. */
static struct decap *load_any(struct error *err)
{
	struct decap *skeleton;

	bpffs_keep_warnings();
	skeleton = load(true);
	if (!skeleton && errno != EPERM) {
		bpffs_keep_warnings();
		skeleton = load(false);
	}
	if (!skeleton)
		load_error(errno ? errno : EIO, err);
	return skeleton;
}

/* --- attaching --- */

static int attach_error(const struct step *step, unsigned int ifindex, int code, struct error *err)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int r;

	if (bpf_xdp_query((int)ifindex, 0, &query) == 0 && query.prog_id) {
		r = error_set(err, EBUSY, "%s: XDP program %u is attached already", step->interface,
			      query.prog_id);
		return error_hint(err, r,
				  "see `bpftool prog show id %u`; if it may go: ip link set %s xdp "
				  "off; --kernel does without",
				  query.prog_id, step->interface);
	}
	r = error_set(err, code, "%s: XDP program cannot be attached: %s", step->interface,
		      strerror(code));
	return error_hint(err, r, "try --xdp-mode generic; --kernel does without");
}

static int link_create(const struct decap *skeleton, unsigned int ifindex, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int fd = bpf_link_create(bpf_program__fd(skeleton->progs.lb_decap), (int)ifindex, BPF_XDP,
				 &opts);

	return fd < 0 ? -errno : fd;
}

/* Returns the link's descriptor or a negative errno with err filled. */
static int attach(const struct decap *skeleton, const struct step *step, struct error *err)
{
	unsigned int ifindex = if_nametoindex(step->interface);
	int fd = -EOPNOTSUPP;

	if (strcmp(step->option, "generic") != 0)
		fd = link_create(skeleton, ifindex, XDP_FLAGS_DRV_MODE);
	if (fd < 0 && fd != -EBUSY && strcmp(step->option, "native") != 0)
		fd = link_create(skeleton, ifindex, XDP_FLAGS_SKB_MODE);
	return fd < 0 ? attach_error(step, ifindex, -fd, err) : fd;
}

/* --- pins --- */

static void unpin_all(const char *directory)
{
	bpffs_unpin(directory, "link");
	for (size_t i = 0; i < MAPS; i++)
		bpffs_unpin(directory, map_names[i]);
	rmdir(directory);
}

static int pin_maps(const struct decap *skeleton, const char *directory, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < MAPS; i++)
		r = bpffs_pin(bpf_object__find_map_fd_by_name(skeleton->obj, map_names[i]),
			      directory, map_names[i], err);
	return r;
}

/* Configured before it sees a packet. */
static int start(const struct decap *skeleton, const struct step *step, struct error *err)
{
	struct decap_config config = config_of(step);
	uint32_t zero = 0;
	int fd, r = pin_maps(skeleton, step->name, err);

	if (r < 0)
		return r;
	if (bpf_map_update_elem(bpf_map__fd(skeleton->maps.decap_config), &zero, &config, BPF_ANY))
		return error_set(err, errno, "map decap_config: %s", strerror(errno));
	fd = attach(skeleton, step, err);
	if (fd < 0)
		return fd;
	r = bpffs_pin(fd, step->name, "link", err);
	close(fd);
	return r;
}

static int apply(const struct step *step, struct error *err)
{
	struct decap *skeleton;
	char name[IF_NAMESIZE];
	int r;

	if (if_indextoname(attached_to(step->name), name)) {
		r = error_set(err, EBUSY, "lb_decap is attached to %s already, with other settings",
			      name);
		return error_hint(err, r, "lbnode down first");
	}
	r = bpffs_make(step->name, err);
	if (r < 0)
		return r;
	unpin_all(step->name); /* of an interface that is gone */
	r = bpffs_make(step->name, err);
	if (r < 0)
		return r;
	skeleton = load_any(err);
	r = skeleton ? start(skeleton, step, err) : -EIO;
	decap__destroy(skeleton);
	if (r < 0)
		unpin_all(step->name);
	return r;
}

static int revert(const struct step *step, bool *ret_left, struct error *err)
{
	(void)ret_left;
	(void)err;
	unpin_all(step->name);
	return 0;
}

static void describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	char port[24] = "";

	if (strstr(step->value, "gue"))
		snprintf(port, sizeof(port), " (UDP port %u)", (unsigned int)step->port);
	snprintf(buffer, STEP_TEXT_MAX, "lb_decap on %s takes off %s%s%s%s", step->interface,
		 step->value, port, step->listed ? ", of some senders only" : "",
		 step->chance ? ", sends on what no socket knows" : "");
}

/* --- as shell --- */

static void print_bytes(const void *bytes, size_t size, FILE *out)
{
	for (size_t i = 0; i < size; i++)
		fprintf(out, " %02x", ((const uint8_t *)bytes)[i]);
}

static void shell(const struct step *step, bool back, FILE *out)
{
	struct decap_config config = config_of(step);
	const char *mode = "xdp";
	char path[PATH_MAX];

	if (back) {
		fprintf(out, "rm -r %s\n", step->name);
		return;
	}
	if (strcmp(step->option, "auto") != 0)
		mode = strcmp(step->option, "native") == 0 ? "xdpdrv" : "xdpgeneric";
	fprintf(out, "mkdir -p %s\n", step->name);
	fprintf(out, "bpftool prog load %s %s/program type xdp pinmaps %s\n",
		bpffs_object("decap", path), step->name, step->name);
	fprintf(out, "bpftool map update pinned %s/decap_config key hex 00 00 00 00 value hex",
		step->name);
	print_bytes(&config, sizeof(config), out);
	fprintf(out, "\nip link set dev %s %s pinned %s/program\n", step->interface, mode,
		step->name);
}

const struct step_ops decap_ops = {probe, apply, revert, describe, shell};

/* --- entries of its maps of prefixes --- */

static const char *map_of(const struct step *step)
{
	return step->kind == STEP_VIP ? "decap_vips" : "decap_sources";
}

static struct decap_prefix key_of(const struct prefix *prefix)
{
	struct decap_prefix key = {.length = prefix->length};

	memcpy(&key.addr, &prefix->address, sizeof(key.addr));
	if (address_is_ipv4(&prefix->address))
		key.length += 96;
	return key;
}

/* A lookup would find a wider prefix, too: every key is looked at. Maps that no program reads
 * any more hold nothing. */
static int entry_probe(struct step *step, bool *ret_holds, struct error *err)
{
	struct decap_prefix wanted = key_of(&step->prefix), key, next;
	int fd = bpffs_open(step->name, map_of(step));
	bool more;

	(void)err;
	*ret_holds = false;
	if (fd < 0)
		return 0;
	more = attached_to(step->name) != 0 && bpf_map_get_next_key(fd, NULL, &key) == 0;
	while (more && !*ret_holds) {
		*ret_holds = memcmp(&key, &wanted, sizeof(key)) == 0;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		key = next;
	}
	close(fd);
	return 0;
}

static int entry_apply(const struct step *step, struct error *err)
{
	struct decap_prefix key = key_of(&step->prefix);
	int fd = bpffs_open(step->name, map_of(step)), r = 0;
	char text[PREFIX_TEXT_MAX];
	uint8_t one = 1;

	if (fd < 0)
		return error_set(err, -fd, "%s/%s: %s", step->name, map_of(step), strerror(-fd));
	if (bpf_map_update_elem(fd, &key, &one, BPF_ANY) < 0)
		r = error_set(err, errno, "map %s: cannot take %s: %s", map_of(step),
			      format_prefix(&step->prefix, text), strerror(errno));
	close(fd);
	return r;
}

static int entry_revert(const struct step *step, bool *ret_left, struct error *err)
{
	struct decap_prefix key = key_of(&step->prefix);
	int fd = bpffs_open(step->name, map_of(step));

	(void)ret_left;
	(void)err;
	if (fd < 0)
		return 0;
	bpf_map_delete_elem(fd, &key);
	close(fd);
	return 0;
}

static void vip_describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	char text[PREFIX_TEXT_MAX];

	snprintf(buffer, STEP_TEXT_MAX, "lb_decap takes off what is before packets to %s",
		 format_prefix(&step->prefix, text));
}

static void source_describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	char text[PREFIX_TEXT_MAX];

	snprintf(buffer, STEP_TEXT_MAX, "lb_decap takes tunnel packets from %s",
		 format_prefix(&step->prefix, text));
}

static void entry_shell(const struct step *step, bool back, FILE *out)
{
	struct decap_prefix key = key_of(&step->prefix);

	fprintf(out, "bpftool map %s pinned %s/%s key hex", back ? "delete" : "update", step->name,
		map_of(step));
	print_bytes(&key, sizeof(key), out);
	fputs(back ? "\n" : " value hex 01\n", out);
}

const struct step_ops vip_ops = {entry_probe, entry_apply, entry_revert, vip_describe, entry_shell};
const struct step_ops source_ops = {entry_probe, entry_apply, entry_revert, source_describe,
				    entry_shell};

/* --- counters --- */

static const struct {
	const char *label, *text;
} outcomes[] = {
#define X(name, label, class, text) {label, text},
	DECAP_OUTCOMES(X)
#undef X
};

static struct lb_traffic sum(const struct lb_traffic *values, int cpus)
{
	struct lb_traffic total = {0};

	for (int cpu = 0; cpu < cpus; cpu++) {
		total.packets += values[cpu].packets;
		total.bytes += values[cpu].bytes;
	}
	return total;
}

int decap_show_counters(const char *directory, FILE *out, struct error *err)
{
	int cpus = libbpf_num_possible_cpus(), fd = bpffs_open(directory, "decap_stats");
	struct lb_traffic *values = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*values)), total;
	int r = 0;

	if (fd < 0 || !values)
		r = error_set(err, fd < 0 ? -fd : ENOMEM, "counters in %s cannot be read: %s",
			      directory, strerror(fd < 0 ? -fd : ENOMEM));
	for (uint32_t i = 0; r == 0 && i < DECAP_OUTCOME_COUNT; i++) {
		if (bpf_map_lookup_elem(fd, &i, values) < 0)
			continue;
		total = sum(values, cpus);
		fprintf(out, "  %-14s %12llu packets %15llu bytes  %s\n", outcomes[i].label,
			(unsigned long long)total.packets, (unsigned long long)total.bytes,
			outcomes[i].text);
	}
	free(values);
	if (fd >= 0)
		close(fd);
	return r;
}
