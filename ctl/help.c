/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl help, lbctl VERB --help */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static void put_flag(FILE *out, const struct flag *flag)
{
	char left[64];

	snprintf(left, sizeof(left), "--%s%s%s", flag->name, flag->value != NULL ? " " : "",
		 flag->value != NULL ? flag->value : "");
	fprintf(out, "  %-30s  %s\n", left, flag->help);
}

static void put_flags(FILE *out, flag_set set)
{
	if (set == 0)
		return;
	fputs("\nFlags:\n", out);
	for (enum flag_id id = 0; id < FLAG_GLOBAL; id++) {
		if (set & FLAG_BIT(id))
			put_flag(out, &flags[id]);
	}
}

static void put_global_flags(FILE *out)
{
	fputs("\nFlags of every verb:\n", out);
	for (enum flag_id id = FLAG_GLOBAL; id < FLAG_COUNT; id++)
		put_flag(out, &flags[id]);
}

static void put_overview(FILE *out)
{
	char synopsis[COMMAND_SYNOPSIS_MAX];

	fprintf(out, "Usage: lbctl [--socket PATH | --url URL] [--json] VERB ...\n\n");
	for (const struct command *command = commands; command->verb != NULL; command++) {
		if (!command->hidden)
			fprintf(out, "  %-44s  %s\n", command_synopsis(command, synopsis),
				command->summary);
	}
	put_global_flags(out);
	fprintf(out, "\nADDR is an IP address, [ADDR6]:PORT one of IPv6 with a port; DURATION is "
		     "like 500ms, 30s, 5m.\n`lbctl help VERB` lists the flags of a verb.\n");
}

/* Explains the commands that words name in full or in part. False if there is none. */
static bool put_commands(FILE *out, const char *const *words, size_t count)
{
	char synopsis[COMMAND_SYNOPSIS_MAX];
	bool any = false;

	for (const struct command *command = commands; command->verb != NULL; command++) {
		if (strcmp(command->verb, words[0]) != 0)
			continue;
		if (count > 1 && command->object != NULL && strcmp(command->object, words[1]) != 0)
			continue;
		fprintf(out, "%sUsage: lbctl %s\n\n  %s\n", any ? "\n" : "",
			command_synopsis(command, synopsis), command->summary);
		put_flags(out, command->flags);
		any = true;
	}
	if (any)
		put_global_flags(out);
	return any;
}

static int put_help(FILE *out, const struct invocation *invocation, struct error *err)
{
	if (invocation->argument_count == 0) {
		put_overview(out);
		return 0;
	}
	if (put_commands(out, invocation->arguments, invocation->argument_count))
		return 0;
	error_set(err, EINVAL, "there is no verb %s", invocation->arguments[0]);
	return error_hint(err, -EINVAL, "lbctl help");
}

/* With --json, {"help": TEXT}. */
int show_help(struct invocation *invocation, struct error *err)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	int r;

	if (out == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = put_help(out, invocation, err);
	if (fclose(out) != 0 && r == 0)
		r = error_set(err, ENOMEM, "out of memory");
	if (r == 0 && invocation->json) {
		invocation->document = cJSON_CreateObject();
		cJSON_AddStringToObject(invocation->document, "help", text);
	} else if (r == 0) {
		fputs(text, stdout);
	}
	free(text);
	return r;
}
