/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbnode: prepares a backend host for direct server return, and takes that back.
 *
 * The balancer sends the clients' packets on with the VIP still in them (mode l2), or inside of
 * tunnel packets (modes ipip and gue). The host must hold the VIP: on lo. And it must not answer
 * ARP for it, or it would draw the clients' packets past the balancer: arp_ignore and
 * arp_announce (Linux, Documentation/networking/ip-sysctl.rst). IPv6 needs no such switch:
 * neighbour solicitations are answered only for addresses of the interface that they came in on.
 *
 * For tunnels something must take the outer headers off, lb_decap or the kernel's own devices,
 * and clients must be told to leave room for those headers.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "lbnode_verbs.h"
#include "parse.h"

#define DEFAULT_STATE    "/run/sluice/lbnode.json"
#define DEFAULT_BPFFS    "/sys/fs/bpf/sluice-node"
#define DEFAULT_GUE_PORT 6080
#define BPFFS_MAX        100
#define FILE_MAX         128

static void usage(FILE *stream)
{
	fputs("usage: lbnode up [--mode l2|ipip|gue ...] --vip ADDR[/N] [--vip ...] --interface IF\n"
	      "                 [--gue-port N] [--from PREFIX ...] [--second-chance]\n"
	      "                 [--kernel] [--print]\n"
	      "                 [--xdp-mode auto|native|generic] [--cookie-key-file FILE]\n"
	      "                 [--bpffs DIR] [--state FILE]\n"
	      "       lbnode down [--state FILE] [--print]\n"
	      "       lbnode show [--state FILE]\n"
	      "       lbnode report --listen ADDR:PORT [--port N ...] [--exec WORD ...]\n"
	      "Prepares this host to answer clients directly for the VIPs of services.\n"
	      "  up                 VIPs onto lo; no ARP answers for them on the interface; for\n"
	      "                     tunnels, takes them off and has clients leave room for them\n"
	      "  down               takes back exactly what up did\n"
	      "  show               what up did, whether it still stands, and what was taken off\n"
	      "  report             tells balancers how loaded this host is, by GET /load, for\n"
	      "                     services with load-aware weights; runs until it is ended\n"
	      "  --mode MODE        how the balancer sends: l2 (the default), ipip, gue; both of\n"
	      "                     the latter if given twice\n"
	      "  --vip ADDR[/N]     an address of a service, or a prefix; up to 128 times\n"
	      "  --interface IF     where the balancer's packets come in\n"
	      "  --gue-port N       UDP port of mode gue (default 6080)\n"
	      "  --from PREFIX      take tunnel packets of these senders only; up to 32 times\n"
	      "  --second-chance    send on what no socket here knows to the backends that the\n"
	      "                     balancer names; needs mode gue and --from\n"
	      "  --kernel           use the kernel's tunnel devices, not the XDP program lb_decap\n"
	      "  --xdp-mode MODE    where lb_decap runs: in the driver (native), behind it\n"
	      "                     (generic), or native where it can (auto, the default)\n"
	      "  --cookie-key-file FILE\n"
	      "                     make connections of the balancer's SYN cookies, by its keys\n"
	      "  --bpffs DIR        where lb_decap is pinned (default " DEFAULT_BPFFS ")\n"
	      "  --state FILE       what to undo (default " DEFAULT_STATE ")\n"
	      "  --print            print shell commands, change nothing\n"
	      "  --listen ADDR:PORT where report listens; [::]:9481 for all addresses\n"
	      "  --port N           count in how full the listen queue of this TCP port is; up to\n"
	      "                     32 times\n"
	      "  --exec WORD        a program whose one number is the load, 1.0 being full, instead\n"
	      "                     of the host's; again for each argument\n",
	      stream);
}

static void complain(const struct error *err)
{
	fprintf(stderr, "lbnode: %s%s%s%s", err->field[0] ? "--" : "", err->field,
		err->field[0] ? ": " : "", err->message);
	fprintf(stderr, err->hint[0] ? "; %s\n" : "%s\n", err->hint);
}

/* --- flags: what each makes of its word; they fail with -EINVAL only, a mistake in typing --- */

static int set_mode(struct lbnode_options *options, const char *text, struct error *err)
{
	static const char *const names[] = {"l2", "ipip", "gue"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		options->modes |= 1U << i;
		return 0;
	}
	return error_hint(err, error_set(err, EINVAL, "%s: not one of l2, ipip, gue", text),
			  "mode nat needs nothing on the backend");
}

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
	struct prefix *vip = &options->vips[options->vip_count];

	if (options->vip_count == LBNODE_VIPS_MAX)
		return error_set(err, EINVAL, "%s: more than %d VIPs", text, LBNODE_VIPS_MAX);
	if (parse_prefix(text, vip, err) < 0)
		return -EINVAL;
	if (vip->length == 0 || address_check_usable(&vip->address, err) < 0)
		return error_set(err, EINVAL, "%s: no VIP", text);
	options->vip_count++;
	return 0;
}

static int add_from(struct lbnode_options *options, const char *text, struct error *err)
{
	if (options->from_count == LBNODE_FROM_MAX)
		return error_set(err, EINVAL, "%s: more than %d prefixes", text, LBNODE_FROM_MAX);
	if (parse_prefix(text, &options->from[options->from_count], err) < 0)
		return -EINVAL;
	options->from_count++;
	return 0;
}

static int set_gue_port(struct lbnode_options *options, const char *text, struct error *err)
{
	return parse_number(text, 1, UINT16_MAX, &options->gue_port, err);
}

static int set_second_chance(struct lbnode_options *options, const char *text, struct error *err)
{
	(void)text;
	(void)err;
	options->second_chance = true;
	return 0;
}

static int set_kernel(struct lbnode_options *options, const char *text, struct error *err)
{
	(void)text;
	(void)err;
	options->kernel = true;
	return 0;
}

static int set_xdp_mode(struct lbnode_options *options, const char *text, struct error *err)
{
	if (strcmp(text, "auto") != 0 && strcmp(text, "native") != 0 &&
	    strcmp(text, "generic") != 0)
		return error_set(err, EINVAL, "%s: not one of auto, native, generic", text);
	options->xdp_mode = text;
	return 0;
}

static int set_cookie_key_file(struct lbnode_options *options, const char *text, struct error *err)
{
	/* --print shows it to a shell, in quotes. */
	if (text[0] != '/' || strlen(text) >= FILE_MAX || strpbrk(text, "'\n"))
		return error_set(err, EINVAL, "%s: not the full path of a file", text);
	options->cookie_key_file = text;
	return 0;
}

static int set_bpffs(struct lbnode_options *options, const char *text, struct error *err)
{
	/* --print shows it to a shell. */
	if (text[0] != '/' || strlen(text) > BPFFS_MAX || strpbrk(text, " '\"\\$`;&|<>()*?[]#~\n"))
		return error_set(err, EINVAL, "%s: not the full path of a directory", text);
	options->bpffs = text;
	return 0;
}

static int set_state(struct lbnode_options *options, const char *text, struct error *err)
{
	(void)err;
	options->state = text;
	return 0;
}

static int set_print(struct lbnode_options *options, const char *text, struct error *err)
{
	(void)text;
	(void)err;
	options->print = true;
	return 0;
}

static int set_listen(struct lbnode_options *options, const char *text, struct error *err)
{
	int r = parse_endpoint(text, 0, &options->listen, err);

	if (r == 0 && options->listen.port == 0)
		return error_hint(err, error_set(err, EINVAL, "%s: no port", text),
				  "write ADDR:PORT, or [::]:PORT for all addresses");
	return r < 0 ? -EINVAL : 0;
}

static int add_port(struct lbnode_options *options, const char *text, struct error *err)
{
	if (options->port_count == LBNODE_PORTS_MAX)
		return error_set(err, EINVAL, "%s: more than %d ports", text, LBNODE_PORTS_MAX);
	if (parse_number(text, 1, UINT16_MAX, &options->ports[options->port_count], err) < 0)
		return -EINVAL;
	options->port_count++;
	return 0;
}

static int add_exec(struct lbnode_options *options, const char *text, struct error *err)
{
	if (options->hook_count == LBNODE_HOOK_MAX)
		return error_set(err, EINVAL, "%s: more than %d words", text, LBNODE_HOOK_MAX);
	if (options->hook_count == 0 && (text[0] != '/' || access(text, X_OK) != 0))
		return error_set(err, EINVAL, "%s: not the full path of a program", text);
	options->hook[options->hook_count++] = (char *)text;
	return 0;
}

enum verb_bit { UP = 1 << 0, DOWN = 1 << 1, SHOW = 1 << 2, REPORT = 1 << 3 };

static const struct flag {
	const char *name;
	int (*set)(struct lbnode_options *options, const char *text, struct error *err);
	int takes;          /* required_argument or no_argument */
	unsigned int verbs; /* the others refuse it */
} flags[] = {
	{"mode", set_mode, required_argument, UP},
	{"vip", add_vip, required_argument, UP},
	{"interface", set_interface, required_argument, UP},
	{"gue-port", set_gue_port, required_argument, UP},
	{"from", add_from, required_argument, UP},
	{"second-chance", set_second_chance, no_argument, UP},
	{"kernel", set_kernel, no_argument, UP},
	{"xdp-mode", set_xdp_mode, required_argument, UP},
	{"cookie-key-file", set_cookie_key_file, required_argument, UP},
	{"bpffs", set_bpffs, required_argument, UP},
	{"state", set_state, required_argument, UP | DOWN | SHOW},
	{"print", set_print, no_argument, UP | DOWN | SHOW},
	{"listen", set_listen, required_argument, REPORT},
	{"port", add_port, required_argument, REPORT},
	{"exec", add_exec, required_argument, REPORT},
};

#define FLAGS (sizeof(flags) / sizeof(flags[0]))

/* What was typed. */
struct command_line {
	struct lbnode_options options;
	bool given[FLAGS];
	bool help;
};

/* Returns 0 or a negative errno; err is filled unless getopt has already said what is wrong
 * (-EAGAIN). */
static int flags_parse(int argc, char **argv, struct command_line *line, struct error *err)
{
	struct option known[FLAGS + 2] = {[FLAGS] = {"help", no_argument, NULL, 'h'}};
	int c, index = 0, r;

	for (size_t i = 0; i < FLAGS; i++)
		known[i] = (struct option){flags[i].name, flags[i].takes, NULL, 'f'};
	while ((c = getopt_long(argc, argv, "", known, &index)) != -1) {
		line->help |= c == 'h';
		if (c == 'h')
			continue;
		if (c != 'f')
			return -EAGAIN;
		line->given[index] = true;
		r = flags[index].set(&line->options, optarg, err);
		if (r < 0)
			return error_field(err, r, flags[index].name);
	}
	return 0;
}

/* --- verbs --- */

struct verb {
	const char *name;
	int (*run)(const struct lbnode_options *options, struct error *err);
	enum verb_bit bit;
};

static const struct verb verbs[] = {
	{"up", lbnode_up, UP},
	{"down", lbnode_down, DOWN},
	{"show", lbnode_show, SHOW},
	{"report", lbnode_report, REPORT},
};

static const struct verb *verb_find(int count, char **words, struct error *err)
{
	if (count == 0) {
		error_set(err, EINVAL, "which of up, down, show, report?");
		return NULL;
	}
	if (count > 1) {
		error_set(err, EINVAL, "%s: not a flag", words[1]);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(words[0], verbs[i].name) == 0)
			return &verbs[i];
	error_set(err, EINVAL, "%s: not one of up, down, show, report", words[0]);
	return NULL;
}

static int refuse(struct error *err, const char *flag, const char *reason, const char *hint)
{
	return error_field(err, error_hint(err, error_set(err, EINVAL, "%s", reason), "%s", hint),
			   flag);
}

/* Flags of tunnels that say nothing without one; a flag without effect is a misunderstanding. */
static int tunnels_check(struct lbnode_options *options, struct error *err)
{
	bool tunnels = options->modes & (LBNODE_IPIP | LBNODE_GUE);

	if (options->gue_port && !(options->modes & LBNODE_GUE))
		return refuse(err, "gue-port", "only mode gue has a port", "add --mode gue");
	if (options->kernel && !tunnels)
		return refuse(err, "kernel", "mode l2 has no tunnels", "add --mode ipip or gue");
	if (options->cookie_key_file && options->kernel)
		return refuse(err, "cookie-key-file",
			      "lb_syncookie sees packets before the kernel's devices take them off",
			      "leave --kernel away");
	if (options->from_count && (!tunnels || options->kernel))
		return refuse(err, "from", "only lb_decap looks at the senders of tunnel packets",
			      "add --mode ipip or gue, and leave --kernel away");
	if (options->xdp_mode && (!tunnels || options->kernel))
		return refuse(err, "xdp-mode", "there is no XDP program to attach",
			      "add --mode ipip or gue, and leave --kernel away");
	if (options->second_chance && (!(options->modes & LBNODE_GUE) || options->kernel))
		return refuse(err, "second-chance", "only lb_decap sends on what comes by GUE",
			      "add --mode gue, and leave --kernel away");
	if (options->second_chance && !options->from_count)
		return refuse(err, "second-chance",
			      "anybody could have this host send packets to anybody",
			      "name the balancers by --from");
	if (!options->gue_port)
		options->gue_port = DEFAULT_GUE_PORT;
	if (!options->xdp_mode)
		options->xdp_mode = "auto";
	return 0;
}

static int refuse_flag(const struct verb *verb, const struct flag *flag, struct error *err)
{
	if (flag->verbs == REPORT)
		return refuse(err, flag->name, "only report takes it", "leave it away");
	if (verb->bit == REPORT)
		return refuse(err, flag->name, "report does not take it", "leave it away");
	return refuse(err, flag->name, "only up takes it", "down and show go by what up has noted");
}

static int verb_check(const struct verb *verb, struct command_line *line, struct error *err)
{
	struct lbnode_options *options = &line->options;

	for (size_t i = 0; i < FLAGS; i++)
		if (line->given[i] && !(flags[i].verbs & verb->bit))
			return refuse_flag(verb, &flags[i], err);
	if (verb->bit == REPORT && options->listen.port == 0)
		return error_field(err, error_set(err, EINVAL, "is missing"), "listen");
	if (verb->bit != UP)
		return 0;
	if (options->vip_count == 0)
		return error_field(err, error_set(err, EINVAL, "is missing"), "vip");
	if (!options->interface)
		return error_field(err, error_set(err, EINVAL, "is missing"), "interface");
	return tunnels_check(options, err);
}

int main(int argc, char **argv)
{
	static struct command_line line = {
		.options = {.state = DEFAULT_STATE, .bpffs = DEFAULT_BPFFS}};
	const struct verb *verb = NULL;
	struct error err;
	int r = flags_parse(argc, argv, &line, &err);

	if (r == 0 && line.help) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (r == 0)
		verb = verb_find(argc - optind, argv + optind, &err);
	if (r < 0 || !verb || verb_check(verb, &line, &err) < 0) {
		if (r != -EAGAIN)
			complain(&err);
		fputs("Try 'lbnode --help'.\n", stderr);
		return 2;
	}
	if (verb->run(&line.options, &err) < 0) {
		complain(&err);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
