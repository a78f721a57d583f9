/* SPDX-License-Identifier: Apache-2.0 */
#include "webapp.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "webapp_server.h"

#define BACKLOG          4096
#define CONNECTIONS_MAX  65536
/* A connection's memory: room for a request's header. */
#define CONNECTION_BYTES 8192
/* After which an idle connection is closed. */
#define IDLE_SECONDS     120

/* --- routes of every app --- */

static void get_health(void *context, struct webapp_call *call)
{
	(void)context;
	webapp_answer_text(call, MHD_HTTP_OK, "ok\n");
}

static void get_metrics(void *context, struct webapp_call *call)
{
	const struct webapp_server *server = ((struct webapp_request *)call)->server;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (out) {
		webapp_metrics_print(server->metrics, out);
		if (server->app->metrics)
			server->app->metrics(context, out);
		fclose(out);
	}
	webapp_answer_text(call, MHD_HTTP_OK, text ? text : "");
	free(text);
	call->content_type = "text/plain; version=0.0.4";
}

static const struct webapp_route own_routes[] = {
	{.method = "GET", .path = "/health", .handle = get_health, .aside = true},
	{.method = "GET", .path = "/metrics", .handle = get_metrics, .aside = true},
};

/* The app's come first: it may have a /health of its own. */
static void collect_routes(struct webapp_server *server)
{
	for (const struct webapp_route *route = server->app->routes; route->path; route++)
		server->routes[server->route_count++] = *route;
	for (size_t i = 0; i < sizeof(own_routes) / sizeof(own_routes[0]); i++)
		server->routes[server->route_count++] = own_routes[i];
	for (size_t i = 0; i < server->route_count; i++)
		server->endpoints[i] = server->routes[i].path;
	server->endpoints[server->route_count] = "other";
}

/* --- the servers, one for each address --- */

static struct MHD_Daemon *daemon_start(struct webapp_server *server,
				       const struct endpoint *endpoint)
{
	unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
	const unsigned int threads = (unsigned int)server->options.threads;
	struct sockaddr_storage address;

	endpoint_sockaddr(endpoint, &address);
	if (IN6_IS_ADDR_UNSPECIFIED(&endpoint->address.ip))
		flags |= MHD_USE_DUAL_STACK;
	else if (!address_is_ipv4(&endpoint->address))
		flags |= MHD_USE_IPv6;
	errno = 0;
	return MHD_start_daemon(
		flags, endpoint->port, NULL, NULL, webapp_request_handle, server,
		MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_LISTEN_BACKLOG_SIZE,
		(unsigned int)BACKLOG, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_SECONDS,
		MHD_OPTION_NOTIFY_COMPLETED, webapp_request_completed, server,
		/* A pool has at least two threads; one is the daemon's own. */
		MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0U, MHD_OPTION_END);
}

/* Starts all servers or none. Returns 0 or a negative errno with err filled. */
static int daemons_start(struct webapp_server *server,
			 struct MHD_Daemon *ret_daemons[WEBAPP_LISTEN_MAX], struct error *err)
{
	const struct webapp_options *options = &server->options;
	char text[ENDPOINT_TEXT_MAX];
	size_t i;

	for (i = 0; i < options->listen_count; i++) {
		ret_daemons[i] = daemon_start(server, &options->listen[i]);
		if (!ret_daemons[i])
			break;
		log_info("listening", "name", options->name, "address",
			 format_endpoint(&options->listen[i], text));
	}
	if (i == options->listen_count)
		return 0;
	error_set(err, EIO, "cannot listen on %s: %s", format_endpoint(&options->listen[i], text),
		  errno ? strerror(errno) : "the server does not start");
	while (i > 0)
		MHD_stop_daemon(ret_daemons[--i]);
	return -EIO;
}

/* No new connections; what is under way may end in peace, for as long as --grace. */
static void daemons_quiesce(struct webapp_server *server, struct MHD_Daemon *const *daemons)
{
	const uint64_t end_ms = clock_ms(CLOCK_MONOTONIC) + server->options.grace_ms;
	const struct timespec pause = {.tv_nsec = 10000000};

	atomic_store(&server->stopping, true);
	for (size_t i = 0; i < server->options.listen_count; i++) {
		MHD_socket listening = MHD_quiesce_daemon(daemons[i]);

		if (listening != MHD_INVALID_SOCKET)
			close(listening);
	}
	while (webapp_metrics_in_flight(server->metrics) > 0 && clock_ms(CLOCK_MONOTONIC) < end_ms)
		nanosleep(&pause, NULL);
}

/* --- the process --- */

/* Each connection is a file: as many as the administrator allows. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void block_signals(sigset_t *ret_ends)
{
	/* Before there are threads, so that all of them inherit it. */
	sigemptyset(ret_ends);
	sigaddset(ret_ends, SIGINT);
	sigaddset(ret_ends, SIGTERM);
	sigprocmask(SIG_BLOCK, ret_ends, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void wait_for_end(struct webapp_server *server, const sigset_t *ends)
{
	const struct timespec second = {.tv_sec = 1};

	while (sigtimedwait(ends, NULL, &second) < 0)
		webapp_metrics_tick(server->metrics);
}

static int helpers_start(struct webapp_server *server, struct error *err)
{
	collect_routes(server);
	server->metrics =
		webapp_metrics_new(server->app->name, server->endpoints, server->route_count + 1);
	server->delay = webapp_delay_new();
	if (server->app->blocking)
		server->workers =
			webapp_workers_new(server->options.workers, server->options.queue);
	if (!server->metrics || !server->delay || (server->app->blocking && !server->workers))
		return error_set(err, ENOMEM, "no memory, or no thread");
	return 0;
}

/* Whoever waits is answered: libmicrohttpd does not stop with suspended connections. */
static void helpers_stop(struct webapp_server *server)
{
	webapp_workers_free(server->workers);
	webapp_delay_free(server->delay);
}

static int serve(struct webapp_server *server, const sigset_t *ends, struct error *err)
{
	struct MHD_Daemon *daemons[WEBAPP_LISTEN_MAX] = {NULL};
	int r = helpers_start(server, err);

	if (r == 0)
		r = daemons_start(server, daemons, err);
	if (r == 0) {
		wait_for_end(server, ends);
		daemons_quiesce(server, daemons);
	}
	helpers_stop(server);
	for (size_t i = 0; r == 0 && i < server->options.listen_count; i++)
		MHD_stop_daemon(daemons[i]);
	webapp_metrics_free(server->metrics);
	return r;
}

static void complain(const char *name, const struct error *err)
{
	fprintf(stderr, "%s: %s%s%s%s", name, err->field[0] ? "--" : "", err->field,
		err->field[0] ? ": " : "", err->message);
	fprintf(stderr, err->hint[0] ? "; %s\n" : "%s\n", err->hint);
}

static int refuse_flags(const char *name, int reason, const struct error *err)
{
	if (reason != -EAGAIN)
		complain(name, err);
	fprintf(stderr, "Try '%s --help'.\n", name);
	return 2;
}

int webapp_main(const struct webapp *app, void *context, int argc, char **argv)
{
	static struct webapp_server server;
	struct error err;
	sigset_t ends;
	int r;

	server.app = app;
	server.context = context;
	r = webapp_options_parse(app, context, argc, argv, &server.options, &err);
	if (r < 0)
		return refuse_flags(app->name, r, &err);
	if (server.options.help) {
		webapp_options_help(app, stdout);
		return EXIT_SUCCESS;
	}
	raise_file_limit();
	block_signals(&ends);
	if (app->start)
		r = app->start(context, server.options.workers, &err);
	if (r == -EINVAL)
		return refuse_flags(app->name, r, &err);
	if (r == 0)
		r = serve(&server, &ends, &err);
	if (app->stop)
		app->stop(context);
	if (r < 0)
		complain(app->name, &err);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
