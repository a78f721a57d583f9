/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records packet cases for lbagent's self-test: record HEADER FILE...
 *
 * Each case is played natively and written down; one that does not do as it says ends all. What
 * was written is then played again as lbagent will, at another time, without a route in the
 * kernel, by one interface, and loaded for long packets too. Cases that tell the difference are
 * left out, and so are those that make entries older or have limits, for both depend on the clock,
 * and those with options, for each would need a program of its own.
 *
 * HEADER is C: the recording, compressed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "native.h"
#include "native_route.h"
#include "play.h"
#include "selftest.h"
#include "setup.h"
#include "tee.h"
#include "vip_table.h"

#define ANOTHER_TIME 0x987654321

struct recorder {
	FILE *cases; /* into text */
	char *text;
	size_t size;
	unsigned int kept;
	unsigned int left_out;
};

/* --- playing it again --- */

static int replay_reset(void *context, struct error *err)
{
	const struct constants *constants = context;
	int r = engine_native.reset(constants, err);

	native_set_jiffies(ANOTHER_TIME);
	native_set_route(&(struct native_route){.ifindex = 0});
	return r;
}

static int replay_put(void *context, const char *map, const void *key, const void *value,
		      struct error *err)
{
	(void)context;
	if (strcmp(map, ".data.switches") == 0) {
		memcpy(native_switches(), value, sizeof(*native_switches()));
		return 0;
	}
	if (engine_native.put(map, key, value) == 0)
		return 0;
	return error_set(err, EIO, "map %s does not take an entry", map);
}

static int replay_run(void *context, const struct recording_piece *piece, void *out,
		      size_t *ret_out_size, uint32_t *ret_code, struct error *err)
{
	struct outcome *outcome = calloc(1, sizeof(*outcome));
	struct frame *in = calloc(1, sizeof(*in));
	int r = -ENOMEM;

	(void)context;
	if (in && outcome) {
		memcpy(in->bytes, piece->first, piece->first_length);
		in->size = piece->first_length;
		r = engine_native.run(in, RECORDING_IFINDEX, piece->number, outcome, err);
		memcpy(out, outcome->frame.bytes, outcome->frame.size);
		*ret_out_size = outcome->frame.size;
		*ret_code = outcome->code;
	}
	free(in);
	free(outcome);
	return r;
}

static bool replays(const char *text, size_t size, const struct constants *recorded, uint32_t frags)
{
	struct constants constants = *recorded;
	const struct selftest_target target = {
		.context = &constants,
		.reset = replay_reset,
		.put = replay_put,
		.run = replay_run,
	};
	struct selftest_result result;
	struct error err;

	constants.frags = frags;
	return selftest_play(text, size, frags, &target, &result, &err) == 0;
}

/* --- recording --- */

static bool has_limits(const struct case_service *service)
{
	return service->max_flows || service->source_flows || service->source_packets ||
	       service->cookies;
}

static bool is_suitable(const struct test_case *test)
{
	static struct test_case plain;
	struct constants constants = test->constants;
	size_t i;

	setup_defaults(&plain);
	constants.frags = plain.constants.frags;
	for (i = 0; i < test->step_count; i++)
		if (test->steps[i]->kind == STEP_AGE || test->steps[i]->kind == STEP_FOLD)
			return false;
	for (i = 0; i < test->service_count; i++)
		if (has_limits(&test->services[i]))
			return false;
	return memcmp(&constants, &plain.constants, sizeof(constants)) == 0;
}

static bool play(const char *path, const struct test_case *test, const struct engine *engine)
{
	struct outcome *outcomes = calloc(test->step_count + 1, sizeof(*outcomes));
	struct run run = {.path = path, .engine = engine, .test = test, .outcomes = outcomes};
	bool good = outcomes && play_case(&run);

	free(outcomes);
	return good;
}

/* Plays the case and writes it to file. False: it failed, or could not be written. */
static bool write_case(const char *path, const struct test_case *test, FILE *file)
{
	const struct recording_piece head = {
		.kind = RECORDING_CASE, .name = test->name, .number = test->constants.frags};

	tee_to(file);
	return recording_write(file, &head) && play(path, test, &engine_tee) && tee_good();
}

static bool record_case(struct recorder *recorder, const char *path, const struct test_case *test)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	bool good, kept;

	if (!file)
		return false;
	good = write_case(path, test, file);
	if (fclose(file) != 0 || !good) {
		free(text);
		return false;
	}
	kept = is_suitable(test) && replays(text, size, &test->constants, 1) &&
	       (test->constants.frags || replays(text, size, &test->constants, 0));
	*(kept ? &recorder->kept : &recorder->left_out) += 1;
	good = !kept || fwrite(text, size, 1, recorder->cases) == 1;
	free(text);
	return good;
}

static bool record_file(struct recorder *recorder, const char *path)
{
	struct case_reader *reader;
	struct test_case *test;
	unsigned int line = 0;
	struct error err;
	bool good = true;
	int r = case_reader_open(path, &reader);

	if (r < 0) {
		fprintf(stderr, "record: %s: %s\n", path, strerror(-r));
		return false;
	}
	while (good && (r = case_read(reader, &test, &line, &err)) > 0) {
		good = record_case(recorder, path, test);
		if (!good)
			fprintf(stderr, "record: %s:%u: case \"%s\" does not do as it says\n", path,
				test->line, test->name);
		case_free(test);
	}
	if (r < 0)
		fprintf(stderr, "record: %s:%u: %s\n", path, line, err.message);
	case_reader_close(reader);
	return good && r == 0;
}

/* --- the header --- */

static bool write_constants(FILE *file, const struct constants *constants, unsigned int left_out)
{
	struct recording_constants value = {
		.flow_mask = constants->buckets - 1,
		.table_size = constants->table_size,
		.table_lines = LINES_OF(constants->table_size),
		.icmp_per_second = constants->icmp_per_second,
		.handshake_mask = constants->handshake_mask,
		.nat_port_low = constants->nat_port_low,
		.nat_port_count = constants->nat_port_count,
		.coarse_tick_shift = COARSE_TICK_SHIFT,
		.vip_slot_shift = vip_table_shift(ENGINE_VIP_SLOTS),
	};
	const struct recording_piece piece = {
		.kind = RECORDING_CONSTANTS,
		.first = &value,
		.first_length = sizeof(value),
		.number = left_out,
	};

	engine_hash_keys(value.hash_key, LB_HASH_KEYS);
	return recording_write(file, &piece);
}

static bool write_rooms(FILE *file, const struct constants *constants)
{
	static const char *const maps[] = {
		"vips",          "vip_groups",      "vip_prefixes", "services",   "backends",
		"slots",         "flows",           "nat_flows",    "vip_stats",  "backend_stats",
		"backend_loads", "fragments",       "quic_servers", "handshakes", "sources",
		"service_drops", "service_cookies",
	};
	/* No case that is kept has limits, and the map is large. */
	bool good = recording_write(file, &(struct recording_piece){.kind = RECORDING_ROOM,
								    .name = "source_budgets",
								    .number = 1});
	size_t i;

	for (i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		good = good &&
		       recording_write(file,
				       &(struct recording_piece){
					       .kind = RECORDING_ROOM,
					       .name = maps[i],
					       .number = engine_map_entries(maps[i], constants),
				       });
	return good;
}

/* The whole recording, in memory that is the caller's; NULL: out of memory. */
static char *assemble(struct recorder *recorder, size_t *ret_size)
{
	static struct test_case plain;
	char *text = NULL;
	FILE *file = open_memstream(&text, ret_size);
	bool good;

	setup_defaults(&plain);
	if (!file)
		return NULL;
	good = write_constants(file, &plain.constants, recorder->left_out) &&
	       write_rooms(file, &plain.constants) &&
	       fwrite(recorder->text, recorder->size, 1, file) == 1;
	if (fclose(file) == 0 && good)
		return text;
	free(text);
	return NULL;
}

static bool print_header(FILE *out, const char *text, size_t size)
{
	uLongf packed_size = compressBound(size), i;
	unsigned char *packed = malloc(packed_size);

	if (!packed || compress2(packed, &packed_size, (const Bytef *)text, size,
				 Z_BEST_COMPRESSION) != Z_OK) {
		free(packed);
		return false;
	}
	fprintf(out, "/* Generated by tests/record; see agent/recording.h. */\n");
	fprintf(out, "#define CORPUS_SIZE %zu\n", size);
	fprintf(out, "static const unsigned char corpus_packed[] = {");
	for (i = 0; i < packed_size; i++)
		fprintf(out, "%s%u,", i % 24 ? "" : "\n", packed[i]);
	fprintf(out, "\n};\n");
	free(packed);
	return ferror(out) == 0;
}

static bool write_header(struct recorder *recorder, const char *path)
{
	size_t size = 0;
	char *text = assemble(recorder, &size);
	FILE *out = text ? fopen(path, "we") : NULL;
	bool good = out && print_header(out, text, size);

	if (out && fclose(out) != 0)
		good = false;
	if (!good)
		fprintf(stderr, "record: %s cannot be written\n", path);
	free(text);
	return good;
}

int main(int argc, char **argv)
{
	struct recorder recorder = {0};
	bool good = true;
	int i;

	if (argc < 3) {
		fprintf(stderr, "usage: %s HEADER FILE...\n", argv[0]);
		return 2;
	}
	recorder.cases = open_memstream(&recorder.text, &recorder.size);
	if (!recorder.cases)
		return 1;
	for (i = 2; good && i < argc; i++)
		good = record_file(&recorder, argv[i]);
	if (fclose(recorder.cases) != 0)
		good = false;
	good = good && write_header(&recorder, argv[1]);
	engine_tee.close();
	free(recorder.text);
	return good ? 0 : 1;
}
