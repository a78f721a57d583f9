/* SPDX-License-Identifier: Apache-2.0 */

/*
 * lbctl: the command line of lbagent. Words and flags (options.h) name a command of the verb
 * table (command.h), which asks the agent (client.h) and prints what came of it.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "options.h"
#include "parse.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

static int print_document(const cJSON *document)
{
	char *text = cJSON_Print(document);

	if (text == NULL) {
		fprintf(stderr, "lbctl: out of memory\n");
		return -ENOMEM;
	}
	puts(text);
	cJSON_free(text);
	return 0;
}

static void print_error(const struct error *err)
{
	fflush(stdout); /* what was done before it went wrong comes first */
	fprintf(stderr, "lbctl: %s\n", err->message);
	if (err->hint[0] != '\0')
		fprintf(stderr, "  try: %s\n", err->hint);
}

/* Adds err to the document of what was done before it, if there is one, and prints that. */
static void print_error_json(cJSON **document, const struct error *err)
{
	if (*document == NULL)
		*document = cJSON_CreateObject();
	cJSON_AddStringToObject(*document, "error", err->message);
	if (err->field[0] != '\0')
		cJSON_AddStringToObject(*document, "field", err->field);
	if (err->hint[0] != '\0')
		cJSON_AddStringToObject(*document, "hint", err->hint);
	print_document(*document);
}

/* NULL: out of memory. */
static struct client *make_client(const struct options *options)
{
	struct client *client = client_new(options_value(options, FLAG_SOCKET),
					   options_value(options, FLAG_URL), CLIENT_TIMEOUT_MS);
	const char *generation = options_value(options, FLAG_IF_GENERATION);
	struct error unused;
	uint64_t number = 0;

	if (client == NULL)
		return NULL;
	client_use_token_file(client, options_value(options, FLAG_TOKEN_FILE));
	client_use_ca(client, options_value(options, FLAG_CA));
	if (generation != NULL && parse_number(generation, 0, UINT64_MAX, &number, &unused) == 0)
		client_if_generation(client, number); /* the flag was checked before */
	return client;
}

static int run(struct invocation *invocation, struct error *err)
{
	int r;

	invocation->client = make_client(invocation->options);
	if (invocation->client == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = invocation->command->run(invocation, err);
	client_free(invocation->client);
	if (r >= 0 && invocation->json && invocation->document != NULL)
		r = print_document(invocation->document);
	return r < 0 ? r : 0;
}

/* Whether --json is among arguments that could not be parsed as a whole. */
static bool wants_json(char *const argv[])
{
	for (size_t i = 1; argv[i] != NULL && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--json") == 0)
			return true;
	}
	return false;
}

int main(int argc, char *argv[])
{
	struct invocation invocation = {.json = wants_json(argv)};
	struct options *options = NULL;
	struct error err = {0};
	int status = EXIT_USAGE;
	int r;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	r = options_parse(argc, argv, &options, &err);
	if (r == 0)
		r = command_resolve(options, &invocation, &err);
	if (r == 0)
		r = run(&invocation, &err);
	if (r != -EINVAL)
		status = r == 0 ? EXIT_DONE : EXIT_REFUSED;
	if (status != EXIT_DONE && invocation.json)
		print_error_json(&invocation.document, &err);
	else if (status != EXIT_DONE)
		print_error(&err);
	cJSON_Delete(invocation.document);
	options_free(options);
	curl_global_cleanup();
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("lbctl: standard output");
		return EXIT_REFUSED;
	}
	return status;
}
