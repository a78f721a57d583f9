/* SPDX-License-Identifier: Apache-2.0 */
/* The program lb_syncookie, its keys and its place at tc's ingress. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cookie_keys.h"
#include "lbnode_bpffs.h"
#include "lbnode_kinds.h"
#include "syncookie.skel.h"
#include "syncookie_abi.h"

/* Ours among the filters of the interface: before those that somebody gives no number. */
#define FILTER_PRIORITY 1
#define FILTER_HANDLE   0x51c1

_Static_assert(COOKIE_KEYS_MAX == LB_COOKIE_KEYS, "the file's keys are the program's");
_Static_assert(sizeof(struct cookie_key) == sizeof(struct lb_cookie_key), "likewise");

static const char *const pins[] = {"program", "syncookie_keys", "syncookie_stats"};
#define PINS (sizeof(pins) / sizeof(pins[0]))

/* --- keys --- */

static int read_keys(const struct step *step, struct lb_cookie_keys *ret_keys, struct error *err)
{
	struct cookie_key keys[COOKIE_KEYS_MAX] = {0};
	size_t count;
	int r = cookie_keys_read(step->file, keys, &count, err);

	if (r < 0)
		return r;
	*ret_keys = (struct lb_cookie_keys){0};
	memcpy(ret_keys->key, keys, sizeof(ret_keys->key));
	explicit_bzero(keys, sizeof(keys));
	return 0;
}

/* Those that the program has are the file's. */
static int keys_match(const struct step *step, bool *ret_match, struct error *err)
{
	struct lb_cookie_keys wanted = {0}, found = {0};
	int fd = bpffs_open(step->name, "syncookie_keys"), r = read_keys(step, &wanted, err);
	uint32_t zero = 0;

	*ret_match = fd >= 0 && bpf_map_lookup_elem(fd, &zero, &found) == 0 &&
		     memcmp(&wanted, &found, sizeof(found)) == 0;
	explicit_bzero(&wanted, sizeof(wanted));
	explicit_bzero(&found, sizeof(found));
	if (fd >= 0)
		close(fd);
	return r;
}

static int put_keys(const struct step *step, struct error *err)
{
	struct lb_cookie_keys keys;
	int fd = bpffs_open(step->name, "syncookie_keys"), r;
	uint32_t zero = 0;

	r = fd < 0 ? error_set(err, -fd, "%s/syncookie_keys: %s", step->name, strerror(-fd))
		   : read_keys(step, &keys, err);
	if (r == 0 && bpf_map_update_elem(fd, &zero, &keys, BPF_ANY) < 0)
		r = error_set(err, errno, "map syncookie_keys: %s", strerror(errno));
	explicit_bzero(&keys, sizeof(keys));
	if (fd >= 0)
		close(fd);
	return r;
}

/* --- the filter --- */

static struct bpf_tc_hook hook_of(const struct step *step)
{
	return (struct bpf_tc_hook){.sz = sizeof(struct bpf_tc_hook),
				    .ifindex = (int)if_nametoindex(step->interface),
				    .attach_point = BPF_TC_INGRESS};
}

static uint32_t pinned_program(const struct step *step)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpffs_open(step->name, "program");

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		info.id = 0;
	close(fd);
	return info.id;
}

/* Is the pinned program the filter? */
static bool is_attached(const struct step *step)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	struct bpf_tc_hook hook = hook_of(step);
	uint32_t program = pinned_program(step);

	return hook.ifindex && program && bpf_tc_query(&hook, &opts) == 0 &&
	       opts.prog_id == program;
}

static int attach(const struct syncookie *skeleton, const struct step *step, struct error *err)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY,
		    .flags = BPF_TC_F_REPLACE,
		    .prog_fd = bpf_program__fd(skeleton->progs.lb_syncookie));
	struct bpf_tc_hook hook = hook_of(step);
	int r = bpf_tc_hook_create(&hook);

	if (r == 0 || r == -EEXIST)
		r = bpf_tc_attach(&hook, &opts);
	if (r == 0)
		return 0;
	r = error_set(err, -r, "%s: lb_syncookie cannot be attached at tc's ingress: %s",
		      step->interface, strerror(-r));
	return error_hint(err, r, "see `tc filter show dev %s ingress`", step->interface);
}

static void detach(const struct step *step)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	struct bpf_tc_hook hook = hook_of(step);

	if (is_attached(step))
		bpf_tc_detach(&hook, &opts);
	for (size_t i = 0; i < PINS; i++)
		bpffs_unpin(step->name, pins[i]);
	rmdir(step->name);
}

/* --- the step --- */

/* What the balancer's answer promises, this host must keep: the kernel refuses the request. */
static int check_sysctls(struct error *err)
{
	static const char *const names[] = {"tcp_syncookies", "tcp_timestamps", "tcp_sack",
					    "tcp_window_scaling", "tcp_ecn"};
	char value[STEP_VALUE_MAX], path[STEP_NAME_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "net/ipv4/%s", names[i]);
		if (sysctl_read(path, value) < 0 || strcmp(value, "0") != 0)
			continue;
		error_set(err, EINVAL,
			  "net.ipv4.%s is 0: the balancer's answers promise clients otherwise",
			  names[i]);
		error_hint(err, -EINVAL, "sysctl -w net.ipv4.%s=%d", names[i],
			   strcmp(names[i], "tcp_ecn") == 0 ? 2 : 1);
		return error_field(err, -EINVAL, "cookie-key-file");
	}
	return 0;
}

static int probe(struct step *step, bool *ret_holds, struct error *err)
{
	int r = keys_match(step, ret_holds, err);

	*ret_holds = *ret_holds && is_attached(step);
	return r;
}

static struct syncookie *load(struct error *err)
{
	struct syncookie *skeleton;

	bpffs_keep_warnings();
	skeleton = syncookie__open_and_load();
	if (skeleton)
		return skeleton;
	error_set(err, errno ? errno : EIO, "program lb_syncookie cannot be loaded: %s (%s)",
		  strerror(errno), bpffs_warning());
	error_hint(err, -EIO, errno == EPERM ? "run as root" : "Linux 6.9 or later is needed");
	return NULL;
}

static int pin(const struct syncookie *skeleton, const struct step *step, struct error *err)
{
	const int fds[PINS] = {bpf_program__fd(skeleton->progs.lb_syncookie),
			       bpf_map__fd(skeleton->maps.syncookie_keys),
			       bpf_map__fd(skeleton->maps.syncookie_stats)};
	int r = 0;

	for (size_t i = 0; r == 0 && i < PINS; i++)
		r = bpffs_pin(fds[i], step->name, pins[i], err);
	return r;
}

static int start(const struct step *step, struct error *err)
{
	struct syncookie *skeleton;
	int r;

	detach(step);
	r = bpffs_make(step->name, err);
	if (r < 0)
		return r;
	skeleton = load(err);
	r = skeleton ? pin(skeleton, step, err) : -EIO;
	if (r == 0)
		r = put_keys(step, err);
	if (r == 0)
		r = attach(skeleton, step, err);
	syncookie__destroy(skeleton);
	if (r < 0)
		detach(step);
	return r;
}

static int apply(const struct step *step, struct error *err)
{
	int r = check_sysctls(err);

	if (r < 0)
		return r;
	return is_attached(step) ? put_keys(step, err) : start(step, err);
}

static int revert(const struct step *step, bool *ret_left, struct error *err)
{
	(void)ret_left;
	(void)err;
	detach(step);
	return 0;
}

static void describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	snprintf(buffer, STEP_TEXT_MAX,
		 "lb_syncookie on %s makes connections of the balancer's SYN cookies (keys of %s)",
		 step->interface, step->file);
}

/* The keys become the map's value without being shown. */
static void shell(const struct step *step, bool back, FILE *out)
{
	char path[PATH_MAX];

	if (back) {
		fprintf(out, "tc filter del dev %s ingress prio %d handle %#x bpf\nrm -r %s\n",
			step->interface, FILTER_PRIORITY, FILTER_HANDLE, step->name);
		return;
	}
	fprintf(out, "mkdir -p %s\nbpftool prog load %s %s/program type classifier pinmaps %s\n",
		step->name, bpffs_object("syncookie", path), step->name, step->name);
	fprintf(out,
		"bpftool map update pinned %s/syncookie_keys key hex 00 00 00 00 value hex $(\n"
		"\tgrep -v '^[[:space:]]*#' '%s' | tr -d '[:space:]' |\n"
		"\txargs printf '%%-%zus' | tr ' ' 0 | sed 's/../& /g')\n",
		step->name, step->file, 2 * sizeof(struct lb_cookie_keys));
	fprintf(out, "tc qdisc add dev %s clsact 2>/dev/null\n", step->interface);
	fprintf(out,
		"tc filter add dev %s ingress prio %d handle %#x bpf direct-action pinned "
		"%s/program\n",
		step->interface, FILTER_PRIORITY, FILTER_HANDLE, step->name);
}

const struct step_ops cookie_ops = {probe, apply, revert, describe, shell};

/* --- counters --- */

int cookie_show_counters(const char *directory, FILE *out, struct error *err)
{
	static const struct {
		const char *label, *text;
	} outcomes[] = {
#define X(name, label, text) {label, text},
		SYNCOOKIE_OUTCOMES(X)
#undef X
	};
	int cpus = libbpf_num_possible_cpus(), fd = bpffs_open(directory, "syncookie_stats");
	uint64_t *values = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*values)), total;
	int r = 0;

	if (fd < 0 || !values)
		r = error_set(err, fd < 0 ? -fd : ENOMEM, "counters in %s cannot be read: %s",
			      directory, strerror(fd < 0 ? -fd : ENOMEM));
	for (uint32_t i = 0; values && r == 0 && i < SYNCOOKIE_OUTCOME_COUNT; i++) {
		if (bpf_map_lookup_elem(fd, &i, values) < 0)
			continue;
		total = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			total += values[cpu];
		fprintf(out, "  %-14s %12llu packets  %s\n", outcomes[i].label,
			(unsigned long long)total, outcomes[i].text);
	}
	free(values);
	if (fd >= 0)
		close(fd);
	return r;
}
