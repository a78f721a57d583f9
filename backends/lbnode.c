/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbnode: prepares a backend host for direct server return (mode l2), and takes that back.
 *
 * The balancer sends the clients' packets on with the VIP still in them, so the host must hold
 * the VIP: on lo. And it must not answer ARP for it, or it would draw the clients' packets past
 * the balancer: arp_ignore and arp_announce (Linux, Documentation/networking/ip-sysctl.rst).
 * IPv6 needs no such switch: neighbour solicitations are answered only for addresses of the
 * interface that they came in on.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "lbnode_verbs.h"
#include "parse.h"

#define DEFAULT_STATE "/run/sluice/lbnode.json"

static void usage(FILE *stream)
{
	fputs("usage: lbnode up --vip ADDR [--vip ADDR ...] --interface IF [--state FILE] [--print]\n"
	      "       lbnode down [--state FILE] [--print]\n"
	      "       lbnode show [--state FILE]\n"
	      "Prepares this host to answer clients directly for the VIPs of services in mode l2.\n"
	      "  up              VIPs onto lo; no ARP answers for them on the interface\n"
	      "  down            takes back exactly what up did\n"
	      "  show            what up did, and whether it still stands\n"
	      "  --vip ADDR      an address of a service; IPv4 or IPv6; up to 128 times\n"
	      "  --interface IF  where the balancer's packets come in\n"
	      "  --state FILE    what to undo (default " DEFAULT_STATE ")\n"
	      "  --print         print shell commands, change nothing\n",
	      stream);
}

static void complain(const struct error *err)
{
	fprintf(stderr, "lbnode: %s%s%s%s", err->field[0] ? "--" : "", err->field,
		err->field[0] ? ": " : "", err->message);
	fprintf(stderr, err->hint[0] ? "; %s\n" : "%s\n", err->hint);
}

/* --- the command line --- */

/* Fails with -EINVAL only: a mistake in what was typed. */
static int set_interface(struct lbnode_options *options, const char *text, struct error *err)
{
	size_t length = strlen(text);

	/* It becomes part of a path. */
	if (length == 0 || length >= IF_NAMESIZE || strchr(text, '/') || text[0] == '.' ||
	    strpbrk(text, "'\n"))
		return error_set(err, EINVAL, "%s: not the name of an interface", text);
	options->interface = text;
	return 0;
}

static int add_vip(struct lbnode_options *options, const char *text, struct error *err)
{
	if (options->vip_count == LBNODE_VIPS_MAX)
		return error_set(err, EINVAL, "%s: more than %d VIPs", text, LBNODE_VIPS_MAX);
	if (parse_address(text, &options->vips[options->vip_count], err) < 0)
		return -EINVAL;
	options->vip_count++;
	return 0;
}

/* Returns 0, 1 if help was asked for, or a negative errno; err is filled unless getopt has
 * already said what is wrong (-EAGAIN). */
static int options_parse(int argc, char **argv, struct lbnode_options *options, struct error *err)
{
	static const struct option flags[] = {
		{"vip", required_argument, NULL, 'v'},
		{"interface", required_argument, NULL, 'i'},
		{"state", required_argument, NULL, 's'},
		{"print", no_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, index = 0, r = 0;

	while ((c = getopt_long(argc, argv, "", flags, &index)) != -1) {
		if (c == 'h')
			return 1;
		if (c == 'v')
			r = add_vip(options, optarg, err);
		else if (c == 'i')
			r = set_interface(options, optarg, err);
		else if (c == 's')
			options->state = optarg;
		else if (c == 'p')
			options->print = true;
		else
			return -EAGAIN;
		if (r < 0)
			return error_field(err, r, flags[index].name);
	}
	return 0;
}

struct verb {
	const char *name;
	int (*run)(const struct lbnode_options *options, struct error *err);
	bool takes_vips; /* needs --vip and --interface; the others refuse them */
};

static const struct verb verbs[] = {
	{"up", lbnode_up, true},
	{"down", lbnode_down, false},
	{"show", lbnode_show, false},
};

static const struct verb *verb_find(int count, char **words, struct error *err)
{
	if (count == 0) {
		error_set(err, EINVAL, "which of up, down, show?");
		return NULL;
	}
	if (count > 1) {
		error_set(err, EINVAL, "%s: not a flag", words[1]);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(words[0], verbs[i].name) == 0)
			return &verbs[i];
	error_set(err, EINVAL, "%s: not one of up, down, show", words[0]);
	return NULL;
}

static int verb_check(const struct verb *verb, const struct lbnode_options *options,
		      struct error *err)
{
	if (verb->takes_vips && options->vip_count == 0)
		return error_field(err, error_set(err, EINVAL, "is missing"), "vip");
	if (verb->takes_vips && !options->interface)
		return error_field(err, error_set(err, EINVAL, "is missing"), "interface");
	if (!verb->takes_vips && (options->vip_count > 0 || options->interface))
		return error_hint(err, error_set(err, EINVAL, "%s takes no VIPs", verb->name),
				  "it goes by what up has noted");
	return 0;
}

int main(int argc, char **argv)
{
	struct lbnode_options options = {.state = DEFAULT_STATE};
	const struct verb *verb = NULL;
	struct error err;
	int r = options_parse(argc, argv, &options, &err);

	if (r == 1) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (r == 0)
		verb = verb_find(argc - optind, argv + optind, &err);
	if (r < 0 || !verb || verb_check(verb, &options, &err) < 0) {
		if (r != -EAGAIN)
			complain(&err);
		fputs("Try 'lbnode --help'.\n", stderr);
		return 2;
	}
	if (verb->run(&options, &err) < 0) {
		complain(&err);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
