/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl show */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "command.h"
#include "human.h"
#include "quantile.h"
#include "screen.h"

enum column {
	ADDRESS,
	STATUS,
	WEIGHT,
	EFFECTIVE,
	LOAD,
	PRIORITY,
	QUIC_ID,
	SHARE,
	FLOWS,
	NEW,
	P50,
	P95,
	PACKETS,
	BYTES,
	SINCE,
	CHECK,
	REASON,
	COLUMNS
};

static const struct screen_column columns[COLUMNS] = {
	[ADDRESS] = {"ADDRESS", false}, [STATUS] = {"STATUS", false},
	[WEIGHT] = {"WEIGHT", true},    [EFFECTIVE] = {"EFFECTIVE", true},
	[LOAD] = {"LOAD", true},        [PRIORITY] = {"PRIORITY", true},
	[QUIC_ID] = {"QUIC-ID", false}, [SHARE] = {"SHARE", true},
	[FLOWS] = {"FLOWS", true},      [NEW] = {"NEW", true},
	[P50] = {"WAIT-P50", true},     [P95] = {"WAIT-P95", true},
	[PACKETS] = {"PACKETS", true},  [BYTES] = {"BYTES", true},
	[SINCE] = {"SINCE", true},      [CHECK] = {"CHECK-VIA", false},
	[REASON] = {"REASON", false},
};

/* The columns of one table: those that say something of at least one backend. */
struct layout {
	struct screen_column columns[COLUMNS];
	enum column shown[COLUMNS];
	size_t count;
};

static void layout_init(struct layout *layout, const cJSON *backends)
{
	bool hidden[COLUMNS] = {
		[EFFECTIVE] = true, [LOAD] = true, [PRIORITY] = true, [QUIC_ID] = true,
		[CHECK] = true,     [P50] = true,  [P95] = true};
	const cJSON *backend;

	cJSON_ArrayForEach (backend, backends) {
		if (answer_number(backend, "effective-weight") != answer_number(backend, "weight"))
			hidden[EFFECTIVE] = false;
		if (cJSON_IsObject(answer_item(backend, "load")))
			hidden[LOAD] = false;
		if (answer_number(backend, "priority") > 0)
			hidden[PRIORITY] = false;
		if (answer_text(backend, "quic-id")[0] != '\0')
			hidden[QUIC_ID] = false;
		if (strcmp(answer_text(backend, "check-via"), "vip") == 0)
			hidden[CHECK] = false;
		if (answer_number(answer_item(backend, "handshake"), "count") > 0)
			hidden[P50] = hidden[P95] = false;
	}
	layout->count = 0;
	for (enum column column = 0; column < COLUMNS; column++) {
		if (hidden[column])
			continue;
		layout->columns[layout->count] = columns[column];
		layout->shown[layout->count++] = column;
	}
}

static const char *status_colour(const char *status)
{
	static const struct {
		const char *status;
		const char *colour;
	} colours[] = {
		{"up", "green"},         {"checking", "yellow"}, {"down", "red"},
		{"drain", "yellow"},     {"removing", "yellow"}, {"maint", "cyan"},
		{"no-neighbour", "red"}, {"ejected", "red"},
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (strcmp(colours[i].status, status) == 0)
			return colours[i].colour;
	}
	return NULL;
}

/* Why it is not up; if it is, why it is not checked as was asked for. */
static const char *reason_of(const cJSON *backend)
{
	const char *reason = answer_text(backend, "reason");

	return reason[0] ? reason : answer_text(backend, "check-via-reason");
}

static int add_backend_line(struct screen_table *table, const struct layout *layout,
			    const cJSON *backend, int64_t now, struct error *err)
{
	const cJSON *handshake = answer_item(backend, "handshake");
	const cJSON *load = answer_item(answer_item(backend, "load"), "load");
	char text[COLUMNS][HUMAN_MAX];
	const char *const cells[COLUMNS] = {
		[ADDRESS] = answer_text(backend, "address"),
		[STATUS] = answer_text(backend, "status"),
		[WEIGHT] = human_count(answer_number(backend, "weight"), text[WEIGHT]),
		[EFFECTIVE] =
			human_decimal(answer_number(backend, "effective-weight"), text[EFFECTIVE]),
		[LOAD] = cJSON_IsNumber(load) ? human_decimal(load->valuedouble, text[LOAD]) : "",
		[PRIORITY] = human_count(answer_number(backend, "priority"), text[PRIORITY]),
		[QUIC_ID] = answer_text(backend, "quic-id"),
		[SHARE] = human_share(answer_number(backend, "share"), text[SHARE]),
		[FLOWS] = human_count(answer_number(backend, "active-flows"), text[FLOWS]),
		[NEW] = human_count(answer_number(backend, "new-flows"), text[NEW]),
		[P50] = human_latency(quantile(handshake, 0.5), text[P50]),
		[P95] = human_latency(quantile(handshake, 0.95), text[P95]),
		[PACKETS] = human_count(answer_number(backend, "packets"), text[PACKETS]),
		[BYTES] = human_bytes(answer_number(backend, "bytes"), text[BYTES]),
		[SINCE] = human_since(answer_text(backend, "since"), now, text[SINCE]),
		[CHECK] = answer_text(backend, "check-via"),
		[REASON] = reason_of(backend),
	};

	const char *shown[COLUMNS];

	for (size_t i = 0; i < layout->count; i++)
		shown[i] = cells[layout->shown[i]];
	return screen_table_add(table, shown, STATUS, status_colour(cells[STATUS]), err);
}

static int print_backends(const cJSON *backends, int64_t now, struct error *err)
{
	struct screen_table *table = NULL;
	struct layout layout;
	const cJSON *backend;
	int r;

	if (cJSON_GetArraySize(backends) == 0) {
		puts("no backends");
		return 0;
	}
	layout_init(&layout, backends);
	r = screen_table_new(layout.columns, layout.count, &table, err);
	cJSON_ArrayForEach (backend, backends) {
		if (r == 0)
			r = add_backend_line(table, &layout, backend, now, err);
	}
	if (r == 0)
		r = screen_table_print(table, err);
	screen_table_free(table);
	return r;
}

/* What it asks for, by its kind; nothing of those that have nothing to ask. */
static void print_check_subject(const cJSON *service, const char *check)
{
	const char *method = answer_text(service, "check-method");
	const cJSON *word;

	if (strcmp(check, "http") == 0 || strcmp(check, "https") == 0)
		printf("%s%s %s", strcmp(method, "GET") != 0 ? " " : "",
		       strcmp(method, "GET") != 0 ? method : "",
		       answer_text(service, "check-path"));
	if (strcmp(check, "dns") == 0)
		printf(" %s %s", answer_text(service, "check-name"),
		       answer_text(service, "check-type"));
	if (strcmp(check, "exec") == 0) {
		cJSON_ArrayForEach (word, answer_item(service, "check-command")) {
			printf(" %s", cJSON_IsString(word) ? word->valuestring : "?");
		}
	}
	if (strcmp(check, "https") == 0 && answer_true(service, "check-insecure"))
		printf("%s, certificate NOT VERIFIED%s,", screen_has_colour() ? "\033[31m" : "",
		       screen_has_colour() ? "\033[0m" : "");
}

static void print_head(const cJSON *service)
{
	const char *check = answer_text(service, "check");
	const char *bold = screen_has_colour() ? "\033[1m" : "";
	const char *plain = screen_has_colour() ? "\033[0m" : "";
	const cJSON *vip;

	printf("%s%s%s ", bold, answer_text(service, "name"), plain);
	cJSON_ArrayForEach (vip, answer_item(service, "vip")) {
		printf(" %s", cJSON_IsString(vip) ? vip->valuestring : "?");
	}
	printf("  %s, %s, ", answer_text(service, "mode"), answer_text(service, "scheduler"));
	if (strcmp(check, "none") == 0) {
		puts("not checked");
		return;
	}
	printf("check %s", check);
	print_check_subject(service, check);
	printf(" every %s\n", answer_text(service, "check-interval"));
}

/* What differs from what one would expect, by the flags' names. */
static void print_choices(const cJSON *service)
{
	static const struct {
		const char *key, *usual;
	} choices[] = {
		{"gue-variant", "0"},
		{"gue-port", "6080"},
		{"tunnel-source", "spread"},
		{"tracking", "auto"},
		{"when-down", "drop"},
		{"too-big", "tell"},
		{"load", "off"},
		{"load-port", "9481"},
		{"load-interval", "5s"},
		{"load-budget", "5"},
		{"load-floor", "10"},
		{"slow-start", "0ms"},
		{"passive", "suspect"},
		{"eject-max", "10"},
		{"panic-threshold", "0"},
		{"announce-min", "1"},
		{"timeout-established", "15m"},
		{"timeout-embryonic", "30s"},
		{"timeout-closing", "30s"},
		{"timeout-udp", "2m"},
		{"quic-id-length", "0"},
		{"source-allow", ""},
		{"source-deny", ""},
		{"source-prefix-ipv4", "24"},
		{"source-prefix-ipv6", "64"},
		{"source-rate-flows", "0"},
		{"source-rate-packets", "0"},
		{"max-new-flows", "0"},
		{"max-new-entries", "0"},
		{"syn-cookies", "off"},
		{"syn-cookies-above", "10000"},
		{"second-chance", "off"},
	};
	const char *before = "  ";

	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		const cJSON *value = answer_item(service, choices[i].key);
		char number[HUMAN_MAX];
		const char *text = number;

		if (cJSON_IsNumber(value))
			snprintf(number, sizeof(number), "%.0f", value->valuedouble);
		else
			text = value->valuestring;
		if (strcmp(text, choices[i].usual) == 0)
			continue;
		printf("%s%s %s", before, choices[i].key, text);
		before = ", ";
	}
	if (strcmp(before, "  ") != 0)
		putchar('\n');
}

/* What the service's packets were dropped for, and how long its lists are. */
static void print_drops(const cJSON *service)
{
	const cJSON *prefixes = answer_item(service, "source-prefixes"), *count;
	const char *before = "  dropped: ";
	char text[HUMAN_MAX];

	cJSON_ArrayForEach (count, prefixes) {
		if (cJSON_IsNumber(count) && count->valuedouble > 0)
			printf("  source-%s has %s prefixes\n", count->string,
			       human_count(count->valuedouble, text));
	}
	if (answer_true(prefixes, "loading"))
		puts("  a list is being loaded, the former one holds until then");
	cJSON_ArrayForEach (count, answer_item(service, "drops")) {
		if (!cJSON_IsNumber(count))
			continue;
		printf("%s%s %s", before, count->string, human_count(count->valuedouble, text));
		before = ", ";
	}
	if (before[0] == ',')
		putchar('\n');
}

/* What routers are told of its VIPs, and what balancers of a fleet are compared by. */
static void print_routes(const cJSON *service)
{
	const char *red = screen_has_colour() ? "\033[31m" : "";
	const char *plain = screen_has_colour() ? "\033[0m" : "";
	const cJSON *route;

	cJSON_ArrayForEach (route, answer_item(service, "routes")) {
		bool announced = answer_true(route, "announced");
		const char *reason = answer_text(route, "reason");

		printf("  %s%s%s %s%s%s\n", announced ? "" : red,
		       announced ? "announced" : "not announced", announced ? "" : plain,
		       answer_text(route, "prefix"), reason[0] ? ": " : "", reason);
	}
	printf("  digests: table %s, configuration %s\n", answer_text(service, "table-digest"),
	       answer_text(service, "config-digest"));
}

static int print_service(const cJSON *service, struct error *err)
{
	print_head(service);
	print_choices(service);
	print_drops(service);
	print_routes(service);
	if (cJSON_IsTrue(answer_item(service, "panic")))
		puts("  panics: too few are up, so those that are down get flows too");
	if (cJSON_IsTrue(answer_item(service, "syn-cookies-on")))
		puts("  SYNs are answered by cookies");
	return print_backends(answer_item(service, "backends"), time(NULL), err);
}

static int print_services(const cJSON *services, struct error *err)
{
	const cJSON *service;
	bool first = true;
	int r = 0;

	if (cJSON_GetArraySize(services) == 0)
		puts("no services");
	cJSON_ArrayForEach (service, services) {
		if (!first)
			putchar('\n');
		first = false;
		r = print_service(service, err);
		if (r < 0)
			break;
	}
	return r;
}

int show_services(struct invocation *invocation, struct error *err)
{
	bool one = invocation->argument_count > 0;
	const struct request request = {
		.method = "GET", .path = {"services", one ? invocation->arguments[0] : NULL}};
	int r = client_call(invocation->client, &request, &invocation->document, err);

	if (r == 0)
		r = one ? answer_check_service(invocation->document, err)
			: answer_check_services(invocation->document, err);
	if (r < 0 || invocation->json)
		return r;
	return one ? print_service(invocation->document, err)
		   : print_services(answer_item(invocation->document, "services"), err);
}
