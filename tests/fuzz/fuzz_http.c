/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any requests to the API of an agent with two services, whose data plane, routes and probes are
 * the unit tests' fakes. Whatever is asked, the answer is a whole one; what is refused changes
 * nothing; what is taken can be saved, loaded, exported and applied.
 *
 * An input is up to three requests, parted by the byte 1e: "METHOD PATH?QUERY", headers as
 * "Name: value", each in a line of its own, an empty line, and the body.
 */
#include <microhttpd.h>
#include <sched.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>

#include "api.h"
#include "fuzz.h"
#include "manager_fixture.h"
#include "sound.h"
#include "store.h"

#define REQUESTS_MAX 3
#define PAIRS_MAX    24
#define READS_MAX    64
#define PARTED_BY    "\x1e"

/* The fakes have room for no more backends in as many requests. */
static const struct dataplane_sizes sizes = {
	.services = 6,
	.backends = 8,
	.vips = 12,
	.flows = 64,
	.nat_flows = 64,
	.fragments = 64,
	.table_size = 61,
};

static const char first[] =
	"{\"services\": [{\"name\": \"web\", \"vip\": [\"tcp://198.18.0.10:80\"],"
	" \"backends\": [{\"address\": \"198.18.1.11:80\"}, {\"address\": \"198.18.1.12:80\"}]},"
	"{\"name\": \"six\", \"vip\": [\"udp://[2001:db8::10]:53\"], \"mode\": \"ipip\","
	" \"backends\": [{\"address\": \"2001:db8:1::11\"}]}]}";

/* --- a request as libmicrohttpd would show it --- */

struct pair {
	enum MHD_ValueKind kind;
	char *name, *value;
};

struct asked {
	struct http_request request;
	struct pair pairs[PAIRS_MAX];
	size_t pair_count;
};

enum MHD_Result __wrap_MHD_lookup_connection_value_n(struct MHD_Connection *connection,
						     enum MHD_ValueKind kind, const char *key,
						     size_t key_size, const char **value,
						     size_t *value_size);

enum MHD_Result __wrap_MHD_lookup_connection_value_n(struct MHD_Connection *connection,
						     enum MHD_ValueKind kind, const char *key,
						     size_t key_size, const char **value,
						     size_t *value_size)
{
	const struct asked *asked = (const struct asked *)connection;
	size_t i;

	for (i = 0; i < asked->pair_count; i++) {
		const struct pair *pair = &asked->pairs[i];

		if (pair->kind != kind || strlen(pair->name) != key_size ||
		    strncasecmp(pair->name, key, key_size) != 0)
			continue;
		*value = pair->value;
		*value_size = pair->value ? strlen(pair->value) : 0;
		return MHD_YES;
	}
	return MHD_NO;
}

static void add_pair(struct asked *asked, enum MHD_ValueKind kind, char *name, char *value)
{
	if (asked->pair_count < PAIRS_MAX)
		asked->pairs[asked->pair_count++] = (struct pair){kind, name, value};
}

/* As http.c decodes it. */
static void read_query(struct asked *asked, char *query)
{
	char *word, *name;

	while ((word = strsep(&query, "&"))) {
		name = strsep(&word, "=");
		MHD_http_unescape(name);
		if (word)
			MHD_http_unescape(word);
		add_pair(asked, MHD_GET_ARGUMENT_KIND, name, word);
	}
}

static void read_request(char *text, size_t size, struct asked *asked)
{
	char *body = memmem(text, size, "\n\n", 2), *rest = text, *line, *method, *path;

	*asked = (struct asked){.request = {.body = "", .peer = "uid 0 (root), pid 1"}};
	asked->request.connection = asked;
	if (body) {
		*body = '\0';
		asked->request.body = body + 2;
		asked->request.body_length = text + size - (body + 2);
	}
	line = strsep(&rest, "\n");
	method = strsep(&line, " ");
	path = strsep(&line, "?");
	asked->request.method = method;
	asked->request.path = path ? path : "/";
	read_query(asked, line);
	while ((line = strsep(&rest, "\n"))) {
		path = strsep(&line, ":");
		if (line)
			add_pair(asked, MHD_HEADER_KIND, path, line + strspn(line, " "));
	}
}

/* --- answers --- */

const struct dataplane_interface *dataplane_bpf_interfaces(const struct dataplane *dp,
							   size_t *ret_count)
{
	static const struct dataplane_interface interfaces[] = {
		{.name = "eth0", .ifindex = 7, .mode = "native", .attached_by = "link"}};

	(void)dp;
	*ret_count = 1;
	return interfaces;
}

/* Nothing was ever launched; manager_fixture.h saves. */
int store_peek(const char *dir, store_accept accept, void *context, enum store_found *ret_found,
	       struct error *ret_warning, struct error *err)
{
	(void)dir;
	(void)accept;
	(void)context;
	(void)ret_warning;
	(void)err;
	*ret_found = STORE_EMPTY;
	return 0;
}

static void read_stream(struct http_stream *stream)
{
	char buffer[4096];
	int left = READS_MAX;

	while (left-- > 0 && stream->read(stream, buffer, sizeof(buffer)) > 0) {
	}
	stream->close(stream);
}

static void check_json(const char *text)
{
	cJSON *json = cJSON_Parse(text);

	must(json);
	cJSON_Delete(json);
}

static void check_answer(const struct http_response *answer)
{
	size_t i;

	must(answer->status >= 200 && answer->status < 600);
	must(answer->content_type || answer->status == 304);
	for (i = 0; i < HTTP_HEADERS_MAX && answer->headers[i].name; i++)
		must(!strpbrk(answer->headers[i].value, "\r\n"));
	if (answer->stream) {
		read_stream(answer->stream);
		return;
	}
	must(answer->body || answer->lasting);
	if (!answer->body)
		return;
	must(strlen(answer->body) == answer->length);
	if (strcmp(answer->content_type, "application/json") == 0)
		check_json(answer->body);
	free(answer->body);
}

static unsigned int ask(struct api *api, const struct http_request *request)
{
	uint64_t before = manager_desired(fx.manager)->generation;
	struct http_response answer = {0};

	api_handle(api, request, &answer);
	while (answer.later) { /* than the files of its lists are read */
		uv_run(&fx.loop, UV_RUN_ONCE);
		answer = (struct http_response){0};
		api_handle(api, request, &answer);
	}
	check_answer(&answer);
	if (answer.status >= 300)
		must(manager_desired(fx.manager)->generation == before);
	uv_run(&fx.loop, UV_RUN_NOWAIT);
	return answer.status;
}

/* --- the agent --- */

static int ring; /* that captured packets would wait in */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(unshare(CLONE_NEWNET) == 0);
	ring = eventfd(0, EFD_CLOEXEC);
	must(ring >= 0);
	return 0;
}

static void begin(struct api *api, const struct door *door)
{
	struct asked asked = {
		.request = {
			.method = "PUT", .path = "/v1/config", .body = first, .peer = "nobody"}};
	struct error err;

	fixture_begin(&sizes);
	fx.fake->capture_fd = ring;
	*api = (struct api){
		.manager = fx.manager, .events = fx.events, .dp = &fx.fake->dp, .door = door};
	api->streams = event_streams_new(&fx.loop, fx.events);
	api->capture = capture_new(&fx.loop, fx.manager, fx.events);
	must(api->streams && api->capture);
	must(autoscaler_new(&fx.loop, fx.manager, fx.events, "none", &api->autoscaler, &err) == 0);
	asked.request.body_length = sizeof(first) - 1;
	asked.request.connection = &asked;
	must(ask(api, &asked.request) == 200);
}

static void end(struct api *api)
{
	autoscaler_stop(api->autoscaler);
	event_streams_free(api->streams);
	capture_free(api->capture);
	uv_run(&fx.loop, UV_RUN_NOWAIT);
	autoscaler_free(api->autoscaler);
	fixture_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *rest = text, *part;
	static const struct door door;
	struct asked asked;
	struct api api;
	int left = REQUESTS_MAX;

	must(text);
	begin(&api, &door);
	while (left-- > 0 && (part = strsep(&rest, PARTED_BY))) {
		read_request(part, strlen(part), &asked);
		ask(&api, &asked.request);
		sound_document(manager_desired(fx.manager));
		sound_state(manager_desired(fx.manager));
	}
	end(&api);
	free(text);
	return 0;
}
