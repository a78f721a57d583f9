/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program in the kernel, run by BPF_PROG_TEST_RUN in a network namespace of its own. Loading
 * takes longer than running all cases, so a program is kept for each set of constants, and its
 * maps are emptied between cases.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "engine_bpf.h"
#include "ingress.skel.h"
#include "stack.h"
#include "vip_table.h"
#include "wipe.h"

#define PROGRAMS_MAX 32
#define LOG_STATS    4 /* BPF_LOG_STATS in the kernel: a few lines, whatever the program */
#define LOG_SIZE     4096
#define VALUE_MAX    256

static struct {
	struct constants constants;
	struct ingress *skeleton;
} programs[PROGRAMS_MAX];
static size_t program_count;
static struct ingress *current;

/* --- the network namespace --- */

/*
 * Two ends of a veth pair. BPF_PROG_TEST_RUN takes an interface only if its receive queue is set
 * up for XDP (xdp_rxq_info_is_reg() in the kernel), which veth does while a program is attached.
 */
static const char *const netns_commands[] = {
	"ip link add left index 11 type veth peer name right index 12",
	"ip link set right address " KERNEL_ROUTE_SRC_MAC,
	"ip link set left up",
	"ip link set right up",
	"ip address add " KERNEL_ROUTE_PREFIX " dev right",
	"ip neigh add " KERNEL_ROUTE_ADDRESS " lladdr " KERNEL_ROUTE_DST_MAC
	" dev right nud permanent",
	"sysctl -q -w net.ipv4.ip_forward=1",
};

static int run_command(const char *command, struct error *err)
{
	extern char **environ;
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, strdup(command), NULL};
	pid_t pid;
	int status = -1, r;

	r = posix_spawnp(&pid, "sh", NULL, NULL, argv, environ);
	if (r == 0 && waitpid(pid, &status, 0) != pid)
		r = errno;
	free(argv[2]);
	if (r != 0 || status != 0)
		return error_set(err, EIO, "'%s' failed", command);
	return 0;
}

static int attach_anything(int ifindex, struct error *err)
{
	struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL);
	int r;

	if (program < 0)
		return error_set(err, -program, "loading a BPF program: %s (is this root?)",
				 strerror(-program));
	r = bpf_xdp_attach(ifindex, program, 0, NULL);
	if (r < 0)
		return error_set(err, -r, "attaching XDP to a veth: %s", strerror(-r));
	return 0;
}

static int enter_netns(struct error *err)
{
	size_t i;
	int r = 0;

	if (unshare(CLONE_NEWNET) != 0)
		return error_set(err, errno, "a network namespace: %s", strerror(errno));
	for (i = 0; r == 0 && i < sizeof(netns_commands) / sizeof(netns_commands[0]); i++)
		r = run_command(netns_commands[i], err);
	if (r == 0)
		r = attach_anything(DEVICE_LEFT, err);
	if (r == 0)
		r = attach_anything(DEVICE_RIGHT, err);
	return r;
}

/* --- loading --- */

static void set_constants(struct ingress *skeleton, const struct constants *constants)
{
	struct ingress__rodata *rodata = skeleton->rodata;

	engine_hash_keys((uint32_t *)rodata->lb_hash_key,
			 sizeof(rodata->lb_hash_key) / sizeof(rodata->lb_hash_key[0]));
	rodata->lb_vip_slot_shift = vip_table_shift(ENGINE_VIP_SLOTS);
	rodata->lb_flow_mask = constants->buckets - 1;
	rodata->lb_table_size = constants->table_size;
	rodata->lb_table_lines = LINES_OF(constants->table_size);
	rodata->lb_nat_port_low = constants->nat_port_low;
	rodata->lb_nat_port_count = constants->nat_port_count;
	rodata->lb_tick_shift = 0;
	rodata->lb_coarse_tick_shift = constants->coarse_tick_shift;
	rodata->lb_icmp_per_second = constants->icmp_per_second;
	rodata->lb_handshake_mask = constants->handshake_mask;
	rodata->lb_frags = constants->frags;
	rodata->lb_cookies = true;
	rodata->lb_ipv4_checksums = constants->checksums;
}

/* All but loaded. */
static struct ingress *prepare(const struct constants *constants)
{
	struct ingress *skeleton = ingress__open();
	struct bpf_map *map;
	uint32_t entries;

	if (!skeleton)
		return NULL;
	set_constants(skeleton, constants);
	if (constants->frags)
		bpf_program__set_flags(skeleton->progs.lb_ingress, BPF_F_XDP_HAS_FRAGS);
	bpf_object__for_each_map(map, skeleton->obj)
	{
		entries = engine_map_entries(bpf_map__name(map), constants);
		if (entries)
			bpf_map__set_max_entries(map, entries);
	}
	return skeleton;
}

static int load(const struct constants *constants, struct ingress **ret_skeleton, struct error *err)
{
	struct ingress *skeleton = prepare(constants);
	int r;

	if (!skeleton)
		return error_set(err, errno, "opening the BPF object: %s", strerror(errno));
	r = ingress__load(skeleton);
	if (r < 0) {
		ingress__destroy(skeleton);
		return error_set(err, -r, "loading the BPF object: %s", strerror(-r));
	}
	*ret_skeleton = skeleton;
	return 0;
}

static int select_program(const struct constants *constants, struct error *err)
{
	size_t i;
	int r;

	for (i = 0; i < program_count; i++) {
		if (memcmp(&programs[i].constants, constants, sizeof(*constants)) == 0) {
			current = programs[i].skeleton;
			return 0;
		}
	}
	if (program_count == PROGRAMS_MAX)
		return error_set(err, E2BIG, "more than %d different sets of options",
				 PROGRAMS_MAX);
	r = program_count == 0 ? enter_netns(err) : 0;
	if (r == 0)
		r = load(constants, &current, err);
	if (r < 0)
		return r;
	programs[program_count].constants = *constants;
	programs[program_count++].skeleton = current;
	return 0;
}

/* --- maps --- */

static bool is_per_cpu(const struct bpf_map *map)
{
	return bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static void clear_array(const struct bpf_map *map)
{
	size_t cpus = is_per_cpu(map) ? libbpf_num_possible_cpus() : 1;
	size_t size = bpf_map__value_size(map) * cpus;
	void *zero = calloc(1, size);
	uint32_t i;

	for (i = 0; zero && i < bpf_map__max_entries(map); i++)
		bpf_map__update_elem(map, &i, sizeof(i), zero, size, BPF_ANY);
	free(zero);
}

/* In one go: entries may be many. */
static bool clear_memory(const struct bpf_map *map)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t size = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	void *memory;

	size = (size + page - 1) / page * page;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (memory == MAP_FAILED)
		return false;
	wipe(memory, size);
	munmap(memory, size);
	return true;
}

static void clear_hash(const struct bpf_map *map)
{
	size_t size = bpf_map__key_size(map);
	uint8_t key[VALUE_MAX];

	while (bpf_map__get_next_key(map, NULL, key, size) == 0)
		bpf_map__delete_elem(map, key, size, 0);
}

static void clear_maps(const struct ingress *skeleton)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, skeleton->obj)
	{
		if (bpf_map__is_internal(map))
			continue;
		if (bpf_map__map_flags(map) & BPF_F_MMAPABLE && clear_memory(map))
			continue;
		if (bpf_map__type(map) == BPF_MAP_TYPE_ARRAY || is_per_cpu(map))
			clear_array(map);
		else
			clear_hash(map);
	}
}

static int reset(const struct constants *constants, struct error *err)
{
	int r = select_program(constants, err);

	if (r < 0)
		return r;
	clear_maps(current);
	current->data_switches->lb_switches = (struct lb_switches){.all_ones = ~0U};
	return 0;
}

static struct bpf_map *map_named(const char *name)
{
	return bpf_object__find_map_by_name(current->obj, name);
}

int engine_bpf_map_fd(const char *map)
{
	return bpf_map__fd(map_named(map));
}

const struct bpf_object *engine_bpf_object(void)
{
	return current->obj;
}

static int get_sum(const struct bpf_map *map, const void *key, uint64_t *ret_value)
{
	size_t words = bpf_map__value_size(map) / sizeof(uint64_t), i;
	size_t cpus = libbpf_num_possible_cpus();
	uint64_t *values = calloc(cpus * words, sizeof(*values));
	int r = -ENOMEM;

	if (values)
		r = bpf_map__lookup_elem(map, key, bpf_map__key_size(map), values,
					 cpus * words * sizeof(*values), 0);
	if (r == 0) {
		memset(ret_value, 0, words * sizeof(*ret_value));
		for (i = 0; i < cpus * words; i++)
			ret_value[i % words] += values[i];
	}
	free(values);
	return r;
}

int engine_bpf_get(const char *name, const void *key, void *ret_value)
{
	const struct bpf_map *map = map_named(name);

	if (!map)
		return -ENOENT;
	if (is_per_cpu(map))
		return get_sum(map, key, ret_value);
	return bpf_map__lookup_elem(map, key, bpf_map__key_size(map), ret_value,
				    bpf_map__value_size(map), 0);
}

int engine_bpf_put(const char *name, const void *key, const void *value)
{
	const struct bpf_map *map = map_named(name);

	if (!map)
		return -ENOENT;
	return bpf_map__update_elem(map, key, bpf_map__key_size(map), value,
				    bpf_map__value_size(map), BPF_ANY);
}

int engine_bpf_next_key(const char *name, const void *key, void *ret_next)
{
	const struct bpf_map *map = map_named(name);

	if (!map)
		return -ENOENT;
	return bpf_map__get_next_key(map, key, ret_next, bpf_map__key_size(map));
}

/* --- running --- */

static int run(const struct frame *in, enum case_device device, enum case_device redirect_to,
	       struct outcome *ret_outcome, struct error *err)
{
	struct xdp_md context = {.data_end = in->size, .ingress_ifindex = device};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes, .data_size_in = in->size,
		    .data_out = ret_outcome->frame.bytes, .data_size_out = FRAME_MAX,
		    .ctx_in = &context, .ctx_size_in = sizeof(context));
	uint32_t target = redirect_to;
	int r;

	if (target)
		engine_bpf_put("egress", &target, &target);
	r = bpf_prog_test_run_opts(bpf_program__fd(current->progs.lb_ingress), &opts);
	if (target)
		bpf_map__delete_elem(map_named("egress"), &target, sizeof(target), 0);
	if (r < 0)
		return error_set(err, -r, "BPF_PROG_TEST_RUN: %s", strerror(-r));
	ret_outcome->code = opts.retval;
	ret_outcome->frame.size = opts.data_size_out;
	return 0;
}

struct lb_switches *engine_bpf_switches(void)
{
	return &current->data_switches->lb_switches;
}

uint32_t engine_bpf_describe(FILE *out)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (!current ||
	    bpf_obj_get_info_by_fd(bpf_program__fd(current->progs.lb_ingress), &info, &size) != 0)
		return 0;
	fprintf(out, "# lb_ingress: %zu instructions, %u bytes jited, %u instructions verified\n",
		info.xlated_prog_len / sizeof(struct bpf_insn), info.jited_prog_len,
		info.verified_insns);
	return info.verified_insns;
}

/* With all that can be chosen: what cannot be reached is not in the verifier's list. */
uint32_t engine_bpf_stack(void)
{
	static char log[LOG_SIZE];
	const struct bpf_program *program;
	struct constants constants = {0};
	struct ingress *skeleton;
	uint32_t stack = 0;

	if (program_count > 0)
		constants = programs[0].constants;
	constants.checksums = 1;
	constants.frags = 1;
	skeleton = prepare(&constants);
	if (!skeleton)
		return 0;
	bpf_program__set_log_level(skeleton->progs.lb_ingress, LOG_STATS);
	bpf_program__set_log_buf(skeleton->progs.lb_ingress, log, sizeof(log));
	program = skeleton->progs.lb_ingress;
	if (ingress__load(skeleton) == 0)
		stack = stack_deepest(bpf_program__insns(program), bpf_program__insn_cnt(program),
				      log);
	ingress__destroy(skeleton);
	return stack;
}

static void close_all(void)
{
	while (program_count > 0)
		ingress__destroy(programs[--program_count].skeleton);
	current = NULL;
}

const struct engine engine_bpf = {
	.name = "bpf",
	.reset = reset,
	.get = engine_bpf_get,
	.put = engine_bpf_put,
	.next_key = engine_bpf_next_key,
	.run = run,
	.switches = engine_bpf_switches,
	.describe = engine_bpf_describe,
	.close = close_all,
};
