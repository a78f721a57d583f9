/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl's pure parts: the command line, the verb table, numbers for people. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../ctl/command.h"
#include "../../ctl/human.h"
#include "../../ctl/options.h"

#define ARGUMENTS_MAX 32

/* A command line split at blanks, and what became of it. */
struct parsed {
	char text[512];
	char *argv[ARGUMENTS_MAX + 1];
	struct options *options;
	struct invocation invocation;
	struct error err;
	int result;
};

static void parse(struct parsed *parsed, const char *line)
{
	int argc = 0;
	char *state = NULL;

	*parsed = (struct parsed){0};
	snprintf(parsed->text, sizeof(parsed->text), "lbctl %s", line);
	for (char *word = strtok_r(parsed->text, " ", &state); word != NULL;
	     word = strtok_r(NULL, " ", &state)) {
		assert_in_range(argc, 0, ARGUMENTS_MAX - 1);
		parsed->argv[argc++] = word;
	}
	parsed->result = options_parse(argc, parsed->argv, &parsed->options, &parsed->err);
	if (parsed->result == 0)
		parsed->result =
			command_resolve(parsed->options, &parsed->invocation, &parsed->err);
}

static void assert_refused(const char *line, const char *message)
{
	struct parsed parsed;

	parse(&parsed, line);
	assert_int_equal(parsed.result, -EINVAL);
	assert_string_equal(parsed.err.message, message);
	options_free(parsed.options);
}

static void assert_body(const char *line, const char *expected)
{
	struct parsed parsed;
	cJSON *body;
	char *text;

	parse(&parsed, line);
	assert_int_equal(parsed.result, 0);
	body = options_body(parsed.options);
	text = cJSON_PrintUnformatted(body);
	assert_string_equal(text, expected);
	cJSON_free(text);
	cJSON_Delete(body);
	options_free(parsed.options);
}

static void flags_become_the_body(void **state)
{
	(void)state;
	assert_body("add service web --vip tcp://198.18.0.10:80 --vip=udp://198.18.0.10:53",
		    "{\"vip\":[\"tcp://198.18.0.10:80\",\"udp://198.18.0.10:53\"]}");
	assert_body("set service web --rise 3 --check-interval 500ms",
		    "{\"check-interval\":\"500ms\",\"rise\":3}");
	assert_body("set service web --check-host=", "{\"check-host\":\"\"}");
	assert_body("set backend web 198.18.1.11 --weight 0", "{\"weight\":0}");
	assert_body("set backend web 198.18.1.11 --priority 7", "{\"priority\":7}");
	assert_body("add backend web 198.18.1.11 --sorry", "{\"priority\":255}");
	assert_body("set backend web 198.18.1.11 --quic-id=", "{\"quic-id\":\"\"}");
	assert_body("set service web --mode gue --gue-variant 1 --timeout-udp 5s",
		    "{\"mode\":\"gue\",\"gue-variant\":1,\"timeout-udp\":\"5s\"}");
	assert_body("drain backend web 198.18.1.11 --wait --deadline 30s --socket /s",
		    "{\"deadline\":\"30s\"}");
	assert_body("rm backend web 198.18.1.11 --now", "{}");
}

static void words_and_flags_come_in_any_order(void **state)
{
	static const char *const lines[] = {
		"add backend web 198.18.1.11:80 --weight 2 --json",
		"--json --weight=2 add backend web 198.18.1.11:80",
		"add --weight 2 backend --json web -- 198.18.1.11:80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct parsed parsed;

		parse(&parsed, lines[i]);
		assert_int_equal(parsed.result, 0);
		assert_ptr_equal(parsed.invocation.command->run, add_backend);
		assert_int_equal(parsed.invocation.argument_count, 2);
		assert_string_equal(parsed.invocation.arguments[0], "web");
		assert_string_equal(parsed.invocation.arguments[1], "198.18.1.11:80");
		assert_string_equal(options_value(parsed.options, FLAG_WEIGHT), "2");
		options_free(parsed.options);
	}
}

static void plan_goes_before_what_changes(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "plan add backend web 198.18.1.11 --weight 2");
	assert_int_equal(parsed.result, 0);
	assert_true(parsed.invocation.plan);
	assert_ptr_equal(parsed.invocation.command->run, add_backend);
	assert_string_equal(parsed.invocation.arguments[0], "web");
	options_free(parsed.options);
	parse(&parsed, "apply -f state.json");
	assert_int_equal(parsed.result, 0);
	assert_false(parsed.invocation.plan);
	assert_string_equal(options_value(parsed.options, FLAG_FILE), "state.json");
	options_free(parsed.options);
	assert_refused("plan", "VERB is missing");
	assert_refused("plan show", "plan: show cannot be planned");
	assert_refused("plan plan rm service web", "plan: plan cannot be planned");
	assert_refused("plan rollout abort", "plan: rollout abort cannot be planned");
	assert_refused("plan rm service", "SERVICE is missing");
	assert_refused("apply", "a flag is missing: --file");
	assert_refused("show -f x", "show takes no --file");
	assert_refused("show -x", "unknown flag -x");
}

static void two_dashes_end_the_flags(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "rm service -- --web");
	assert_int_equal(parsed.result, 0);
	assert_string_equal(parsed.invocation.arguments[0], "--web");
	options_free(parsed.options);
}

static void help_needs_no_arguments(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "add --help");
	assert_int_equal(parsed.result, 0);
	assert_ptr_equal(parsed.invocation.command->run, show_help);
	assert_int_equal(parsed.invocation.argument_count, 1);
	assert_string_equal(parsed.invocation.arguments[0], "add");
	options_free(parsed.options);
}

static void wrong_usage_is_named(void **state)
{
	(void)state;
	assert_refused("", "no verb given");
	assert_refused("shwo", "unknown verb shwo");
	assert_refused("add", "add: service or backend is missing");
	assert_refused("add server web", "add: server is no service or backend");
	assert_refused("add service --vip tcp://198.18.0.10:80", "NAME is missing");
	assert_refused("add service web", "a flag is missing: --vip");
	assert_refused("add backend web", "ADDR[:PORT] is missing");
	assert_refused("set backend web 198.18.1.11", "nothing to change: no flag is given");
	assert_refused("rm service web shop", "shop is one argument too many");
	assert_refused("rm service web --weight 1", "rm service takes no --weight");
	assert_refused("show --colour", "unknown flag --colour");
	assert_refused("show -h", "unknown flag -h");
	assert_refused("show --json --json", "--json is given twice");
	assert_refused("show --json=yes", "--json takes no value");
	assert_refused("show --socket", "--socket needs a value: --socket PATH");
	assert_refused("show --socket --json", "--socket needs a value: --socket PATH");
	assert_refused("show --socket /s --url http://[::1]:9480",
		       "give --socket or --url, not both");
	assert_refused("set backend web 198.18.1.11 --weight -1",
		       "--weight: -1 is not a whole number");
	assert_refused("set backend web 198.18.1.11 --weight=", "--weight:  is not a whole number");
}

/* What dispatch, help and completion rely on. */
static void verb_table_is_sound(void **state)
{
	(void)state;
	for (const struct command *command = commands; command->verb != NULL; command++) {
		char synopsis[COMMAND_SYNOPSIS_MAX];
		const char *const words[] = {command->verb, command->object};

		assert_ptr_equal(command_match(words, command_words(command)), command);
		assert_true((command->needs & ~command->flags) == 0);
		assert_non_null(command->run);
		assert_in_range(strlen(command_synopsis(command, synopsis)), 4,
				COMMAND_SYNOPSIS_MAX - 2);
	}
	for (enum flag_id id = 0; id < FLAG_COUNT; id++) {
		assert_int_equal(flag_find(flags[id].name, strlen(flags[id].name)), id);
		if (id < FLAG_GLOBAL)
			assert_int_equal(flag_first(FLAG_BIT(id)), id);
		assert_int_equal(flags[id].value == NULL, flags[id].kind == FLAG_KIND_SWITCH);
	}
}

static void numbers_for_people(void **state)
{
	char b[HUMAN_MAX];

	(void)state;
	assert_string_equal(human_count(0, b), "0");
	assert_string_equal(human_count(9999, b), "9999");
	assert_string_equal(human_count(10000, b), "10.0K");
	assert_string_equal(human_count(99950, b), "100K");
	assert_string_equal(human_count(999499, b), "999K");
	assert_string_equal(human_count(999500, b), "1.00M");
	assert_string_equal(human_count(1e300 * 1e300, b), "-");
	assert_string_equal(human_count(-1, b), "-");
	assert_string_equal(human_bytes(9999, b), "9999 B");
	assert_string_equal(human_bytes(10240, b), "10.0 KiB");
	assert_string_equal(human_bytes(1024 * 1024, b), "1.00 MiB");
	assert_string_equal(human_bytes(1023 * 1024, b), "1.00 MiB");
	assert_string_equal(human_share(1.0 / 3, b), "33.3%");
	assert_string_equal(human_share(1, b), "100.0%");
	assert_string_equal(human_share(0.0 / 0.0, b), "-");
}

static void times_for_people(void **state)
{
	char b[HUMAN_MAX];

	(void)state;
	assert_string_equal(human_latency(0, b), "0.00us");
	assert_string_equal(human_latency(0.00012, b), "120us");
	assert_string_equal(human_latency(0.0025, b), "2.50ms");
	assert_string_equal(human_latency(0.9999, b), "1.00s");
	assert_string_equal(human_latency(10, b), "10.0s");
	assert_string_equal(human_latency(0.0 / 0.0, b), "-");
	assert_string_equal(human_span(0.9, b), "0s");
	assert_string_equal(human_span(119, b), "119s");
	assert_string_equal(human_span(120, b), "2m");
	assert_string_equal(human_span(7199, b), "119m");
	assert_string_equal(human_span(7200, b), "2h");
	assert_string_equal(human_span(172800, b), "2d");
	assert_string_equal(human_span(1e300, b), "-");
	/* 2026-11-21T01:02:03Z is 1795222923. */
	assert_string_equal(human_since("2026-11-21T01:02:03.456Z", 1795222923 + 60, b), "60s");
	assert_string_equal(human_since("2026-11-21T01:02:03Z", 1795222900, b), "0s");
	assert_string_equal(human_since("yesterday", 1795222900, b), "-");
	assert_string_equal(human_since("", 1795222900, b), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_become_the_body),
		cmocka_unit_test(words_and_flags_come_in_any_order),
		cmocka_unit_test(plan_goes_before_what_changes),
		cmocka_unit_test(two_dashes_end_the_flags),
		cmocka_unit_test(help_needs_no_arguments),
		cmocka_unit_test(wrong_usage_is_named),
		cmocka_unit_test(verb_table_is_sound),
		cmocka_unit_test(numbers_for_people),
		cmocka_unit_test(times_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
