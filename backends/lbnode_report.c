/* SPDX-License-Identifier: Apache-2.0 */

/*
 * lbnode report: tells balancers how loaded this host is, over HTTP. The main thread takes samples
 * and asks the hook, at its own beat; requests, which the server's thread answers, cost no more
 * than a copy of what was found last.
 */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "lbnode_backlog.h"
#include "lbnode_hook.h"
#include "lbnode_load.h"
#include "lbnode_verbs.h"

#define CONNECTIONS_MAX  256
#define CONNECTION_BYTES ((size_t)4096)
#define IDLE_SECONDS     120
#define REPORT_MAX       512
#define STAT_MAX         (1 << 20)
#define HOOK_EVERY       2 /* samples */

struct report {
	const struct lbnode_options *options;
	struct load_history history;
	double value; /* of the hook */
	struct error no_sample, no_value;
	pthread_mutex_t lock; /* protects what follows */
	char text[REPORT_MAX];
	size_t length;
	bool known; /* the load is */
};

/* --- what is told --- */

static int read_file(const char *path, char **ret_text, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;
	size_t length;

	if (fd < 0)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	r = file_read_text(fd, STAT_MAX, ret_text, &length);
	close(fd);
	return r < 0 ? error_set(err, -r, "%s: %s", path, strerror(-r)) : 0;
}

static int take_sample(const struct lbnode_options *options, struct load_sample *sample,
		       struct error *err)
{
	struct error ignored;
	char *text = NULL;
	int r = read_file("/proc/stat", &text, err);

	if (r == 0)
		r = load_read_stat(text, sample, err);
	free(text);
	text = NULL;
	sample->time_us = clock_ns(CLOCK_MONOTONIC) / 1000;
	if (r == 0 && read_file("/proc/pressure/cpu", &text, &ignored) == 0)
		load_read_pressure(text, sample);
	free(text);
	sample->backlog = -1;
	if (r == 0 && options->port_count)
		r = backlog_read(options->ports, options->port_count, &sample->backlog, err);
	return r;
}

static void publish(struct report *report)
{
	struct load_figures figures =
		load_look(&report->history, report->options->hook[0], report->value);
	const char *problem = report->no_sample.message[0]  ? report->no_sample.message
			      : report->no_value.message[0] ? report->no_value.message
							    : "no two samples yet";
	FILE *out;

	pthread_mutex_lock(&report->lock);
	out = fmemopen(report->text, sizeof(report->text), "w");
	if (out) {
		load_print(&figures, problem, out);
		report->length = (size_t)ftell(out);
		fclose(out);
	}
	report->known = figures.load >= 0;
	pthread_mutex_unlock(&report->lock);
}

/* Said once as long as it stays the same. */
static void note(struct error *problem, int r, const struct error *err)
{
	if (r < 0 && strcmp(problem->message, err->message) != 0)
		fprintf(stderr, "lbnode: %s\n", err->message);
	*problem = r < 0 ? *err : (struct error){0};
}

static void ask_hook(struct report *report)
{
	struct error err = {0}, said;
	int r = hook_ask(report->options->hook, &report->value, &err);

	if (r < 0)
		report->value = -1;
	error_set(&said, EINVAL, "the hook %.200s", err.message);
	note(&report->no_value, r, &said);
}

static void look(struct report *report, unsigned int turn)
{
	struct load_sample sample = {0};
	struct error err;
	int r = take_sample(report->options, &sample, &err);

	if (r < 0)
		report->history = (struct load_history){0};
	else
		load_add(&report->history, &sample);
	note(&report->no_sample, r, &err);
	if (report->options->hook[0] && turn % HOOK_EVERY == 0)
		ask_hook(report);
	publish(report);
}

/* --- the server --- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status,
			      const char *text, size_t length)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", "application/json");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *body,
				  size_t *body_length, void **state)
{
	static const char nothing[] = "{\"error\": \"there is only GET /load\"}\n";
	struct report *report = context;
	char text[REPORT_MAX];
	unsigned int status;
	size_t length;

	(void)version;
	(void)body;
	if (strcmp(method, "GET") != 0 || strcmp(url, "/load") != 0)
		return answer(connection, MHD_HTTP_NOT_FOUND, nothing, sizeof(nothing) - 1);
	if (!*state) { /* an answer before the request's end would close the connection */
		*state = report;
		return MHD_YES;
	}
	if (*body_length)
		return MHD_NO;
	pthread_mutex_lock(&report->lock);
	length = report->length;
	memcpy(text, report->text, length);
	status = report->known ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
	pthread_mutex_unlock(&report->lock);
	return answer(connection, status, text, length);
}

static struct MHD_Daemon *serve(struct report *report, struct error *err)
{
	const struct endpoint *endpoint = &report->options->listen;
	unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD;
	char text[ENDPOINT_TEXT_MAX];
	struct sockaddr_storage address;
	struct MHD_Daemon *daemon;

	endpoint_sockaddr(endpoint, &address);
	if (IN6_IS_ADDR_UNSPECIFIED(&endpoint->address.ip))
		flags |= MHD_USE_DUAL_STACK;
	else if (!address_is_ipv4(&endpoint->address))
		flags |= MHD_USE_IPv6;
	errno = 0;
	daemon = MHD_start_daemon(flags, endpoint->port, NULL, NULL, on_request, report,
				  MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
				  MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
				  MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_END);
	if (!daemon)
		error_set(err, errno ? errno : EIO, "cannot listen on %s: %s",
			  format_endpoint(endpoint, text),
			  errno ? strerror(errno) : "the server does not start");
	return daemon;
}

/* True: a signal asks for the end. */
static bool rest(const sigset_t *ends)
{
	const struct timespec pause = {.tv_nsec = LOAD_SAMPLE_MS * 1000000L};

	return sigtimedwait(ends, NULL, &pause) > 0;
}

int lbnode_report(const struct lbnode_options *options, struct error *err)
{
	static struct report report = {.lock = PTHREAD_MUTEX_INITIALIZER, .value = -1};
	struct MHD_Daemon *daemon;
	unsigned int turn = 0;
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	/* The server's threads inherit it. */
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	report.options = options;
	look(&report, turn);
	daemon = serve(&report, err);
	if (!daemon)
		return -EIO;
	while (!rest(&ends))
		look(&report, ++turn);
	MHD_stop_daemon(daemon);
	return 0;
}
