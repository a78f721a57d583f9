/* SPDX-License-Identifier: Apache-2.0 */
#include "webapp_options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#define NAME_LENGTH_MAX 63
#define THREADS_MAX     64
#define WORKERS_MAX     256
#define QUEUE_MAX       100000
#define GRACE_MAX_MS    300000
#define FLAGS_MAX       32

/* --- the flags of all --- */

static int set_name(void *target, const char *text, struct error *err)
{
	struct webapp_options *options = target;

	if (text[0] == '\0' || strlen(text) > NAME_LENGTH_MAX)
		return error_set(err, EINVAL, "a name has 1 to %d characters", NAME_LENGTH_MAX);
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			return error_set(err, EINVAL, "a name is of printable ASCII characters");
	options->name = text;
	return 0;
}

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

static int add_listen(void *target, const char *text, struct error *err)
{
	struct webapp_options *options = target;
	struct endpoint endpoint;
	int r;

	if (options->listen_count == WEBAPP_LISTEN_MAX)
		return error_set(err, EINVAL, "%s: more than %d addresses", text,
				 WEBAPP_LISTEN_MAX);
	r = parse_listen(text, &endpoint, err);
	if (r < 0)
		return r;
	if (endpoint.port == 0)
		return error_hint(err, error_set(err, EINVAL, "%s: no port", text),
				  "write PORT, ADDR:PORT or [ADDR6]:PORT");
	options->listen[options->listen_count++] = endpoint;
	return 0;
}

static int set_threads(void *target, const char *text, struct error *err)
{
	return parse_number(text, 1, THREADS_MAX, &((struct webapp_options *)target)->threads, err);
}

static int set_workers(void *target, const char *text, struct error *err)
{
	return parse_number(text, 1, WORKERS_MAX, &((struct webapp_options *)target)->workers, err);
}

static int set_queue(void *target, const char *text, struct error *err)
{
	return parse_number(text, 1, QUEUE_MAX, &((struct webapp_options *)target)->queue, err);
}

static int set_grace(void *target, const char *text, struct error *err)
{
	return parse_duration(text, 0, GRACE_MAX_MS, &((struct webapp_options *)target)->grace_ms,
			      err);
}

static int set_help(void *target, const char *text, struct error *err)
{
	(void)text;
	(void)err;
	((struct webapp_options *)target)->help = true;
	return 0;
}

static const struct webapp_flag common_flags[] = {
	{"name", "NAME",
	 "the server's name, up to 63 characters; every answer has it in the\n"
	 "header X-Served-By",
	 set_name},
	{"listen", "[ADDR:]PORT",
	 "where it listens; [ADDR6]:PORT for IPv6; a PORT alone: on every\n"
	 "address of both families; up to 8 times",
	 add_listen},
	{"threads", "N", "threads of the front end per address, 1 to 64 (default: one a core)",
	 set_threads},
	{"grace", "DURATION",
	 "on SIGTERM, how long requests under way may take to end, up to 5m\n"
	 "(default 10s)",
	 set_grace},
	{"help", NULL, "this text", set_help},
	{NULL, NULL, NULL, NULL},
};

/* Of blocking apps only. */
static const struct webapp_flag worker_flags[] = {
	{"workers", "N", "requests worked on at a time, 1 to 256 (default 16)", set_workers},
	{"queue", "N", "requests that may wait for a worker (default 1024); others get 503",
	 set_queue},
	{NULL, NULL, NULL, NULL},
};

/* --- reading them --- */

/* All flags of an app, in the order of its help. */
struct flag_list {
	const struct webapp_flag *flags[FLAGS_MAX];
	void *targets[FLAGS_MAX];
	size_t count;
};

/* flags: NULL: none. */
static void list_add(struct flag_list *list, const struct webapp_flag *flags, void *target)
{
	for (; flags && flags->name && list->count < FLAGS_MAX; flags++) {
		list->flags[list->count] = flags;
		list->targets[list->count++] = target;
	}
}

static struct flag_list list_of(const struct webapp *app, void *context,
				struct webapp_options *options)
{
	struct flag_list list = {.count = 0};

	list_add(&list, app->flags, context);
	list_add(&list, app->blocking ? worker_flags : NULL, options);
	list_add(&list, common_flags, options);
	return list;
}

/* err's field is a flag's name. */
static int options_check(const struct webapp_options *options, struct error *err)
{
	if (options->help)
		return 0;
	if (!options->name)
		return error_field(err, error_set(err, EINVAL, "is missing"), "name");
	if (options->listen_count == 0)
		return error_field(err, error_set(err, EINVAL, "is missing"), "listen");
	return 0;
}

int webapp_options_parse(const struct webapp *app, void *context, int argc, char **argv,
			 struct webapp_options *ret_options, struct error *err)
{
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct webapp_options options = {
		.threads = cores < 1             ? 1
			   : cores > THREADS_MAX ? THREADS_MAX
						 : (uint64_t)cores,
		.workers = 16,
		.queue = 1024,
		.grace_ms = 10000,
	};
	const struct flag_list list = list_of(app, context, &options);
	struct option known[FLAGS_MAX + 1] = {{NULL, 0, NULL, 0}};
	int index = 0, r = 0;

	for (size_t i = 0; i < list.count; i++)
		known[i] = (struct option){
			list.flags[i]->name,
			list.flags[i]->argument ? required_argument : no_argument, NULL, 0};
	while (r == 0) {
		int c = getopt_long(argc, argv, "", known, &index);

		if (c == -1)
			break;
		if (c != 0)
			return -EAGAIN;
		r = list.flags[index]->set(list.targets[index], optarg, err);
	}
	if (r < 0) {
		error_field(err, r, list.flags[index]->name);
		return -EINVAL;
	}
	if (optind < argc)
		return error_set(err, EINVAL, "%s: not a flag", argv[optind]);
	r = options_check(&options, err);
	if (r == 0)
		*ret_options = options;
	return r;
}

/* --- help --- */

/* Lines of text, each behind `indent` blanks but the first, which stands behind `column`. */
static void print_lines(FILE *out, const char *text, int column, int indent)
{
	while (*text) {
		const char *end = strchrnul(text, '\n');

		fprintf(out, "%*s%.*s\n", indent - column, "", (int)(end - text), text);
		text = *end ? end + 1 : end;
		column = 0;
	}
}

void webapp_options_help(const struct webapp *app, FILE *out)
{
	struct webapp_options unused;
	const struct flag_list list = list_of(app, NULL, &unused);

	fprintf(out, "usage: %s --name NAME --listen [ADDR:]PORT [FLAG...]\n\n", app->name);
	print_lines(out, app->description, 0, 0);
	fputs("\nFlags:\n", out);
	for (size_t i = 0; i < list.count; i++) {
		const struct webapp_flag *flag = list.flags[i];

		fprintf(out, "  --%s%s%s\n", flag->name, flag->argument ? " " : "",
			flag->argument ? flag->argument : "");
		print_lines(out, flag->help, 0, 8);
	}
	fputs("\nAnswers:\n", out);
	print_lines(out, app->interface, 0, 2);
	fputs("  GET /metrics   counters and times for Prometheus (webapp_*)\n"
	      "Errors are JSON: {\"error\": ..., \"field\": ..., \"hint\": ...}\n\n"
	      "Ends by SIGTERM or SIGINT. Exit status: 0 ended so, 1 cannot start, 2 wrong flags.\n",
	      out);
}
