/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello: the HTTP server that demo and tests balance. It answers with its own name, so that
 * clients see who served them.
 *
 *   GET /                   200 and the name
 *   GET /health             the status last set (200 at first) and "ok" or "failing"
 *   PUT /health?status=503  sets it
 *
 * For the lab only: whoever reaches it may set its health.
 */
#include <errno.h>
#include <getopt.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "log.h"
#include "parse.h"

#define NAME_MAX_LENGTH 63
#define LISTEN_MAX      8
#define THREADS_MAX     64
#define BACKLOG         4096

struct options {
	const char *name;
	struct endpoint listen[LISTEN_MAX];
	size_t listen_count;
	uint64_t threads;
};

/* How the server behaves; read by every connection, changed while it runs. */
struct behaviour {
	char reply[NAME_MAX_LENGTH + 2]; /* the name and a newline */
	atomic_uint health_status;
};

static void usage(FILE *stream)
{
	fputs("usage: hello --name NAME --listen [ADDR:]PORT [--listen [ADDR:]PORT ...] [--threads N]\n"
	      "An HTTP server that answers GET / with NAME.\n"
	      "  --name NAME         what it answers, up to 63 characters\n"
	      "  --listen ADDR:PORT  where it listens; [ADDR6]:PORT for IPv6; a PORT alone: on every\n"
	      "                      address of both families; up to 8 times\n"
	      "  --threads N         threads per address, 1 to 64 (default 1)\n"
	      "  --help              this text\n"
	      "PUT /health?status=503 makes GET /health answer 503 from then on.\n",
	      stream);
}

/* --- answers --- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status,
			      const char *text)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result get_health(struct MHD_Connection *connection,
				  const struct behaviour *behaviour)
{
	unsigned int status = atomic_load(&behaviour->health_status);

	return answer(connection, status, status < 400 ? "ok\n" : "failing\n");
}

static enum MHD_Result put_health(struct MHD_Connection *connection, struct behaviour *behaviour)
{
	const char *text;
	struct error err;
	uint64_t status;

	text = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "status");
	if (!text || parse_number(text, 200, 599, &status, &err) < 0)
		return answer(connection, MHD_HTTP_BAD_REQUEST, "give ?status=200 to 599\n");
	atomic_store(&behaviour->health_status, (unsigned int)status);
	return get_health(connection, behaviour);
}

static enum MHD_Result route(struct behaviour *behaviour, struct MHD_Connection *connection,
			     const char *url, const char *method)
{
	bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	if (get && strcmp(url, "/") == 0)
		return answer(connection, MHD_HTTP_OK, behaviour->reply);
	if (get && strcmp(url, "/health") == 0)
		return get_health(connection, behaviour);
	if (strcmp(method, "PUT") == 0 && strcmp(url, "/health") == 0)
		return put_health(connection, behaviour);
	if (get)
		return answer(connection, MHD_HTTP_NOT_FOUND, "there is / and /health\n");
	return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, or PUT /health\n");
}

/* libmicrohttpd calls this once with the header, once for each piece of a body, once at its end:
 * bodies are read and thrown away, the answer comes at the end. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *body,
			      size_t *body_size, void **request)
{
	static int seen;

	(void)version;
	(void)body;
	if (!*request) {
		*request = &seen;
		return MHD_YES;
	}
	if (*body_size > 0) {
		*body_size = 0;
		return MHD_YES;
	}
	return route(context, connection, url, method);
}

/* --- the servers, one for each address --- */

static struct MHD_Daemon *server_start(const struct endpoint *endpoint, unsigned int threads,
				       struct behaviour *behaviour)
{
	unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD;
	struct sockaddr_storage address;

	endpoint_sockaddr(endpoint, &address);
	if (IN6_IS_ADDR_UNSPECIFIED(&endpoint->address.ip))
		flags |= MHD_USE_DUAL_STACK;
	else if (!address_is_ipv4(&endpoint->address))
		flags |= MHD_USE_IPv6;
	errno = 0;
	return MHD_start_daemon(
		flags, endpoint->port, NULL, NULL, handle, behaviour, MHD_OPTION_SOCK_ADDR,
		(struct sockaddr *)&address, MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned int)BACKLOG,
		/* A pool has at least two threads; one is the daemon's own. */
		MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0U, MHD_OPTION_END);
}

/* Starts all servers or none. Returns 0 or a negative errno with err filled. */
static int servers_start(const struct options *options, struct behaviour *behaviour,
			 struct MHD_Daemon *ret_servers[LISTEN_MAX], struct error *err)
{
	char text[ENDPOINT_TEXT_MAX];
	size_t i;

	for (i = 0; i < options->listen_count; i++) {
		ret_servers[i] = server_start(&options->listen[i], (unsigned int)options->threads,
					      behaviour);
		if (!ret_servers[i])
			break;
		log_info("listening", "name", options->name, "address",
			 format_endpoint(&options->listen[i], text));
	}
	if (i == options->listen_count)
		return 0;
	error_set(err, EIO, "cannot listen on %s: %s", format_endpoint(&options->listen[i], text),
		  errno ? strerror(errno) : "the server does not start");
	while (i > 0)
		MHD_stop_daemon(ret_servers[--i]);
	return -EIO;
}

/* --- the command line --- */

/* A port alone is every address of both families: the unspecified one. */
static int parse_listen(const char *text, struct endpoint *ret_endpoint, struct error *err)
{
	uint64_t port;
	int r;

	if (strspn(text, "0123456789") != strlen(text))
		return parse_endpoint(text, 0, ret_endpoint, err);
	r = parse_number(text, 1, UINT16_MAX, &port, err);
	if (r < 0)
		return r;
	*ret_endpoint = (struct endpoint){.port = (uint16_t)port};
	return 0;
}

static int add_listen(struct options *options, const char *text, struct error *err)
{
	struct endpoint endpoint;
	int r;

	if (options->listen_count == LISTEN_MAX)
		return error_set(err, EINVAL, "%s: more than %d addresses", text, LISTEN_MAX);
	r = parse_listen(text, &endpoint, err);
	if (r < 0)
		return r;
	if (endpoint.port == 0)
		return error_hint(err, error_set(err, EINVAL, "%s: no port", text),
				  "write PORT, ADDR:PORT or [ADDR6]:PORT");
	options->listen[options->listen_count++] = endpoint;
	return 0;
}

static int set_name(struct options *options, const char *text, struct error *err)
{
	if (text[0] == '\0' || strlen(text) > NAME_MAX_LENGTH)
		return error_set(err, EINVAL, "a name has 1 to %d characters", NAME_MAX_LENGTH);
	options->name = text;
	return 0;
}

/* err's field is a flag's name. */
static int options_check(const struct options *options, struct error *err)
{
	if (!options->name)
		return error_field(err, error_set(err, EINVAL, "is missing"), "name");
	if (options->listen_count == 0)
		return error_field(err, error_set(err, EINVAL, "is missing"), "listen");
	return 0;
}

/* Returns 0, 1 if help was asked for, or a negative errno; err is filled unless getopt has
 * already said what is wrong (-EAGAIN). */
static int options_parse(int argc, char **argv, struct options *options, struct error *err)
{
	static const struct option flags[] = {
		{"name", required_argument, NULL, 'n'},
		{"listen", required_argument, NULL, 'l'},
		{"threads", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, index = 0, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", flags, &index)) != -1) {
		if (c == 'h')
			return 1;
		if (c == 'n')
			r = set_name(options, optarg, err);
		else if (c == 'l')
			r = add_listen(options, optarg, err);
		else if (c == 't')
			r = parse_number(optarg, 1, THREADS_MAX, &options->threads, err);
		else
			return -EAGAIN;
		if (r < 0)
			return error_field(err, r, flags[index].name);
	}
	if (optind < argc)
		return error_set(err, EINVAL, "%s: not a flag", argv[optind]);
	return options_check(options, err);
}

static void complain(const struct error *err)
{
	fprintf(stderr, "hello: %s%s%s%s", err->field[0] ? "--" : "", err->field,
		err->field[0] ? ": " : "", err->message);
	fprintf(stderr, err->hint[0] ? "; %s\n" : "%s\n", err->hint);
}

/* Serves until a signal says to end. */
static int serve(const struct options *options)
{
	struct MHD_Daemon *servers[LISTEN_MAX];
	struct behaviour behaviour;
	struct error err;
	sigset_t ends;
	int signal;

	snprintf(behaviour.reply, sizeof(behaviour.reply), "%s\n", options->name);
	atomic_init(&behaviour.health_status, MHD_HTTP_OK);
	/* Before there are threads, so that all of them inherit it. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	if (servers_start(options, &behaviour, servers, &err) < 0) {
		complain(&err);
		return EXIT_FAILURE;
	}
	sigwait(&ends, &signal);
	for (size_t i = 0; i < options->listen_count; i++)
		MHD_stop_daemon(servers[i]);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options = {.threads = 1};
	struct error err;
	int r = options_parse(argc, argv, &options, &err);

	if (r == 1) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (r < 0) {
		if (r != -EAGAIN)
			complain(&err);
		fputs("Try 'hello --help'.\n", stderr);
		return 2;
	}
	return serve(&options);
}
