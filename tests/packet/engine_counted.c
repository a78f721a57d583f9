/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_counted.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf_helpers.h> /* the native data plane's */
#include <bpf/libbpf.h>

#include "engine_bpf.h"
#include "interpreter.h"
#include "native.h"

#define MAPS_MAX   64
#define LINES_MAX  256
#define LINE_SHIFT 6
#define FRAMES_END (UINT64_C(1) << 32) /* the native data plane's frames lie below */

static struct bpf_insn *instructions; /* the program's, with addresses in place of descriptors */
static struct native_map_shape shapes[MAPS_MAX];
static size_t shape_count;

/* --- counting --- */

static struct {
	struct packet_cost cost;
	uint64_t lines[LINES_MAX];
	bool written[LINES_MAX];
	uint64_t context; /* address of the packet's struct xdp_md, which is no map */
} count;

static void count_line(uint64_t line, bool write)
{
	uint32_t i;

	for (i = 0; i < count.cost.lines && count.lines[i] != line; i++)
		;
	if (i == LINES_MAX)
		abort();
	if (i == count.cost.lines) {
		count.lines[count.cost.lines++] = line;
		count.written[i] = false;
	}
	count.cost.written += write && !count.written[i];
	count.written[i] |= write;
}

static void touch(uint64_t address, uint32_t size, bool write)
{
	uint64_t line = address >> LINE_SHIFT;

	if (address < FRAMES_END || address - count.context < sizeof(struct xdp_md))
		return;
	for (; line <= (address + size - 1) >> LINE_SHIFT; line++)
		count_line(line, write);
}

struct packet_cost engine_counted_cost(void)
{
	return count.cost;
}

/* --- helpers --- */

static void *place(uint64_t address)
{
	return (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

static bool call_map(int32_t helper, const uint64_t *a, uint64_t *ret_value)
{
	switch (helper) {
	case BPF_FUNC_map_lookup_elem:
		*ret_value = (uintptr_t)native_host_lookup(place(a[0]), place(a[1]));
		return true;
	case BPF_FUNC_map_update_elem:
		*ret_value =
			(int64_t)native_host_update(place(a[0]), place(a[1]), place(a[2]), a[3]);
		return true;
	case BPF_FUNC_map_delete_elem:
		*ret_value = (int64_t)native_host_delete(place(a[0]), place(a[1]));
		return true;
	}
	return false;
}

static uint64_t call_other(int32_t helper, const uint64_t *a)
{
	switch (helper) {
	case BPF_FUNC_jiffies64:
		return bpf_jiffies64();
	case BPF_FUNC_ktime_get_ns:
		return bpf_ktime_get_ns();
	case BPF_FUNC_ktime_get_tai_ns:
		return bpf_ktime_get_tai_ns();
	case BPF_FUNC_get_prandom_u32:
		return bpf_get_prandom_u32();
	case BPF_FUNC_get_smp_processor_id:
		return bpf_get_smp_processor_id();
	case BPF_FUNC_redirect_map:
		return (int64_t)native_redirect_map(place(a[0]), (uint32_t)a[1], a[2]);
	case BPF_FUNC_fib_lookup:
		return bpf_fib_lookup(place(a[0]), place(a[1]), (int)a[2], (uint32_t)a[3]);
	case BPF_FUNC_xdp_adjust_head:
		return bpf_xdp_adjust_head(place(a[0]), (int)a[1]);
	case BPF_FUNC_xdp_adjust_tail:
		return bpf_xdp_adjust_tail(place(a[0]), (int)a[1]);
	case BPF_FUNC_xdp_load_bytes:
		return bpf_xdp_load_bytes(place(a[0]), (uint32_t)a[1], place(a[2]), (uint32_t)a[3]);
	case BPF_FUNC_xdp_store_bytes:
		return bpf_xdp_store_bytes(place(a[0]), (uint32_t)a[1], place(a[2]),
					   (uint32_t)a[3]);
	case BPF_FUNC_xdp_get_buff_len:
		return bpf_xdp_get_buff_len(place(a[0]));
	}
	fprintf(stderr, "counted: helper %d is not known here\n", helper);
	abort();
}

static uint64_t call(int32_t helper, const uint64_t arguments[5])
{
	uint64_t value;

	if (call_map(helper, arguments, &value)) {
		count.cost.lookups++;
		return value;
	}
	count.cost.calls++;
	return call_other(helper, arguments);
}

/* --- the program --- */

static const struct bpf_map *map_of_fd(const struct bpf_object *object, int fd)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		if (bpf_map__fd(map) == fd)
			return map;
	}
	return NULL;
}

/* The native data plane's, or what it has none for: captures and samples of drops. */
static struct native_map_shape shape_of(const struct bpf_map *map)
{
	struct native_map_shape shape = {
		.declaration = map,
		.name = bpf_map__name(map),
		.type = bpf_map__type(map),
		.max_entries = bpf_map__max_entries(map),
		.key_size = bpf_map__key_size(map),
		.value_size = bpf_map__value_size(map),
	};

	native_map_named(shape.name, &shape);
	return shape;
}

/* The shape's address stands for the map, as that of the kernel's struct bpf_map does. */
static uint64_t address_of_map(const struct bpf_map *map)
{
	const struct native_map_shape shape = shape_of(map);
	size_t i;

	for (i = 0; i < shape_count; i++) {
		if (strcmp(shapes[i].name, shape.name) == 0)
			return (uintptr_t)&shapes[i];
	}
	if (shape_count == MAPS_MAX)
		abort();
	shapes[shape_count] = shape;
	return (uintptr_t)&shapes[shape_count++];
}

/* What a 64-bit immediate is while the program runs. */
static uint64_t address_of(const struct bpf_object *object, const struct bpf_insn *insn)
{
	const struct bpf_map *map = map_of_fd(object, insn[0].imm);
	size_t size;

	if (insn->src_reg == BPF_PSEUDO_MAP_FD && map)
		return address_of_map(map);
	if (insn->src_reg == BPF_PSEUDO_MAP_VALUE && map)
		return (uintptr_t)bpf_map__initial_value((struct bpf_map *)map, &size) +
		       (uint32_t)insn[1].imm;
	fprintf(stderr, "counted: an immediate of kind %d is not known here\n", insn->src_reg);
	abort();
}

static bool is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static int take_program(const struct bpf_object *object, struct error *err)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(object, "lb_ingress");
	size_t size = bpf_program__insn_cnt(program) * sizeof(*instructions), i;
	uint64_t address;

	free(instructions);
	instructions = malloc(size);
	if (!instructions)
		return error_set(err, ENOMEM, "out of memory");
	memcpy(instructions, bpf_program__insns(program), size);
	for (i = 0; i < size / sizeof(*instructions); i++) {
		if (!is_wide(&instructions[i]))
			continue;
		if (instructions[i].src_reg) {
			address = address_of(object, &instructions[i]);
			instructions[i].imm = (int32_t)address;
			instructions[i + 1].imm = (int32_t)(address >> 32);
		}
		i++;
	}
	return 0;
}

static int run_program(struct xdp_md *ctx)
{
	static const struct interpreter interpreter = {.call = call, .touch = touch};
	struct interpreter with = interpreter;

	with.instructions = instructions;
	memset(&count.cost, 0, sizeof(count.cost));
	count.context = (uintptr_t)ctx;
	return (int)interpret(&with, (uintptr_t)ctx, &count.cost.instructions);
}

/* --- the engine --- */

static int reset(const struct constants *constants, struct error *err)
{
	int r = engine_native.reset(constants, err);

	if (r == 0)
		r = engine_bpf.reset(constants, err);
	return r ? r : take_program(engine_bpf_object(), err);
}

static int get(const char *map, const void *key, void *ret_value)
{
	return engine_native.get(map, key, ret_value);
}

static int put(const char *map, const void *key, const void *value)
{
	return engine_native.put(map, key, value);
}

static int next_key(const char *map, const void *key, void *ret_next)
{
	return engine_native.next_key(map, key, ret_next);
}

static int run(const struct frame *in, enum case_device device, enum case_device redirect_to,
	       struct outcome *ret_outcome, struct error *err)
{
	return engine_native_run(run_program, in, device, redirect_to, ret_outcome, err);
}

static void close_all(void)
{
	free(instructions);
	instructions = NULL;
	shape_count = 0;
	engine_native.close();
	engine_bpf.close();
}

const struct engine engine_counted = {
	.name = "counted",
	.reset = reset,
	.get = get,
	.put = put,
	.next_key = next_key,
	.run = run,
	.switches = engine_bpf_switches,
	.describe = engine_bpf_describe,
	.close = close_all,
};
