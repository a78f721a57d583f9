/* SPDX-License-Identifier: Apache-2.0 */
#include "tee.h"

#include <string.h>

#include "native.h"
#include "recording.h"

static FILE *file;
static bool good;
static struct lb_switches written; /* switches as last written down */

void tee_to(FILE *to)
{
	file = to;
	good = true;
}

bool tee_good(void)
{
	return good;
}

static void write_piece(const struct recording_piece *piece)
{
	good = recording_write(file, piece) && good;
}

/* The case's devices, as the recording numbers them. */
static uint32_t ifindex_of(uint32_t device)
{
	return device == DEVICE_LEFT ? RECORDING_IFINDEX : RECORDING_IFINDEX + device;
}

static int reset(const struct constants *constants, struct error *err)
{
	int r = engine_native.reset(constants, err);

	written = *native_switches();
	return r;
}

static int get(const char *map, const void *key, void *ret_value)
{
	return engine_native.get(map, key, ret_value);
}

static int next_key(const char *map, const void *key, void *ret_next)
{
	return engine_native.next_key(map, key, ret_next);
}

static void write_put(const char *map, const void *key, size_t key_size, const void *value,
		      size_t value_size)
{
	write_piece(&(struct recording_piece){
		.kind = RECORDING_PUT,
		.name = map,
		.first = key,
		.first_length = (uint16_t)key_size,
		.second = value,
		.second_length = (uint16_t)value_size,
	});
}

static int put(const char *name, const void *key, const void *value)
{
	struct native_map_shape map;
	struct lb_backend backend;

	if (!native_map_named(name, &map))
		return engine_native.put(name, key, value);
	if (strcmp(name, "backends") == 0) {
		memcpy(&backend, value, sizeof(backend));
		backend.hop.ifindex = ifindex_of(backend.hop.ifindex);
		write_put(name, key, map.key_size, &backend, sizeof(backend));
	} else {
		write_put(name, key, map.key_size, value, map.value_size);
	}
	return engine_native.put(name, key, value);
}

/* They are memory to whoever throws them. */
static void write_switches(void)
{
	const struct lb_switches *switches = native_switches();
	const uint32_t zero = 0;

	if (memcmp(switches, &written, sizeof(written)) == 0)
		return;
	written = *switches;
	write_put(".data.switches", &zero, sizeof(zero), switches, sizeof(*switches));
}

static int run(const struct frame *in, enum case_device device, enum case_device redirect_to,
	       struct outcome *ret_outcome, struct error *err)
{
	int r;

	write_switches();
	r = engine_native.run(in, device, redirect_to, ret_outcome, err);
	if (r == 0)
		write_piece(&(struct recording_piece){
			.kind = RECORDING_RUN,
			.first = in->bytes,
			.first_length = (uint16_t)in->size,
			.second = ret_outcome->frame.bytes,
			.second_length = (uint16_t)ret_outcome->frame.size,
			.code = (uint16_t)ret_outcome->code,
			.number = redirect_to ? ifindex_of(redirect_to) : 0,
		});
	return r;
}

static struct lb_switches *switches(void)
{
	return native_switches();
}

static uint32_t describe(FILE *out)
{
	return engine_native.describe(out);
}

static void close_all(void)
{
	engine_native.close();
}

const struct engine engine_tee = {
	.name = "native",
	.reset = reset,
	.get = get,
	.put = put,
	.next_key = next_key,
	.run = run,
	.switches = switches,
	.describe = describe,
	.close = close_all,
};
