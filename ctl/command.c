/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
#define FLAGS_CHECK                                                                                \
	(FLAG_BIT(FLAG_CHECK) | FLAG_BIT(FLAG_CHECK_METHOD) | FLAG_BIT(FLAG_CHECK_PATH) |          \
	 FLAG_BIT(FLAG_CHECK_HOST) | FLAG_BIT(FLAG_CHECK_HEADER) | FLAG_BIT(FLAG_CHECK_STATUS) |   \
	 FLAG_BIT(FLAG_CHECK_BODY) | FLAG_BIT(FLAG_CHECK_CA) | FLAG_BIT(FLAG_CHECK_SNI) |          \
	 FLAG_BIT(FLAG_CHECK_CERT) | FLAG_BIT(FLAG_CHECK_KEY) | FLAG_BIT(FLAG_CHECK_INSECURE) |    \
	 FLAG_BIT(FLAG_CHECK_PAYLOAD) | FLAG_BIT(FLAG_CHECK_EXPECT) | FLAG_BIT(FLAG_CHECK_NAME) |  \
	 FLAG_BIT(FLAG_CHECK_TYPE) | FLAG_BIT(FLAG_CHECK_COMMAND) | FLAG_BIT(FLAG_CHECK_PORT) |    \
	 FLAG_BIT(FLAG_CHECK_INTERVAL) | FLAG_BIT(FLAG_CHECK_TIMEOUT) |                            \
	 FLAG_BIT(FLAG_CHECK_FAST_INTERVAL) | FLAG_BIT(FLAG_RISE) | FLAG_BIT(FLAG_FALL))
#define FLAGS_SCALE                                                                        \
	(FLAG_BIT(FLAG_SCALE) | FLAG_BIT(FLAG_SCALE_METRIC) |                                      \
	 FLAG_BIT(FLAG_SCALE_PROMQL) | FLAG_BIT(FLAG_SCALE_PROMETHEUS) |                           \
	 FLAG_BIT(FLAG_SCALE_TARGET) | FLAG_BIT(FLAG_SCALE_UP_ABOVE) |                             \
	 FLAG_BIT(FLAG_SCALE_DOWN_BELOW) | FLAG_BIT(FLAG_SCALE_INTERVAL) |                         \
	 FLAG_BIT(FLAG_SCALE_WINDOW) | FLAG_BIT(FLAG_SCALE_MIN) |                                  \
	 FLAG_BIT(FLAG_SCALE_MAX) | FLAG_BIT(FLAG_SCALE_STEP) |                                    \
	 FLAG_BIT(FLAG_SCALE_COUNT) | FLAG_BIT(FLAG_SCALE_UP_COOLDOWN) |                           \
	 FLAG_BIT(FLAG_SCALE_DOWN_COOLDOWN) | FLAG_BIT(FLAG_SCALE_STABILIZATION) |                 \
	 FLAG_BIT(FLAG_SCALE_FAILURES) | FLAG_BIT(FLAG_SCALE_RETRY) |                              \
	 FLAG_BIT(FLAG_SCALE_PACE) | FLAG_BIT(FLAG_SCALE_DRAIN) |                                  \
	 FLAG_BIT(FLAG_SCALE_TIMEOUT) | FLAG_BIT(FLAG_SCALE_REPLACE_AFTER) |                       \
	 FLAG_BIT(FLAG_SCALE_PREDICT) | FLAG_BIT(FLAG_SCALE_SEASON) |                              \
	 FLAG_BIT(FLAG_SCALE_SCHEDULE) | FLAG_BIT(FLAG_SCALE_DRIVER))
#define FLAGS_LOAD                                                                                 \
	(FLAG_BIT(FLAG_LOAD) | FLAG_BIT(FLAG_LOAD_PORT) | FLAG_BIT(FLAG_LOAD_INTERVAL) |           \
	 FLAG_BIT(FLAG_LOAD_BUDGET) | FLAG_BIT(FLAG_LOAD_FLOOR))
#define FLAGS_GUARD                                                                                \
	(FLAG_BIT(FLAG_SOURCE_ALLOW) | FLAG_BIT(FLAG_SOURCE_DENY) |                                \
	 FLAG_BIT(FLAG_SOURCE_PREFIX_IPV4) | FLAG_BIT(FLAG_SOURCE_PREFIX_IPV6) |                   \
	 FLAG_BIT(FLAG_SOURCE_RATE_FLOWS) | FLAG_BIT(FLAG_SOURCE_RATE_PACKETS) |                   \
	 FLAG_BIT(FLAG_MAX_NEW_FLOWS) | FLAG_BIT(FLAG_MAX_NEW_ENTRIES) |                           \
	 FLAG_BIT(FLAG_SYN_COOKIES) | FLAG_BIT(FLAG_SYN_COOKIES_ABOVE))
#define FLAGS_SERVICE                                                                              \
	(FLAG_BIT(FLAG_VIP) | FLAG_BIT(FLAG_MODE) | FLAG_BIT(FLAG_GUE_VARIANT) |                   \
	 FLAG_BIT(FLAG_GUE_PORT) | FLAG_BIT(FLAG_TUNNEL_SOURCE) | FLAG_BIT(FLAG_SCHEDULER) |       \
	 FLAG_BIT(FLAG_TRACKING) | FLAG_BIT(FLAG_WHEN_DOWN) | FLAG_BIT(FLAG_TOO_BIG) |             \
	 FLAGS_CHECK | FLAGS_SCALE | FLAGS_LOAD | FLAG_BIT(FLAG_SLOW_START) | FLAG_BIT(FLAG_PASSIVE) |                        \
	 FLAG_BIT(FLAG_EJECT_MAX) | FLAG_BIT(FLAG_PANIC_THRESHOLD) |                               \
	 FLAG_BIT(FLAG_CHECK_VIA) | FLAG_BIT(FLAG_ANNOUNCE_MIN) | FLAG_BIT(FLAG_TIMEOUT_ESTABLISHED) |   \
	 FLAG_BIT(FLAG_TIMEOUT_EMBRYONIC) | FLAG_BIT(FLAG_TIMEOUT_CLOSING) |                       \
	 FLAG_BIT(FLAG_TIMEOUT_UDP) | FLAG_BIT(FLAG_QUIC_ID_LENGTH) |                               \
	 FLAG_BIT(FLAG_SECOND_CHANCE) | FLAGS_GUARD)
#define FLAGS_BACKEND                                                                              \
	(FLAG_BIT(FLAG_WEIGHT) | FLAG_BIT(FLAG_PRIORITY) | FLAG_BIT(FLAG_SORRY) |                  \
	 FLAG_BIT(FLAG_QUIC_ID) | FLAG_BIT(FLAG_STATE))

/* Of every command that changes something. */
#define FLAGS_CHANGE (FLAG_BIT(FLAG_MAX_DISRUPTION) | FLAG_BIT(FLAG_IF_GENERATION))

#define NEW_SERVICE  {"NAME", ARGUMENT_NEW, false, false}
#define SERVICE      {"SERVICE", ARGUMENT_SERVICE, false, false}
#define NEW_BACKENDS {"ADDR[:PORT]", ARGUMENT_NEW, false, true}
#define BACKEND      {"ADDR[:PORT]", ARGUMENT_BACKEND, false, false}
#define PLANNED      {"VERB", ARGUMENT_VERB, false, true}

const struct command commands[] = {
	{"add", "service", "add a service", {NEW_SERVICE},
	 FLAGS_SERVICE | FLAG_BIT(FLAG_BACKEND) | FLAGS_CHANGE, FLAG_BIT(FLAG_VIP), false, add_service},
	{"add", "backend", "add backends to a service", {SERVICE, NEW_BACKENDS},
	 FLAGS_BACKEND | FLAGS_CHANGE, 0, false, add_backend},
	{"set", "service", "change a service", {SERVICE},
	 FLAGS_SERVICE | FLAGS_CHANGE, FLAGS_SERVICE, false, set_service},
	{"set", "backend", "change a backend", {SERVICE, BACKEND},
	 FLAGS_BACKEND | FLAGS_CHANGE, FLAGS_BACKEND, false, set_backend},
	{"drain", "backend", "give a backend no new flows, let it finish those it has",
	 {SERVICE, BACKEND},
	 FLAG_BIT(FLAG_DEADLINE) | FLAG_BIT(FLAG_WAIT) | FLAGS_CHANGE, 0, false, drain_backend},
	{"rm", "service", "remove a service and its backends at once", {SERVICE},
	 FLAGS_CHANGE, 0, false, rm_service},
	{"rm", "backend", "drain a backend for up to 30s or --deadline, then remove it",
	 {SERVICE, BACKEND},
	 FLAG_BIT(FLAG_DEADLINE) | FLAG_BIT(FLAG_NOW) | FLAG_BIT(FLAG_WAIT) | FLAGS_CHANGE, 0, false,
	 rm_backend},
	{"scale", NULL, "show what the autoscaler does, or set the number of backends by hand",
	 {SERVICE, {"N|auto", ARGUMENT_NEW, true, false}}, FLAGS_CHANGE, 0, false, scale_service},
	{"plan", NULL, "show what a verb that changes something would do", {PLANNED},
	 0, 0, false, show_help},
	{"apply", NULL, "make services and backends match a file, all at once", {{0}},
	 FLAG_BIT(FLAG_FILE) | FLAG_BIT(FLAG_DRY_RUN) | FLAG_BIT(FLAG_NOW) |
	 FLAG_BIT(FLAG_DEADLINE) | FLAG_BIT(FLAG_STAGE) | FLAGS_CHANGE, FLAG_BIT(FLAG_FILE), false,
	 apply_config},
	{"rollout", "begin", "give a file to the balancers of a fleet, one share after the other",
	 {{"SHARE", ARGUMENT_NEW, true, true}},
	 FLAG_BIT(FLAG_FILE) | FLAG_BIT(FLAG_FOR) | FLAG_BIT(FLAG_WAIT) |
	 FLAG_BIT(FLAG_MAX_DISRUPTION), FLAG_BIT(FLAG_FILE), false, begin_rollout},
	{"rollout", "show", "show how a roll-out fares, and the fleet's balancers", {{0}},
	 0, 0, false, show_rollout},
	{"rollout", "abort", "end the roll-out: what was in force before is so again", {{0}},
	 0, 0, false, abort_rollout},
	{"reload", NULL, "read the files of source lists again", {{0}}, 0, 0, false, reload_sources},
	{"export", NULL, "print services and backends as a file for apply", {{0}},
	 0, 0, false, export_config},
	{"show", NULL, "show services and their backends",
	 {{"SERVICE", ARGUMENT_SERVICE, true, false}}, 0, 0, false, show_services},
	{"flows", NULL, "list or count live flows",
	 {{"SERVICE", ARGUMENT_SERVICE, true, false}, {"ADDR[:PORT]", ARGUMENT_BACKEND, true, false}},
	 FLAG_BIT(FLAG_COUNT_ONLY) | FLAG_BIT(FLAG_FLOW_STATE) | FLAG_BIT(FLAG_MIN_AGE) |
	 FLAG_BIT(FLAG_MAX_AGE) | FLAG_BIT(FLAG_CLIENT) | FLAG_BIT(FLAG_LIMIT),
	 0, false, show_flows},
	{"events", NULL, "show what happened, who did it and why", {{0}},
	 FLAG_BIT(FLAG_FOLLOW) | FLAG_BIT(FLAG_SERVICE) | FLAG_BIT(FLAG_KIND) |
	 FLAG_BIT(FLAG_SINCE) | FLAG_BIT(FLAG_LIMIT), 0, false, show_events},
	{"capture", NULL, "write packets to a file as they come in and as they leave",
	 {{"SERVICE", ARGUMENT_SERVICE, true, false}, {"ADDR[:PORT]", ARGUMENT_BACKEND, true, false}},
	 FLAG_BIT(FLAG_WRITE) | FLAG_BIT(FLAG_VIP) | FLAG_BIT(FLAG_CLIENT) | FLAG_BIT(FLAG_VERDICT) |
	 FLAG_BIT(FLAG_REASON) | FLAG_BIT(FLAG_SAMPLE) | FLAG_BIT(FLAG_SNAPLEN) |
	 FLAG_BIT(FLAG_LIMIT) | FLAG_BIT(FLAG_FOR), FLAG_BIT(FLAG_WRITE), false, capture_packets},
	{"drops", NULL, "show why packets are dropped, one of each, and what to do", {{0}},
	 FLAG_BIT(FLAG_FOLLOW) | FLAG_BIT(FLAG_INTERVAL) | FLAG_BIT(FLAG_WRITE), 0, false, show_drops},
	{"top", NULL, "watch the traffic of services and backends",
	 {{"SERVICE", ARGUMENT_SERVICE, true, false}},
	 FLAG_BIT(FLAG_INTERVAL) | FLAG_BIT(FLAG_ONCE), 0, false, show_top},
	{"status", NULL, "show the agent, its interfaces, limits and drops", {{0}},
	 0, 0, false, show_status},
	{"withdraw", NULL, "announce no VIP any more, until announce", {{0}},
	 0, 0, false, withdraw_balancer},
	{"announce", NULL, "announce VIPs again, as far as their services are healthy", {{0}},
	 0, 0, false, announce_balancer},
	{"fleet", NULL, "compare balancers: do they agree, and if not, in what",
	 {{"URL|SOCKET", ARGUMENT_NEW, false, true}}, 0, 0, false, compare_fleet},
	{"bgp-config", NULL, "print what makes BIRD or FRR announce the VIPs", {{0}},
	 FLAG_BIT(FLAG_FOR) | FLAG_BIT(FLAG_AS) | FLAG_BIT(FLAG_PEER_AS) | FLAG_BIT(FLAG_PEER) |
	 FLAG_BIT(FLAG_ROUTER_ID) | FLAG_BIT(FLAG_TABLE) | FLAG_BIT(FLAG_BFD),
	 FLAG_BIT(FLAG_FOR), false, print_bgp_config},
	{"explain", NULL, "tell where a packet would go, and why",
	 {{"PROTO", ARGUMENT_PROTOCOL, false, false}, {"SRC[:PORT]", ARGUMENT_NEW, false, false},
	  {"DST[:PORT]", ARGUMENT_NEW, false, false}},
	 FLAG_BIT(FLAG_FLAGS) | FLAG_BIT(FLAG_LENGTH) | FLAG_BIT(FLAG_INTERFACE) |
	 FLAG_BIT(FLAG_VLAN), 0, false, show_explanation},
	{"doctor", NULL, "look for what stands in the way of packets", {{0}},
	 0, 0, false, show_doctor},
	{"version", NULL, "show the versions of lbctl and of the agent", {{0}},
	 0, 0, false, show_version},
	{"help", NULL, "explain all verbs, or one", {{"VERB", ARGUMENT_VERB, true, true}},
	 0, 0, false, show_help},
	{"complete", NULL, "print completions of the last word",
	 {{"WORD", ARGUMENT_NEW, true, true}}, 0, 0, true, complete_words},
	{0},
};
/* clang-format on */

size_t command_words(const struct command *command)
{
	return command->object != NULL ? 2 : 1;
}

const struct command *command_match(const char *const *words, size_t count)
{
	for (const struct command *command = commands; command->verb != NULL; command++) {
		if (count < command_words(command) || strcmp(command->verb, words[0]) != 0)
			continue;
		if (command->object == NULL || strcmp(command->object, words[1]) == 0)
			return command;
	}
	return NULL;
}

const struct argument *command_argument(const struct command *command, size_t index)
{
	const struct argument *last = NULL;

	for (size_t i = 0; i < COMMAND_ARGUMENTS_MAX; i++) {
		if (command->arguments[i].name == NULL)
			break;
		last = &command->arguments[i];
		if (i == index)
			return last;
	}
	return last != NULL && last->repeats ? last : NULL;
}

static void append(char *buffer, const char *before, const char *text, const char *after)
{
	size_t used = strlen(buffer);

	snprintf(buffer + used, COMMAND_SYNOPSIS_MAX - used, "%s%s%s", before, text, after);
}

bool command_changes(const struct command *command)
{
	return (command->flags & FLAGS_CHANGE) != 0;
}

/* Is there one flag that it cannot do without? */
static bool needs_one(const struct command *command)
{
	return command->needs != 0 && (command->needs & (command->needs - 1)) == 0;
}

const char *command_synopsis(const struct command *command, char buffer[COMMAND_SYNOPSIS_MAX])
{
	buffer[0] = '\0';
	append(buffer, "", command->verb, "");
	if (command->object != NULL)
		append(buffer, " ", command->object, "");
	for (size_t i = 0; i < COMMAND_ARGUMENTS_MAX; i++) {
		const struct argument *argument = &command->arguments[i];

		if (argument->name == NULL)
			break;
		append(buffer, argument->optional ? " [" : " ", argument->name,
		       argument->repeats ? "..." : "");
		append(buffer, argument->optional ? "]" : "", "", "");
	}
	if (needs_one(command)) {
		append(buffer, " --", flags[flag_first(command->needs)].name, " ");
		append(buffer, "", flags[flag_first(command->needs)].value, "");
	}
	if (command->flags != 0)
		append(buffer, "",
		       command->needs == (command->flags & ~FLAGS_CHANGE) && command->needs != 0
			       ? " FLAG..."
			       : " [FLAG...]",
		       "");
	return buffer;
}

static int usage_hint(const struct command *command, struct error *err)
{
	char synopsis[COMMAND_SYNOPSIS_MAX];

	return error_hint(err, -EINVAL, "lbctl %s", command_synopsis(command, synopsis));
}

/* Why words name no command: no verb, an unknown one, or one that lacks its object. */
static int unmatched(const char *const *words, size_t count, struct error *err)
{
	char objects[64] = "";

	if (count == 0) {
		error_set(err, EINVAL, "no verb given");
		return error_hint(err, -EINVAL, "lbctl help");
	}
	for (const struct command *command = commands; command->verb != NULL; command++) {
		size_t used = strlen(objects);

		if (strcmp(command->verb, words[0]) == 0)
			snprintf(objects + used, sizeof(objects) - used, "%s%s",
				 used > 0 ? " or " : "", command->object);
	}
	if (objects[0] == '\0') {
		error_set(err, EINVAL, "unknown verb %s", words[0]);
		return error_hint(err, -EINVAL, "lbctl help");
	}
	if (count == 1)
		error_set(err, EINVAL, "%s: %s is missing", words[0], objects);
	else
		error_set(err, EINVAL, "%s: %s is no %s", words[0], words[1], objects);
	return error_hint(err, -EINVAL, "lbctl help %s", words[0]);
}

static int check_arguments(const struct invocation *invocation, struct error *err)
{
	const struct command *command = invocation->command;
	size_t count = invocation->argument_count;
	const struct argument *next =
		count < COMMAND_ARGUMENTS_MAX ? &command->arguments[count] : NULL;

	if (next != NULL && next->name != NULL && !next->optional) {
		error_set(err, EINVAL, "%s is missing", next->name);
		return usage_hint(command, err);
	}
	for (size_t i = 0; i < count; i++) {
		if (command_argument(command, i) == NULL) {
			error_set(err, EINVAL, "%s is one argument too many",
				  invocation->arguments[i]);
			return usage_hint(command, err);
		}
	}
	return 0;
}

static int check_flags(const struct invocation *invocation, struct error *err)
{
	const struct command *command = invocation->command;
	flag_set given = options_flags(invocation->options);
	flag_set wrong = given & ~command->flags;

	if (wrong != 0) {
		error_set(err, EINVAL, "%s%s%s takes no --%s", command->verb,
			  command->object != NULL ? " " : "",
			  command->object != NULL ? command->object : "",
			  flags[flag_first(wrong)].name);
		return usage_hint(command, err);
	}
	if (options_value(invocation->options, FLAG_SOCKET) &&
	    options_value(invocation->options, FLAG_URL))
		return error_set(err, EINVAL, "give --socket or --url, not both");
	if ((given & FLAG_BIT(FLAG_PRIORITY)) && (given & FLAG_BIT(FLAG_SORRY)))
		return error_set(err, EINVAL, "give --priority or --sorry, not both");
	if (command->needs != 0 && (given & command->needs) == 0) {
		bool one = needs_one(command);

		error_set(err, EINVAL, "%s%s",
			  one ? "a flag is missing: --" : "nothing to change: no flag is given",
			  one ? flags[flag_first(command->needs)].name : "");
		return usage_hint(command, err);
	}
	return 0;
}

int command_resolve(const struct options *options, struct invocation *invocation, struct error *err)
{
	static const char *const help_words[] = {"help"};
	size_t count;
	const char *const *words = options_words(options, &count);
	bool wants_help = options_value(options, FLAG_HELP) != NULL;
	/* `plan` goes before another verb; alone it is one itself, which misses its argument. */
	bool plan = !wants_help && count > 1 && strcmp(words[0], "plan") == 0;
	const struct command *command;
	size_t skip;
	int r;

	words += plan ? 1 : 0;
	count -= plan ? 1 : 0;
	command = wants_help ? command_match(help_words, 1) : command_match(words, count);
	if (command == NULL)
		return unmatched(words, count, err);
	if (plan && !command_changes(command)) {
		error_set(err, EINVAL, "plan: %s%s%s cannot be planned", command->verb,
			  command->object ? " " : "", command->object ?: "");
		return error_hint(err, -EINVAL, "lbctl help plan");
	}
	invocation->plan = plan;
	skip = wants_help ? 0 : command_words(command);
	invocation->command = command;
	invocation->options = options;
	invocation->arguments = words + skip;
	invocation->argument_count = count - skip;
	if (wants_help)
		return 0;
	r = check_arguments(invocation, err);
	return r < 0 ? r : check_flags(invocation, err);
}
