/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_COMMAND_H
#define SLUICE_CTL_COMMAND_H

/*
 * The verb table: dispatch, help and completion all read it, so that none can drift from the
 * others. Each verb, or family of verbs, is one file.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client.h"
#include "error.h"
#include "options.h"

/* What an argument names, and so how it is completed. */
enum argument_kind {
	ARGUMENT_NEW,
	ARGUMENT_SERVICE,
	ARGUMENT_BACKEND,
	ARGUMENT_VERB,
	ARGUMENT_PROTOCOL,
};

struct argument {
	const char *name;
	enum argument_kind kind;
	bool optional;
	bool repeats; /* the last one only */
};

#define COMMAND_ARGUMENTS_MAX 3

/* One command line as it was understood. */
struct invocation {
	const struct command *command;
	const struct options *options;
	const char *const *arguments; /* words after verb and object */
	size_t argument_count;
	struct client *client;
	bool plan;       /* show what the command would do */
	bool json;       /* print nothing but the document */
	cJSON *document; /* what --json prints; run sets it, the caller owns it. NULL: run has
			  * printed what there is */
};

struct command {
	const char *verb;
	const char *object; /* "service", "backend"; NULL if the verb has none */
	const char *summary;
	struct argument arguments[COMMAND_ARGUMENTS_MAX];
	flag_set flags; /* those of its own */
	flag_set needs; /* of these at least one must be given; 0: none */
	bool hidden;    /* from help and completion */
	/* Does it, prints the outcome for people unless json. 0, or 1 if it was only planned. Else
	 * negative errno with err filled; -EINVAL is wrong usage, what the agent refused never is.
	 */
	int (*run)(struct invocation *invocation, struct error *err);
};

/* Ended by one whose verb is NULL. Commands of one verb stand together. */
extern const struct command commands[];

/* The number of words that name it: verb and object. */
size_t command_words(const struct command *command);

/* The command that words name; NULL if they name none. */
const struct command *command_match(const char *const *words, size_t count);

/* Whether it changes something, and so can be planned. */
bool command_changes(const struct command *command);

/* The argument in position `index`, repeating ones counted; NULL if there is none. */
const struct argument *command_argument(const struct command *command, size_t index);

/* Finds the command and checks arguments and flags against it. -EINVAL: wrong usage. Fills
 * invocation's command, options, arguments. With --help, arguments are not checked. */
int command_resolve(const struct options *options, struct invocation *invocation,
		    struct error *err);

/* "add backend SERVICE ADDR[:PORT]... [FLAG...]"; fits COMMAND_SYNOPSIS_MAX. */
#define COMMAND_SYNOPSIS_MAX 160
const char *command_synopsis(const struct command *command, char buffer[COMMAND_SYNOPSIS_MAX]);

/* What bgp-config is --for. */
#define BGP_DAEMONS "bird|frr"

int add_service(struct invocation *invocation, struct error *err);
int add_backend(struct invocation *invocation, struct error *err);
int set_service(struct invocation *invocation, struct error *err);
int set_backend(struct invocation *invocation, struct error *err);
int drain_backend(struct invocation *invocation, struct error *err);
int rm_service(struct invocation *invocation, struct error *err);
int rm_backend(struct invocation *invocation, struct error *err);
int apply_config(struct invocation *invocation, struct error *err);
int begin_rollout(struct invocation *invocation, struct error *err);
int show_rollout(struct invocation *invocation, struct error *err);
int abort_rollout(struct invocation *invocation, struct error *err);
int reload_sources(struct invocation *invocation, struct error *err);
int export_config(struct invocation *invocation, struct error *err);
int show_services(struct invocation *invocation, struct error *err);
int scale_service(struct invocation *invocation, struct error *err);
int show_flows(struct invocation *invocation, struct error *err);
int capture_packets(struct invocation *invocation, struct error *err);
int show_drops(struct invocation *invocation, struct error *err);
int show_events(struct invocation *invocation, struct error *err);
int show_top(struct invocation *invocation, struct error *err);
int show_status(struct invocation *invocation, struct error *err);
int withdraw_balancer(struct invocation *invocation, struct error *err);
int announce_balancer(struct invocation *invocation, struct error *err);
int compare_fleet(struct invocation *invocation, struct error *err);
int print_bgp_config(struct invocation *invocation, struct error *err);
int show_doctor(struct invocation *invocation, struct error *err);
int show_explanation(struct invocation *invocation, struct error *err);
int show_version(struct invocation *invocation, struct error *err);
int show_help(struct invocation *invocation, struct error *err);
int complete_words(struct invocation *invocation, struct error *err);

#endif
