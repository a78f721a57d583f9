/* SPDX-License-Identifier: Apache-2.0 */

/*
 * lbctl complete -- WORD...: what the last word, begun or empty, may become, one a line; the
 * words before it are those between "lbctl" and the cursor. Hidden: the shell's completion
 * script calls it. Everything comes from the verb table, the flag table and the agent, so that
 * completion knows what lbctl knows. Whatever goes wrong, there is just nothing to offer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "command.h"

/* A key press waits for it. */
#define TIMEOUT_MS 1000L

struct completion {
	cJSON *found;
	const char *partial; /* the word to complete */
	const char *lead;    /* "--flag=" in front of partial, offered with it; may be empty */
	size_t lead_length;
	const char **words; /* complete words before it, flags left out */
	size_t word_count;
	bool given[FLAG_COUNT]; /* flags before it */
	enum flag_id awaits;    /* the flag whose value partial is; FLAG_COUNT: none */
	const char *socket;     /* as given among the words, or NULL */
	const char *url;
	const char *ca;
};

static void offer(const struct completion *c, const char *candidate, size_t length)
{
	char *text = NULL;

	if (length < strlen(c->partial) || strncmp(candidate, c->partial, strlen(c->partial)) != 0)
		return;
	if (asprintf(&text, "%.*s%.*s", (int)c->lead_length, c->lead, (int)length, candidate) < 0)
		return;
	cJSON_AddItemToArray(c->found, cJSON_CreateString(text));
	free(text);
}

static void note_flag(struct completion *c, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t length = equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2;
	enum flag_id id = flag_find(word + 2, length);

	if (id == FLAG_COUNT)
		return;
	c->given[id] = true;
	if (equals == NULL && flags[id].kind != FLAG_KIND_SWITCH)
		c->awaits = id;
	if (equals != NULL && id == FLAG_SOCKET)
		c->socket = equals + 1;
	if (equals != NULL && id == FLAG_URL)
		c->url = equals + 1;
	if (equals != NULL && id == FLAG_CA)
		c->ca = equals + 1;
}

static void note_word(struct completion *c, const char *word)
{
	if (c->awaits != FLAG_COUNT) {
		if (c->awaits == FLAG_SOCKET)
			c->socket = word;
		if (c->awaits == FLAG_URL)
			c->url = word;
		if (c->awaits == FLAG_CA)
			c->ca = word;
		c->awaits = FLAG_COUNT;
	} else if (strncmp(word, "--", 2) == 0) {
		note_flag(c, word);
	} else {
		c->words[c->word_count++] = word;
	}
}

/* Parts "--flag=begun" into what stays and what is to be completed. */
static void split_partial(struct completion *c)
{
	const char *equals = strchr(c->partial, '=');

	if (c->awaits != FLAG_COUNT || equals == NULL || strncmp(c->partial, "--", 2) != 0)
		return;
	c->awaits = flag_find(c->partial + 2, (size_t)(equals - c->partial) - 2);
	if (c->awaits == FLAG_COUNT)
		return;
	c->lead = c->partial;
	c->lead_length = (size_t)(equals - c->partial) + 1;
	c->partial = equals + 1;
}

/* The choices of a flag that other verbs give something else. */
static const char *choices_of(const struct completion *c)
{
	if (c->awaits == FLAG_FOR && c->word_count > 0 && strcmp(c->words[0], "bgp-config") == 0)
		return BGP_DAEMONS;
	return flag_has_choices(&flags[c->awaits]) ? flags[c->awaits].value : "";
}

static void offer_choices(const struct completion *c)
{
	const char *choice = choices_of(c);

	while (*choice != '\0') {
		size_t length = strcspn(choice, "|");

		offer(c, choice, length);
		choice += length + (choice[length] == '|');
	}
}

static void offer_flags(const struct completion *c)
{
	const struct command *command = command_match(c->words, c->word_count);
	flag_set set = command != NULL ? command->flags : 0;

	for (enum flag_id id = 0; id < FLAG_COUNT; id++) {
		bool again = flags[id].kind == FLAG_KIND_LIST || !c->given[id];
		char flag[64];

		if ((id < FLAG_GLOBAL && !(set & FLAG_BIT(id))) || !again)
			continue;
		snprintf(flag, sizeof(flag), "--%s", flags[id].name);
		offer(c, flag, strlen(flag));
	}
}

static void offer_verbs(const struct completion *c)
{
	const char *last = "";

	for (const struct command *command = commands; command->verb != NULL; command++) {
		if (!command->hidden && strcmp(command->verb, last) != 0)
			offer(c, command->verb, strlen(command->verb));
		last = command->verb;
	}
}

static void offer_objects(const struct completion *c, const char *verb)
{
	for (const struct command *command = commands; command->verb != NULL; command++) {
		if (strcmp(command->verb, verb) == 0 && command->object != NULL)
			offer(c, command->object, strlen(command->object));
	}
}

/* The text of `key` of each object in the agent's list `list` at path. */
static void offer_live(const struct completion *c, const struct request *request, const char *list,
		       const char *key)
{
	struct client *client = client_new(c->socket, c->url, TIMEOUT_MS);
	struct error unused = {0};
	cJSON *answer = NULL;
	const cJSON *item;

	if (client != NULL)
		client_use_ca(client, c->ca);
	if (client != NULL && client_call(client, request, &answer, &unused) == 0) {
		cJSON_ArrayForEach (item, answer_item(answer, list)) {
			const char *name = answer_text(item, key);

			if (name != NULL)
				offer(c, name, strlen(name));
		}
	}
	cJSON_Delete(answer);
	client_free(client);
}

static void offer_argument(const struct completion *c, const struct command *command)
{
	static const char *const protocols[] = {"tcp", "udp", "sctp", "icmp"};
	size_t named = command_words(command);
	const struct argument *argument = command_argument(command, c->word_count - named);
	struct request request = {.method = "GET", .path = {"services"}};

	if (argument == NULL)
		return;
	switch (argument->kind) {
	case ARGUMENT_VERB:
		if (c->word_count == named)
			offer_verbs(c);
		else
			offer_objects(c, c->words[named]);
		break;
	case ARGUMENT_SERVICE:
		offer_live(c, &request, "services", "name");
		break;
	case ARGUMENT_BACKEND:
		request.path[1] = c->words[named];
		request.path[2] = "backends";
		offer_live(c, &request, "backends", "address");
		break;
	case ARGUMENT_PROTOCOL:
		for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
			offer(c, protocols[i], strlen(protocols[i]));
		break;
	case ARGUMENT_NEW:
		break;
	}
}

static void offer_all(const struct completion *c)
{
	const struct command *command = command_match(c->words, c->word_count);

	if (c->awaits != FLAG_COUNT)
		offer_choices(c);
	else if (c->partial[0] == '-')
		offer_flags(c);
	else if (c->word_count == 0)
		offer_verbs(c);
	else if (command != NULL)
		offer_argument(c, command);
	else if (c->word_count == 1)
		offer_objects(c, c->words[0]);
}

/* With --json, an array. */
int complete_words(struct invocation *invocation, struct error *err)
{
	size_t count = invocation->argument_count;
	struct completion c = {.found = cJSON_CreateArray(),
			       .partial = count > 0 ? invocation->arguments[count - 1] : "",
			       .lead = "",
			       .words = calloc(count + 1, sizeof(*c.words)),
			       .awaits = FLAG_COUNT};
	const char **words = c.words;
	const cJSON *item;

	invocation->document = c.found;
	if (c.found == NULL || words == NULL) {
		free(words);
		return error_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 0; i + 1 < count; i++)
		note_word(&c, invocation->arguments[i]);
	if (c.word_count > 1 && strcmp(words[0], "plan") == 0) {
		c.words++;
		c.word_count--;
	}
	split_partial(&c);
	offer_all(&c);
	free(words);
	cJSON_ArrayForEach (item, c.found) {
		if (!invocation->json)
			puts(item->valuestring);
	}
	return 0;
}
