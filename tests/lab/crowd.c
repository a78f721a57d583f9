/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowd: many HTTP clients at once, each with a connection that it keeps, and each error by its
 * cause.
 *
 *   crowd --connections N --seconds S [--life D] [--pause D] [--errors FILE] ADDR:PORT
 *   crowd --connections N --once N [--errors FILE] ADDR:PORT
 *
 * A client asks for / again when it has its answer, or --pause later. One that has lost its
 * connection opens another 100 ms later. At most --pace connections are opened in a second. The S
 * seconds begin when all are open; SIGTERM ends them. From then on a client stays for --life, on
 * average, and then another one comes in its place. With --once there are so many requests, each on
 * a connection of its own, and no second try.
 *
 * Answers tell by their body, one word of at most 31 letters, who gave them. Output is JSON: a line
 * each second with the figures of that second, and a last one for all seconds ("second": null; its
 * errors and opened connections are those since the start). FILE gets a line for each error: cause,
 * when it was seen and when the connection was begun (Unix time in ms), who had answered on it
 * before, if anybody, and the client's port. Causes:
 *
 *   refused   the connection was refused
 *   reset     it was reset while a request, or the handshake, was under way
 *   closed    it was closed before the answer was whole
 *   idle      it ended between two requests: nothing was lost
 *   timeout   the handshake, or the answer, took longer than --timeout
 *   status    the answer was no 200
 *   other     anything else
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "parse.h"

#define NAMES_MAX   16
#define NAME_BYTES  32
#define ANSWER_MAX  512
#define THREADS_MAX 64
#define BUCKETS     2048
#define SCAN_US     10000  /* how often a thread looks for what is due */
#define RETRY_US    100000 /* from an error to the next connection */
#define OPEN_SLACK  60     /* seconds, beyond what --pace asks for, until all are open */

enum cause { REFUSED, RESET, CLOSED, IDLE, TIMEOUT, STATUS, OTHER, CAUSES };

static const char *const cause_names[CAUSES] = {
	[REFUSED] = "refused", [RESET] = "reset",   [CLOSED] = "closed", [IDLE] = "idle",
	[TIMEOUT] = "timeout", [STATUS] = "status", [OTHER] = "other",
};

struct options {
	struct sockaddr_storage address;
	socklen_t address_length;
	uint64_t connections, seconds, once, threads, pace;
	uint64_t life_us; /* 0: for ever */
	uint64_t pause_us, timeout_us;
	const char *errors;
};

/* Counters that all threads add to; nothing else, for tally_difference(). */
struct tally {
	unsigned long requests;
	unsigned long opened;
	unsigned long errors[CAUSES];
	unsigned long served[NAMES_MAX];
	unsigned long latency[BUCKETS];
};

struct crowd {
	struct options options;
	struct tally tally;
	atomic_long open;     /* connections that are, at this moment */
	atomic_long tickets;  /* --once: requests that have not begun */
	atomic_bool complete; /* all have come: from now on they leave, too */
	atomic_bool stop;
	pthread_mutex_t lock; /* for a new name */
	atomic_uint name_count;
	char names[NAMES_MAX][NAME_BYTES];
	FILE *errors;
	uint64_t unix_us; /* when CLOCK_MONOTONIC was 0 */
	char request[160];
	size_t request_length;
};

enum state { ABSENT, CONNECTING, ASKING, RESTING, ENDING };

struct connection {
	enum state state;
	int fd;
	int name;          /* who answered last, -1: nobody yet */
	uint32_t length;   /* of what has come of an answer */
	uint64_t begun_us; /* when it began to connect */
	uint64_t since_us; /* when it began to connect or to ask */
	uint64_t due_us;   /* ABSENT, RESTING: when to go on */
	uint64_t until_us; /* when it is to leave; 0: that is open */
	char *answer;      /* ANSWER_MAX bytes, and one for a NUL */
};

struct worker {
	struct crowd *crowd;
	pthread_t thread;
	int epoll;
	unsigned int seed;
	uint64_t now_us, scanned_us;
	double tokens; /* connections that may be opened now */
	struct connection *connections;
	size_t count;
};

static volatile sig_atomic_t ended; /* by SIGTERM */

static void on_term(int signal)
{
	(void)signal;
	ended = 1;
}

static uint64_t now_us(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000;
}

/* --- figures --- */

static void count(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* Microseconds to a bucket: exact below 128, then to a 64th. */
static unsigned int bucket_of(uint64_t us)
{
	unsigned int exponent, bucket;

	if (us < 128)
		return (unsigned int)us;
	exponent = 63 - (unsigned int)__builtin_clzll(us);
	bucket = 128 + (exponent - 7) * 64 + (unsigned int)((us >> (exponent - 6)) & 63);
	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/* The smallest of a bucket, in milliseconds. */
static double bucket_ms(unsigned int bucket)
{
	if (bucket < 128)
		return bucket / 1000.0;
	return (double)((uint64_t)(64 + bucket % 64) << ((bucket - 128) / 64 + 1)) / 1000.0;
}

static double quantile_ms(const struct tally *tally, double part)
{
	unsigned long before = 0, wanted = (unsigned long)((double)tally->requests * part);
	unsigned int i;

	for (i = 0; i < BUCKETS; i++) {
		before += tally->latency[i];
		if (before > wanted)
			return bucket_ms(i);
	}
	return 0;
}

/* What came to `now` since `before`, which becomes what is now. */
static void tally_difference(struct tally *now, struct tally *before, struct tally *ret)
{
	unsigned long *from = (unsigned long *)now, *last = (unsigned long *)before;
	unsigned long *difference = (unsigned long *)ret, value;

	for (size_t i = 0; i < sizeof(*now) / sizeof(*from); i++) {
		value = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
		difference[i] = value - last[i];
		last[i] = value;
	}
}

static void print_figures(struct crowd *crowd, const char *second, double seconds,
			  const struct tally *tally)
{
	unsigned int i, names = atomic_load(&crowd->name_count);

	printf("{\"second\":%s,\"seconds\":%.2f,\"open\":%ld,\"opened\":%lu,\"requests\":%lu,"
	       "\"rate\":%.0f",
	       second, seconds, atomic_load(&crowd->open), tally->opened, tally->requests,
	       seconds > 0 ? (double)tally->requests / seconds : 0);
	printf(",\"p50_ms\":%.2f,\"p95_ms\":%.2f,\"p99_ms\":%.2f,\"errors\":{",
	       quantile_ms(tally, 0.5), quantile_ms(tally, 0.95), quantile_ms(tally, 0.99));
	for (i = 0; i < CAUSES; i++)
		printf("%s\"%s\":%lu", i ? "," : "", cause_names[i], tally->errors[i]);
	printf("},\"served\":{");
	for (i = 0; i < names; i++)
		printf("%s\"%s\":%lu", i ? "," : "", crowd->names[i], tally->served[i]);
	printf("}}\n");
	fflush(stdout);
}

/* --- answers --- */

/* The number of whoever is called so; -1: there are too many. */
static int name_number(struct crowd *crowd, const char *name)
{
	unsigned int i, known = atomic_load(&crowd->name_count);

	for (i = 0; i < known; i++)
		if (strcmp(crowd->names[i], name) == 0)
			return (int)i;
	if (known == NAMES_MAX)
		return -1;
	pthread_mutex_lock(&crowd->lock);
	if (atomic_load(&crowd->name_count) == known) {
		snprintf(crowd->names[known], NAME_BYTES, "%s", name);
		atomic_store(&crowd->name_count, known + 1);
	}
	pthread_mutex_unlock(&crowd->lock);
	return name_number(crowd, name);
}

/* Where the body begins and how long it is, once the answer is whole. Returns 1, 0 if it is not, or
 * -1: it is none that can be read. */
static int answer_find_body(const char *answer, size_t length, const char **ret_body,
			    size_t *ret_length)
{
	const char *end = strstr(answer, "\r\n\r\n");
	const char *field = strcasestr(answer, "\r\nContent-Length:");
	size_t head, body;

	if (!end)
		return length < ANSWER_MAX ? 0 : -1;
	if (!field || field > end || strncmp(answer, "HTTP/1.", 7) != 0)
		return -1;
	head = (size_t)(end + 4 - answer);
	body = strtoul(field + strlen("\r\nContent-Length:"), NULL, 10);
	if (body > ANSWER_MAX - head || head + body < length)
		return -1;
	*ret_body = end + 4;
	*ret_length = body;
	return head + body == length;
}

/* Who gives a whole answer; -1: its body says nothing of the kind. */
static int answer_name(struct crowd *crowd, const char *body, size_t length)
{
	char name[NAME_BYTES] = "";

	while (length > 0 && (body[length - 1] == '\n' || body[length - 1] == '\r'))
		length--;
	if (length == 0 || length >= sizeof(name))
		return -1;
	memcpy(name, body, length);
	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")])
		return -1;
	return name_number(crowd, name);
}

/* --- a connection --- */

static void connection_leave(struct worker *worker, struct connection *c, uint64_t wait_us)
{
	if (c->state >= ASKING)
		atomic_fetch_sub(&worker->crowd->open, 1);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = ABSENT;
	c->due_us = worker->now_us + wait_us;
}

static unsigned int connection_port(const struct connection *c)
{
	struct sockaddr_storage own = {0};
	socklen_t length = sizeof(own);

	/* The port is at the same place in both families' addresses. */
	if (getsockname(c->fd, (struct sockaddr *)&own, &length) < 0)
		return 0;
	return ntohs(((struct sockaddr_in *)&own)->sin_port);
}

static void connection_fail(struct worker *worker, struct connection *c, enum cause cause)
{
	struct crowd *crowd = worker->crowd;

	count(&crowd->tally.errors[cause]);
	if (crowd->errors)
		fprintf(crowd->errors,
			"{\"cause\":\"%s\",\"ms\":%lu,\"begun_ms\":%lu,\"backend\":\"%s\","
			"\"port\":%u}\n",
			cause_names[cause], (crowd->unix_us + worker->now_us) / 1000,
			(crowd->unix_us + c->begun_us) / 1000,
			c->name < 0 ? "" : crowd->names[c->name], connection_port(c));
	connection_leave(worker, c, RETRY_US);
}

/* The connection ended, by errno or, if that is 0, by the other side's will. */
static void connection_ended(struct worker *worker, struct connection *c, int error)
{
	if (c->state == ENDING)
		connection_leave(worker, c, 0);
	else if (c->state == RESTING)
		connection_fail(worker, c, IDLE);
	else if (error == 0)
		connection_fail(worker, c, CLOSED);
	else if (error == ECONNREFUSED)
		connection_fail(worker, c, REFUSED);
	else if (error == ECONNRESET || error == EPIPE)
		connection_fail(worker, c, RESET);
	else
		connection_fail(worker, c, error == ETIMEDOUT ? TIMEOUT : OTHER);
}

static void connection_ask(struct worker *worker, struct connection *c)
{
	const struct crowd *crowd = worker->crowd;
	ssize_t sent;

	c->state = ASKING;
	c->length = 0;
	c->since_us = worker->now_us;
	sent = send(c->fd, crowd->request, crowd->request_length, MSG_NOSIGNAL);
	if (sent != (ssize_t)crowd->request_length)
		connection_ended(worker, c, sent < 0 ? errno : EIO);
}

static void connection_open(struct worker *worker, struct connection *c)
{
	struct crowd *crowd = worker->crowd;
	const struct options *options = &crowd->options;
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};

	if (worker->tokens < 1 || (options->once && atomic_fetch_sub(&crowd->tickets, 1) <= 0))
		return;
	worker->tokens -= 1;
	count(&crowd->tally.opened);
	c->name = -1;
	c->begun_us = c->since_us = worker->now_us;
	c->until_us = 0;
	c->state = CONNECTING;
	c->fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || epoll_ctl(worker->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0 ||
	    (connect(c->fd, (const struct sockaddr *)&options->address, options->address_length) <
		     0 &&
	     errno != EINPROGRESS))
		connection_ended(worker, c, errno);
}

static void connection_opened(struct worker *worker, struct connection *c)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	socklen_t length = sizeof(int);
	int error = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error || epoll_ctl(worker->epoll, EPOLL_CTL_MOD, c->fd, &event) < 0) {
		connection_ended(worker, c, error ? error : errno);
		return;
	}
	atomic_fetch_add(&worker->crowd->open, 1);
	connection_ask(worker, c);
}

/* Whether the client has stayed for long enough: up to twice --life. Who came together does not
 * leave together. */
static bool connection_is_over(struct worker *worker, struct connection *c)
{
	const uint64_t life_us = worker->crowd->options.life_us;

	if (!life_us || !atomic_load(&worker->crowd->complete))
		return false;
	if (!c->until_us)
		c->until_us =
			worker->now_us + life_us * (uint64_t)(rand_r(&worker->seed) % 1024) / 512;
	return worker->now_us >= c->until_us;
}

/* An answer is there. Goes on as the client does then. */
static void connection_answered(struct worker *worker, struct connection *c, int name)
{
	struct crowd *crowd = worker->crowd;
	const struct options *options = &crowd->options;

	count(&crowd->tally.requests);
	count(&crowd->tally.served[name]);
	count(&crowd->tally.latency[bucket_of(worker->now_us - c->since_us)]);
	c->name = name;
	if (options->once) {
		c->state = ENDING; /* the server closes, as it was asked to */
	} else if (connection_is_over(worker, c)) {
		connection_leave(worker, c, 0);
		connection_open(worker, c);
	} else if (options->pause_us) {
		c->state = RESTING;
		c->due_us = worker->now_us + options->pause_us;
	} else {
		connection_ask(worker, c);
	}
}

static void connection_received(struct worker *worker, struct connection *c)
{
	const char *body;
	size_t length;
	int whole, name;

	c->answer[c->length] = '\0';
	whole = answer_find_body(c->answer, c->length, &body, &length);
	if (whole == 0)
		return;
	if (whole > 0 && strncmp(c->answer + strlen("HTTP/1.1"), " 200", 4) != 0) {
		connection_fail(worker, c, STATUS);
		return;
	}
	name = whole > 0 ? answer_name(worker->crowd, body, length) : -1;
	if (name < 0)
		connection_fail(worker, c, OTHER);
	else
		connection_answered(worker, c, name);
}

static void connection_read(struct worker *worker, struct connection *c)
{
	ssize_t n = read(c->fd, c->answer + c->length, ANSWER_MAX - c->length);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		connection_ended(worker, c, n < 0 ? errno : 0);
		if (worker->crowd->options.once && c->state == ABSENT)
			connection_open(worker, c);
		return;
	}
	c->length += (uint32_t)n;
	if (c->state == ASKING)
		connection_received(worker, c);
	else
		connection_fail(worker, c, OTHER); /* nobody asked */
}

/* --- a thread --- */

static void scan(struct worker *worker)
{
	const struct options *options = &worker->crowd->options;
	const double share = (double)options->pace / (double)options->threads / 1e6;
	const double most = share * 5 * SCAN_US + 1;

	worker->tokens += share * (double)(worker->now_us - worker->scanned_us);
	if (worker->tokens > most)
		worker->tokens = most;
	worker->scanned_us = worker->now_us;
	for (size_t i = 0; i < worker->count; i++) {
		struct connection *c = &worker->connections[i];

		if (c->state == ABSENT && c->due_us <= worker->now_us)
			connection_open(worker, c);
		else if (c->state == RESTING && c->due_us <= worker->now_us)
			connection_ask(worker, c);
		else if (c->state != ABSENT && c->state != RESTING &&
			 worker->now_us - c->since_us > options->timeout_us)
			connection_fail(worker, c, TIMEOUT);
	}
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct epoll_event events[256];

	worker->scanned_us = now_us();
	while (!atomic_load(&worker->crowd->stop)) {
		int n = epoll_wait(worker->epoll, events, 256, SCAN_US / 1000);

		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			worker->now_us = now_us();
			if (c->state == CONNECTING)
				connection_opened(worker, c);
			else
				connection_read(worker, c);
		}
		worker->now_us = now_us();
		if (worker->now_us - worker->scanned_us >= SCAN_US)
			scan(worker);
	}
	return NULL;
}

/* Its part of all connections. Returns 0 or a negative errno. */
static int worker_start(struct worker *worker, struct crowd *crowd, size_t number)
{
	const struct options *options = &crowd->options;
	char *answers;

	worker->crowd = crowd;
	worker->seed = (unsigned int)number;
	worker->count = options->connections * (number + 1) / options->threads -
			options->connections * number / options->threads;
	worker->connections = calloc(worker->count, sizeof(*worker->connections));
	answers = calloc(worker->count, ANSWER_MAX + 1);
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!worker->connections || !answers || worker->epoll < 0)
		return -ENOMEM;
	for (size_t i = 0; i < worker->count; i++) {
		worker->connections[i].fd = -1;
		worker->connections[i].name = -1;
		worker->connections[i].answer = answers + i * (ANSWER_MAX + 1);
	}
	return -pthread_create(&worker->thread, NULL, work, worker);
}

/* --- the whole --- */

static void sleep_until(uint64_t us)
{
	const struct timespec until = {.tv_sec = (time_t)(us / 1000000),
				       .tv_nsec = (long)(us % 1000000 * 1000)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* Whether everybody is there, or, with --once, has had an answer or an error. */
static bool crowd_complete(struct crowd *crowd)
{
	unsigned long done = __atomic_load_n(&crowd->tally.requests, __ATOMIC_RELAXED);

	if (!crowd->options.once)
		return atomic_load(&crowd->open) >= (long)crowd->options.connections;
	for (int i = 0; i < CAUSES; i++)
		done += __atomic_load_n(&crowd->tally.errors[i], __ATOMIC_RELAXED);
	return done >= crowd->options.once;
}

/* Waits for that, with a line each second. False: in vain. */
static bool crowd_wait(struct crowd *crowd, struct tally *before, uint64_t began_us)
{
	const struct options *options = &crowd->options;
	const uint64_t opened = options->once ? options->once : options->connections;
	const uint64_t end_us = began_us + (opened / options->pace + OPEN_SLACK) * 1000000;
	uint64_t next_us = began_us + 1000000, now = began_us;
	struct tally difference;

	while (!crowd_complete(crowd)) {
		if (now >= end_us || ended)
			return false;
		sleep_until(now + 5000);
		now = now_us();
		if (now < next_us)
			continue;
		tally_difference(&crowd->tally, before, &difference);
		print_figures(crowd, "0", (double)(now - next_us + 1000000) / 1e6, &difference);
		next_us = now + 1000000;
	}
	return true;
}

static void crowd_measure(struct crowd *crowd, struct tally *before, uint64_t began_us)
{
	uint64_t last_us = began_us, now;
	struct tally difference;
	char second[24];

	for (uint64_t i = 1; i <= crowd->options.seconds && !ended; i++) {
		sleep_until(began_us + i * 1000000);
		now = now_us();
		tally_difference(&crowd->tally, before, &difference);
		snprintf(second, sizeof(second), "%lu", i);
		print_figures(crowd, second, (double)(now - last_us) / 1e6, &difference);
		last_us = now;
	}
}

/* Figures of the seconds, but all errors and connections. */
static void print_all(struct crowd *crowd, struct tally *begin, uint64_t began_us)
{
	static struct tally all;

	tally_difference(&crowd->tally, begin, &all);
	all.opened = begin->opened;
	memcpy(all.errors, begin->errors, sizeof(all.errors));
	print_figures(crowd, "null", (double)(now_us() - began_us) / 1e6, &all);
}

static int crowd_run(struct crowd *crowd)
{
	static struct worker workers[THREADS_MAX];
	static struct tally before, begin, ignored;
	const size_t threads = crowd->options.threads;
	uint64_t began_us = now_us();
	bool complete;

	for (size_t i = 0; i < threads; i++) {
		if (worker_start(&workers[i], crowd, i) < 0) {
			fprintf(stderr, "crowd: no memory, or no thread\n");
			return EXIT_FAILURE;
		}
	}
	complete = crowd_wait(crowd, &before, began_us);
	if (!crowd->options.once) {
		atomic_store(&crowd->complete, true);
		began_us = now_us();
		tally_difference(&crowd->tally, &begin, &ignored);
		before = begin;
	}
	if (complete && !crowd->options.once)
		crowd_measure(crowd, &before, began_us);
	print_all(crowd, &begin, began_us);
	atomic_store(&crowd->stop, true);
	for (size_t i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	if (!complete)
		fprintf(stderr, "crowd: %ld of %lu connections are open, the others do not open\n",
			atomic_load(&crowd->open), crowd->options.connections);
	return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- options --- */

static int refuse(const char *flag, const struct error *err)
{
	fprintf(stderr, "crowd: %s: %s%s%s\n", flag, err->message, err->hint[0] ? "; " : "",
		err->hint);
	return -EINVAL;
}

static int parse_flag(struct options *options, int flag, const char *text, struct error *err)
{
	uint64_t ms = 0;
	int r = 0;

	switch (flag) {
	case 'c':
		return parse_number(text, 1, 1000000, &options->connections, err);
	case 's':
		return parse_number(text, 1, 86400, &options->seconds, err);
	case 'o':
		return parse_number(text, 1, 100000000, &options->once, err);
	case 't':
		return parse_number(text, 1, THREADS_MAX, &options->threads, err);
	case 'p':
		return parse_number(text, 1, 1000000, &options->pace, err);
	case 'e':
		options->errors = text;
		return 0;
	}
	r = parse_duration(text, flag == 'P' ? 0 : 1, 86400000, &ms, err);
	if (r == 0 && flag == 'l')
		options->life_us = ms * 1000;
	else if (r == 0)
		*(flag == 'P' ? &options->pause_us : &options->timeout_us) = ms * 1000;
	return r;
}

static const struct option flags[] = {
	{"connections", required_argument, NULL, 'c'}, {"seconds", required_argument, NULL, 's'},
	{"once", required_argument, NULL, 'o'},        {"threads", required_argument, NULL, 't'},
	{"pace", required_argument, NULL, 'p'},        {"life", required_argument, NULL, 'l'},
	{"pause", required_argument, NULL, 'P'},       {"timeout", required_argument, NULL, 'T'},
	{"errors", required_argument, NULL, 'e'},      {NULL, 0, NULL, 0},
};

static int parse_options(struct options *options, int argc, char **argv)
{
	struct endpoint endpoint;
	struct error err = {0};
	int flag, index = 0;

	while ((flag = getopt_long(argc, argv, "", flags, &index)) != -1) {
		if (flag == '?')
			return -EINVAL;
		if (parse_flag(options, flag, optarg, &err) < 0)
			return refuse(flags[index].name, &err);
	}
	if (optind != argc - 1 || options->connections == 0 ||
	    (options->seconds == 0) == (options->once == 0)) {
		fprintf(stderr,
			"usage: crowd --connections N --seconds S | --once N [--life D] [--pause D]\n"
			"             [--timeout D] [--pace N] [--threads N] [--errors FILE] "
			"ADDR:PORT\n");
		return -EINVAL;
	}
	if (parse_endpoint(argv[optind], 80, &endpoint, &err) < 0)
		return refuse(argv[optind], &err);
	options->address_length = endpoint_sockaddr(&endpoint, &options->address);
	if (options->threads > options->connections)
		options->threads = options->connections;
	return 0;
}

/* Each connection is an open file. */
static int raise_file_limit(uint64_t connections)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max >= connections + 100)
		return 0;
	fprintf(stderr,
		"crowd: %lu connections are as many open files, of which %lu are allowed;"
		" see ulimit -Hn\n",
		connections, (unsigned long)limit.rlim_max);
	return -EMFILE;
}

int main(int argc, char **argv)
{
	static struct crowd crowd = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct options *options = &crowd.options;
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);

	*options = (struct options){.pace = 2000, .timeout_us = 5000000};
	options->threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (uint64_t)cores;
	if (parse_options(options, argc, argv) < 0)
		return 2;
	if (raise_file_limit(options->connections) < 0)
		return EXIT_FAILURE;
	if (options->errors && !(crowd.errors = fopen(options->errors, "we"))) {
		fprintf(stderr, "crowd: %s: %s\n", options->errors, strerror(errno));
		return EXIT_FAILURE;
	}
	if (options->errors)
		setlinebuf(crowd.errors); /* whoever reads along sees each as it happens */
	signal(SIGTERM, on_term);
	crowd.unix_us = clock_ns(CLOCK_REALTIME) / 1000 - now_us();
	atomic_store(&crowd.tickets, (long)options->once);
	crowd.request_length = (size_t)snprintf(crowd.request, sizeof(crowd.request),
						"GET / HTTP/1.1\r\nHost: crowd\r\n%s\r\n",
						options->once ? "Connection: close\r\n" : "");
	return crowd_run(&crowd);
}
