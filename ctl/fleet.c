/* SPDX-License-Identifier: Apache-2.0 */

/*
 * lbctl fleet URL|SOCKET...: asks each balancer what it is, what its services were asked to be
 * (config-digest) and by which tables their packets go (table-digest), and tells who differs from
 * whom in what. What differs in configuration stays so until somebody mends it; where only tables
 * do, balancers know different things of the backends' health at this moment.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "command.h"
#include "json.h"
#include "screen.h"

#define TIMEOUT_MS 3000L
#define ABSENT     "-"

struct balancer {
	const char *place; /* as it was given */
	struct client *client;
	cJSON *status;   /* NULL: it was not reached, and why says so */
	cJSON *services; /* {"services": [SUMMARY...]} */
	cJSON *config;   /* asked for when it is needed; NULL: not yet, or not to be had */
	struct error why;
};

struct fleet {
	struct balancer *balancers;
	size_t count;
	cJSON *document;
	bool apart; /* they do not agree, and not for a moment only */
};

/* --- asking --- */

static int call(struct balancer *balancer, const char *path, bool summary, cJSON **ret_answer)
{
	struct request request = {.method = "GET", .path = {path}};

	if (summary) {
		request.query[0] = "summary";
		request.query[1] = "true";
	}
	return client_call(balancer->client, &request, ret_answer, &balancer->why);
}

static void ask(struct balancer *balancer)
{
	int r = call(balancer, "status", false, &balancer->status);

	if (r == 0)
		r = answer_check_status(balancer->status, &balancer->why);
	if (r == 0)
		r = call(balancer, "services", true, &balancer->services);
	if (r == 0)
		r = answer_check_summaries(balancer->services, &balancer->why);
	if (r == 0)
		return;
	cJSON_Delete(balancer->status);
	balancer->status = NULL;
}

static int ask_all(struct invocation *invocation, struct fleet *fleet, struct error *err)
{
	const char *ca = options_value(invocation->options, FLAG_CA);

	fleet->count = invocation->argument_count;
	fleet->balancers = calloc(fleet->count, sizeof(*fleet->balancers));
	if (fleet->balancers == NULL)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < fleet->count; i++) {
		struct balancer *balancer = &fleet->balancers[i];
		bool url = strstr(invocation->arguments[i], "://") != NULL;

		balancer->place = invocation->arguments[i];
		balancer->client = client_new(url ? NULL : balancer->place,
					      url ? balancer->place : NULL, TIMEOUT_MS);
		if (balancer->client == NULL)
			return error_set(err, ENOMEM, "out of memory");
		client_use_ca(balancer->client, ca);
		ask(balancer);
	}
	return 0;
}

static void fleet_clear(struct fleet *fleet)
{
	for (size_t i = 0; fleet->balancers != NULL && i < fleet->count; i++) {
		client_free(fleet->balancers[i].client);
		cJSON_Delete(fleet->balancers[i].status);
		cJSON_Delete(fleet->balancers[i].services);
		cJSON_Delete(fleet->balancers[i].config);
	}
	free(fleet->balancers);
}

/* --- looking up --- */

/* The object of an array whose `key` is name. */
static const cJSON *find(const cJSON *array, const char *key, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, array) {
		const char *text = answer_text(item, key);

		if (text != NULL && strcmp(text, name) == 0)
			return item;
	}
	return NULL;
}

/* A service as a balancer has it; NULL: it has it not. */
static const cJSON *service_of(const struct balancer *balancer, const char *name)
{
	return balancer->status == NULL
		       ? NULL
		       : find(answer_item(balancer->services, "services"), "name", name);
}

static const cJSON *config_of(struct balancer *balancer, const char *name)
{
	if (balancer->config == NULL && call(balancer, "config", false, &balancer->config) < 0)
		return NULL;
	return find(answer_item(balancer->config, "services"), "name", name);
}

/* Is the text at `key` the same with all balancers that have the service? *ret_all: all reached
 * ones have it. */
static bool alike(const struct fleet *fleet, const char *name, const char *key, bool *ret_all)
{
	const char *first = NULL;
	bool same = true;

	*ret_all = true;
	for (size_t i = 0; i < fleet->count; i++) {
		const cJSON *service = service_of(&fleet->balancers[i], name);

		if (fleet->balancers[i].status == NULL)
			continue;
		if (service == NULL)
			*ret_all = false;
		else if (first == NULL)
			first = answer_text(service, key);
		else if (strcmp(first, answer_text(service, key)) != 0)
			same = false;
	}
	return same;
}

/* Is what the status has at key, or at key of its part, the same with all that were reached? */
static bool status_alike(const struct fleet *fleet, const char *part, const char *key)
{
	const cJSON *first = NULL;
	bool same = true;

	for (size_t i = 0; i < fleet->count; i++) {
		const cJSON *status = fleet->balancers[i].status, *item;

		if (status == NULL)
			continue;
		item = answer_item(part != NULL ? answer_item(status, part) : status, key);
		if (first == NULL)
			first = item;
		else
			same = same && cJSON_Compare(first, item, true);
	}
	return same;
}

/* --- in what they differ --- */

static bool add_word(cJSON *words, const char *word)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, words) {
		if (strcmp(item->valuestring, word) == 0)
			return true;
	}
	return json_add_item(words, cJSON_CreateString(word));
}

/* Keys of a that b has otherwise or not. */
static bool add_words(cJSON *words, const cJSON *a, const cJSON *b)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, a) {
		if (!cJSON_Compare(item, answer_item(b, item->string), true) &&
		    !add_word(words, item->string))
			return false;
	}
	return true;
}

/* By which words of its configuration balancers differ; those that are not there are the default.
 * NULL: out of memory. */
static cJSON *words_of(struct fleet *fleet, const char *name)
{
	cJSON *words = cJSON_CreateArray();
	const cJSON *first = NULL;
	bool whole = words != NULL;

	for (size_t i = 0; whole && i < fleet->count; i++) {
		const cJSON *config;

		if (service_of(&fleet->balancers[i], name) == NULL)
			continue;
		config = config_of(&fleet->balancers[i], name);
		if (first == NULL)
			first = config;
		else if (config != NULL)
			whole = add_words(words, first, config) && add_words(words, config, first);
	}
	return json_whole(words, whole);
}

/* "", or what the service's balancers differ in. The first that holds explains the others. */
static const char *difference(struct fleet *fleet, const char *name)
{
	bool everywhere, same = alike(fleet, name, "config-digest", &everywhere);

	if (!everywhere)
		return "presence";
	if (!same)
		return "configuration";
	if (!status_alike(fleet, NULL, "seed-digest"))
		return "seed";
	if (!status_alike(fleet, "limits", "table-size"))
		return "table-size";
	return alike(fleet, name, "table-digest", &everywhere) ? "" : "health";
}

/* --- the document --- */

static bool add_text(cJSON *json, const char *key, const char *text)
{
	return cJSON_AddStringToObject(json, key, text) != NULL;
}

static bool add_copy(cJSON *json, const char *key, const cJSON *value)
{
	cJSON *copy = cJSON_Duplicate(value, true);

	if (copy != NULL && cJSON_AddItemToObject(json, key, copy))
		return true;
	cJSON_Delete(copy);
	return false;
}

static cJSON *describe_balancer(const struct balancer *balancer)
{
	const cJSON *status = balancer->status;
	cJSON *json = cJSON_CreateObject();
	bool whole = json != NULL && add_text(json, "balancer", balancer->place) &&
		     cJSON_AddBoolToObject(json, "reachable", status != NULL) != NULL &&
		     add_text(json, "error", status != NULL ? "" : balancer->why.message);

	if (status != NULL)
		whole = whole && add_copy(json, "version", answer_item(status, "version")) &&
			add_copy(json, "generation", answer_item(status, "generation")) &&
			add_copy(json, "in-sync", answer_item(status, "in-sync")) &&
			add_copy(json, "seed-digest", answer_item(status, "seed-digest")) &&
			add_copy(json, "table-size",
				 answer_item(answer_item(status, "limits"), "table-size")) &&
			add_copy(json, "announce", answer_item(status, "announce"));
	return json_whole(json, whole);
}

static cJSON *describe_at(const struct balancer *balancer, const char *name)
{
	const cJSON *service = service_of(balancer, name);
	cJSON *json = cJSON_CreateObject();
	bool whole = json != NULL && add_text(json, "balancer", balancer->place);

	if (service != NULL)
		whole = whole &&
			add_copy(json, "config-digest", answer_item(service, "config-digest")) &&
			add_copy(json, "table-digest", answer_item(service, "table-digest")) &&
			add_copy(json, "backends", answer_item(service, "backends"));
	return json_whole(json, whole);
}

static cJSON *describe_service(struct fleet *fleet, const char *name)
{
	const char *differ = difference(fleet, name);
	cJSON *json = cJSON_CreateObject(), *array;
	bool whole = json != NULL && add_text(json, "service", name) &&
		     cJSON_AddBoolToObject(json, "agree", *differ == '\0') != NULL &&
		     add_text(json, "differ", differ);

	fleet->apart |= *differ != '\0' && strcmp(differ, "health") != 0;
	if (whole && strcmp(differ, "configuration") == 0) {
		cJSON *words = words_of(fleet, name);

		whole = words != NULL && cJSON_AddItemToObject(json, "words", words);
	}
	array = whole ? cJSON_AddArrayToObject(json, "balancers") : NULL;
	whole = array != NULL;
	for (size_t i = 0; whole && i < fleet->count; i++) {
		if (fleet->balancers[i].status != NULL)
			whole = json_add_item(array, describe_at(&fleet->balancers[i], name));
	}
	return json_whole(json, whole);
}

static bool describe_services(struct fleet *fleet, cJSON *array)
{
	const cJSON *service;
	bool whole = array != NULL;

	for (size_t i = 0; whole && i < fleet->count; i++) {
		if (fleet->balancers[i].status == NULL)
			continue;
		cJSON_ArrayForEach (service,
				    answer_item(fleet->balancers[i].services, "services")) {
			const char *name = answer_text(service, "name");

			if (whole && find(array, "service", name) == NULL)
				whole = json_add_item(array, describe_service(fleet, name));
		}
	}
	return whole;
}

static bool all_agree(const cJSON *services)
{
	const cJSON *service;

	cJSON_ArrayForEach (service, services) {
		if (!answer_true(service, "agree"))
			return false;
	}
	return true;
}

static int describe(struct fleet *fleet, struct error *err)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *balancers = json != NULL ? cJSON_AddArrayToObject(json, "balancers") : NULL,
	      *services;
	bool whole = balancers != NULL;

	for (size_t i = 0; whole && i < fleet->count; i++) {
		fleet->apart |= fleet->balancers[i].status == NULL;
		whole = json_add_item(balancers, describe_balancer(&fleet->balancers[i]));
	}
	services = whole ? cJSON_AddArrayToObject(json, "services") : NULL;
	whole = describe_services(fleet, services);
	if (whole)
		whole = cJSON_AddBoolToObject(json, "agree",
					      !fleet->apart && all_agree(services)) != NULL;
	fleet->document = json_whole(json, whole);
	return fleet->document != NULL ? 0 : error_set(err, ENOMEM, "out of memory");
}

/* --- for people --- */

static int add_balancer(struct screen_table *table, const cJSON *balancer, struct error *err)
{
	const cJSON *announce = answer_item(balancer, "announce");
	bool reached = answer_true(balancer, "reachable");
	bool in_sync = answer_true(balancer, "in-sync");
	char routes[64] = ABSENT;
	const char *const cells[] = {
		answer_text(balancer, "balancer"),
		!reached  ? "unreachable"
		: in_sync ? "in sync"
			  : "NOT IN SYNC",
		reached ? answer_text(balancer, "version") : ABSENT,
		reached ? answer_text(balancer, "seed-digest") : ABSENT,
		routes,
		reached ? "" : answer_text(balancer, "error"),
	};

	if (reached && answer_number(announce, "table") > 0)
		snprintf(routes, sizeof(routes), "%s, %.0f of %.0f", answer_text(announce, "state"),
			 answer_number(announce, "announced"), answer_number(announce, "routes"));
	return screen_table_add(table, cells, 1, reached && in_sync ? "green" : "red", err);
}

static int print_balancers(const cJSON *document, struct error *err)
{
	static const struct screen_column columns[] = {
		{"BALANCER", false}, {"STATE", false}, {"VERSION", false},
		{"SEED", false},     {"VIPS", false},  {"REASON", false},
	};
	struct screen_table *table = NULL;
	const cJSON *balancer;
	int r = screen_table_new(columns, sizeof(columns) / sizeof(columns[0]), &table, err);

	cJSON_ArrayForEach (balancer, answer_item(document, "balancers")) {
		if (r == 0)
			r = add_balancer(table, balancer, err);
	}
	if (r == 0)
		r = screen_table_print(table, err);
	screen_table_free(table);
	return r;
}

static int add_place(struct screen_table *table, const cJSON *service, const cJSON *at, bool first,
		     struct error *err)
{
	const cJSON *backends = answer_item(at, "backends");
	double total = answer_number(backends, "total");
	const cJSON *some_up = answer_item(backends, "up");
	bool agree = answer_true(service, "agree");
	char up[64] = ABSENT;
	const char *const cells[] = {
		first ? answer_text(service, "service") : "",
		first ? agree ? "agree" : "DIFFER" : "",
		answer_text(at, "balancer"),
		backends != NULL ? answer_text(at, "config-digest") : ABSENT,
		backends != NULL ? answer_text(at, "table-digest") : ABSENT,
		up,
	};

	if (backends != NULL)
		snprintf(up, sizeof(up), "%.0f of %.0f",
			 cJSON_IsNumber(some_up) ? some_up->valuedouble : 0, total);
	return screen_table_add(table, cells, 1, agree ? "green" : "red", err);
}

static int print_services(const cJSON *document, struct error *err)
{
	static const struct screen_column columns[] = {
		{"SERVICE", false},       {"THEY", false},  {"BALANCER", false},
		{"CONFIGURATION", false}, {"TABLE", false}, {"UP", true},
	};
	struct screen_table *table = NULL;
	const cJSON *service, *at;
	int r = screen_table_new(columns, sizeof(columns) / sizeof(columns[0]), &table, err);

	cJSON_ArrayForEach (service, answer_item(document, "services")) {
		cJSON_ArrayForEach (at, answer_item(service, "balancers")) {
			if (r == 0)
				r = add_place(table, service, at,
					      at == answer_item(service, "balancers")->child, err);
		}
	}
	if (r == 0)
		r = screen_table_print(table, err);
	screen_table_free(table);
	return r;
}

static void print_words(const cJSON *service)
{
	const char *before = "";
	const cJSON *word;

	printf("%s: configuration differs: ", answer_text(service, "service"));
	cJSON_ArrayForEach (word, answer_item(service, "words")) {
		printf("%s%s", before, word->valuestring);
		before = ", ";
	}
	puts("; lbctl export at each, apply of one file at all");
}

/* In what they differ, and what to do about it. */
static void print_differences(const cJSON *document)
{
	static const struct {
		const char *differ, *text;
	} texts[] = {
		{"presence", "not every balancer has it; lbctl apply of one file at all"},
		{"seed", "the flow hash's seeds differ; lbagent --seed-file, the same at all"},
		{"table-size", "tables are of different sizes; lbagent --table-size"},
		{"health", "configuration agrees, tables differ: what is known of the backends' "
			   "health differs at the moment; lbctl show says what"},
	};
	const cJSON *service;

	cJSON_ArrayForEach (service, answer_item(document, "services")) {
		const char *differ = answer_text(service, "differ");

		if (strcmp(differ, "configuration") == 0)
			print_words(service);
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			if (strcmp(texts[i].differ, differ) == 0)
				printf("%s: %s\n", answer_text(service, "service"), texts[i].text);
		}
	}
}

static int print_fleet(const cJSON *document, struct error *err)
{
	int r = print_balancers(document, err);

	if (r == 0 && cJSON_GetArraySize(answer_item(document, "services")) > 0) {
		putchar('\n');
		r = print_services(document, err);
	}
	if (r == 0 && !answer_true(document, "agree")) {
		putchar('\n');
		print_differences(document);
	}
	return r;
}

/* A difference of health is no failure: it passes, or whoever watches health says so. */
int compare_fleet(struct invocation *invocation, struct error *err)
{
	struct fleet fleet = {0};
	int r = ask_all(invocation, &fleet, err);

	if (r == 0)
		r = describe(&fleet, err);
	invocation->document = fleet.document;
	if (r == 0 && !invocation->json)
		r = print_fleet(fleet.document, err);
	if (r == 0 && fleet.apart) {
		r = error_set(err, EREMOTEIO, "the balancers do not agree");
		error_hint(err, r, "%s",
			   invocation->json ? "look at differ and error" : "see above");
	}
	fleet_clear(&fleet);
	return r;
}
