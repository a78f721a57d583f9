/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recording.h"
#include "selftest.h"

/* A data plane that answers as it is told to and notes what was asked of it. */
struct fake {
	unsigned int resets, puts, runs;
	char map[32];
	uint32_t code;
	char out[32];
	int error; /* of run */
};

struct tape {
	char *text;
	size_t size;
	FILE *file;
};

static int fake_reset(void *context, struct error *err)
{
	struct fake *fake = context;

	(void)err;
	fake->resets++;
	return 0;
}

static int fake_put(void *context, const char *map, const void *key, const void *value,
		    struct error *err)
{
	struct fake *fake = context;

	(void)err;
	assert_memory_equal(key, "key", 3);
	assert_memory_equal(value, "value", 5);
	snprintf(fake->map, sizeof(fake->map), "%s", map);
	fake->puts++;
	return 0;
}

static int fake_run(void *context, const struct recording_piece *piece, void *out,
		    size_t *ret_out_size, uint32_t *ret_code, struct error *err)
{
	struct fake *fake = context;

	assert_memory_equal(piece->first, "in", 2);
	assert_int_equal(piece->number, 13);
	fake->runs++;
	if (fake->error)
		return error_set(err, fake->error, "no packet goes through");
	memcpy(out, fake->out, strlen(fake->out));
	*ret_out_size = strlen(fake->out);
	*ret_code = fake->code;
	return 0;
}

static void tape_open(struct tape *tape)
{
	tape->file = open_memstream(&tape->text, &tape->size);
	assert_non_null(tape->file);
	assert_true(recording_write(
		tape->file, &(struct recording_piece){.kind = RECORDING_CONSTANTS, .number = 7}));
}

static void tape_case(struct tape *tape, const char *name, uint32_t frags)
{
	assert_true(recording_write(
		tape->file,
		&(struct recording_piece){.kind = RECORDING_CASE, .name = name, .number = frags}));
	assert_true(recording_write(tape->file, &(struct recording_piece){.kind = RECORDING_PUT,
									  .name = "vips",
									  .first = "key",
									  .first_length = 3,
									  .second = "value",
									  .second_length = 5}));
	assert_true(recording_write(tape->file, &(struct recording_piece){.kind = RECORDING_RUN,
									  .first = "in",
									  .first_length = 2,
									  .second = "out",
									  .second_length = 3,
									  .code = 3,
									  .number = 13}));
}

static int play(struct tape *tape, struct fake *fake, bool frags, struct selftest_result *result,
		struct error *err)
{
	const struct selftest_target target = {
		.context = fake, .reset = fake_reset, .put = fake_put, .run = fake_run};

	return selftest_play(tape->text, tape->size, frags, &target, result, err);
}

static int setup(void **state)
{
	struct tape *tape = calloc(1, sizeof(*tape));

	assert_non_null(tape);
	tape_open(tape);
	tape_case(tape, "one", 0);
	tape_case(tape, "two, long", 1);
	fclose(tape->file);
	*state = tape;
	return 0;
}

static int teardown(void **state)
{
	struct tape *tape = *state;

	free(tape->text);
	free(tape);
	return 0;
}

static void test_passes(void **state)
{
	struct fake fake = {.code = 3, .out = "out"};
	struct selftest_result result;
	struct error err;

	assert_int_equal(play(*state, &fake, true, &result, &err), 0);
	assert_int_equal(result.played, 2);
	assert_int_equal(result.left_out, 7);
	assert_int_equal(fake.resets, 2);
	assert_int_equal(fake.puts, 2);
	assert_int_equal(fake.runs, 2);
	assert_string_equal(fake.map, "vips");
}

static void test_leaves_out_what_needs_frags(void **state)
{
	struct fake fake = {.code = 3, .out = "out"};
	struct selftest_result result;
	struct error err;

	assert_int_equal(play(*state, &fake, false, &result, &err), 0);
	assert_int_equal(result.played, 1);
	assert_int_equal(result.left_out, 8);
	assert_int_equal(fake.puts, 1);
	assert_int_equal(fake.runs, 1);
}

static void assert_fails(void **state, struct fake *fake, int error, const char *message)
{
	struct selftest_result result = {.played = 99};
	struct error err = {0};

	assert_int_equal(play(*state, fake, true, &result, &err), -error);
	assert_string_equal(err.message, message);
	assert_int_equal(result.played, 99);
	assert_int_equal(fake->runs, 1);
}

static void test_tells_what_came_out_wrong(void **state)
{
	struct fake dropped = {.code = 1, .out = "out"};
	struct fake odd = {.code = 77, .out = "out"};
	struct fake longer = {.code = 3, .out = "outer"};
	struct fake other = {.code = 3, .out = "oat"};
	struct fake broken = {.error = EPERM};

	assert_fails(state, &dropped, EBADMSG, "case \"one\", packet 1: XDP_DROP, not XDP_TX");
	assert_fails(state, &odd, EBADMSG, "case \"one\", packet 1: no XDP code, not XDP_TX");
	assert_fails(state, &longer, EBADMSG, "case \"one\", packet 1: 5 bytes came out, not 3");
	assert_fails(state, &other, EBADMSG, "case \"one\", packet 1: byte 1 is 61, not 75");
	assert_fails(state, &broken, EPERM, "no packet goes through");
}

/* Wherever it is cut, and whatever one byte says instead: it is read to its end or refused. */
static void test_damaged_recordings(void **state)
{
	struct tape *tape = *state, cut;
	struct recording_piece piece;
	const uint8_t *at;
	size_t size, i;
	int more;

	for (size = 0; size <= tape->size; size++) {
		cut.text = malloc(size);
		assert_true(size == 0 || cut.text);
		memcpy(cut.text, tape->text, size);
		at = (const uint8_t *)cut.text;
		while ((more = recording_next(&at, (const uint8_t *)cut.text + size, &piece)) > 0)
			;
		assert_true(more == 0 || more == -EBADMSG);
		free(cut.text);
	}
	for (i = 0; i < tape->size; i++) {
		tape->text[i] ^= 0x55;
		at = (const uint8_t *)tape->text;
		while ((more = recording_next(&at, (const uint8_t *)tape->text + tape->size,
					      &piece)) > 0)
			assert_true(strlen(piece.name) < UINT8_MAX);
		tape->text[i] ^= 0x55;
	}
}

static void test_a_cut_recording_is_refused(void **state)
{
	struct fake fake = {.code = 3, .out = "out"};
	struct tape *tape = *state;
	struct selftest_result result;
	struct error err;

	tape->size--;
	assert_int_equal(play(tape, &fake, true, &result, &err), -EBADMSG);
	assert_string_equal(err.message, "the recording is damaged");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leaves_out_what_needs_frags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tells_what_came_out_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_recordings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_cut_recording_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
