/* SPDX-License-Identifier: Apache-2.0 */

/*
 * lbctl bgp-config: what a routing daemon is to be told so that it announces what lbagent puts into
 * its table. Needs no agent if --table is given.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "command.h"
#include "parse.h"

/* The protocol of lbagent's routes: RTNL_OWN_PROTOCOL of agent/rtnl.h. */
#define ROUTE_PROTOCOL 108
/* FRR's command takes no other. */
#define FRR_TABLE_MAX  252
#define ASN_MAX        4294967295ULL

struct bgp {
	const struct options *options;
	uint64_t as, peer_as, table;
	struct address router_id;
	bool bfd;
	bool ipv4, ipv6; /* there is a peer of it */
};

/* --- what was asked for --- */

static int missing(enum flag_id id, struct error *err)
{
	error_set(err, EINVAL, "bgp-config: --%s is missing", flags[id].name);
	return error_hint(err, -EINVAL,
			  "lbctl bgp-config --for bird --as 65001 --peer-as 65000 --peer ROUTER "
			  "--router-id ADDR");
}

static int refuse(enum flag_id id, const struct error *inner, struct error *err)
{
	error_set(err, EINVAL, "--%s: %.200s", flags[id].name, inner->message);
	return error_hint(err, -EINVAL, "%s", inner->hint);
}

static int read_number(const struct options *options, enum flag_id id, uint64_t most,
		       uint64_t *ret_value, struct error *err)
{
	const char *text = options_value(options, id);
	struct error inner = {0};

	if (text == NULL)
		return missing(id, err);
	return parse_number(text, 1, most, ret_value, &inner) < 0 ? refuse(id, &inner, err) : 0;
}

static int read_address(enum flag_id id, const char *text, struct address *ret_address,
			struct error *err)
{
	struct error inner = {0};
	int r = parse_address(text, ret_address, &inner);

	if (r == 0)
		r = address_check_usable(ret_address, &inner);
	return r < 0 ? refuse(id, &inner, err) : 0;
}

static int read_peers(struct bgp *bgp, bool frr, struct error *err)
{
	const char *text = options_next(bgp->options, FLAG_PEER, NULL);
	struct address address;
	int r;

	if (text == NULL)
		return missing(FLAG_PEER, err);
	for (; text != NULL; text = options_next(bgp->options, FLAG_PEER, text)) {
		r = read_address(FLAG_PEER, text, &address, err);
		if (r < 0)
			return r;
		bgp->ipv4 |= address_is_ipv4(&address);
		bgp->ipv6 |= !address_is_ipv4(&address);
	}
	if (!frr || !bgp->ipv6)
		return 0;
	error_set(err, EINVAL, "--peer: FRR takes no IPv6 routes from a table of lbagent's");
	return error_hint(err, -EINVAL, "take --for bird for IPv6 VIPs, or peers of IPv4");
}

static int read_router_id(struct bgp *bgp, struct error *err)
{
	const char *text = options_value(bgp->options, FLAG_ROUTER_ID);
	int r;

	if (text == NULL)
		return missing(FLAG_ROUTER_ID, err);
	r = read_address(FLAG_ROUTER_ID, text, &bgp->router_id, err);
	if (r < 0 || address_is_ipv4(&bgp->router_id))
		return r;
	error_set(err, EINVAL, "--router-id: %s is no IPv4 address", text);
	return error_hint(err, -EINVAL, "any four bytes that no other BGP speaker there has do");
}

/* The agent's, if none is given. */
static int ask_table(struct invocation *invocation, uint64_t *ret_table, struct error *err)
{
	const struct request request = {.method = "GET", .path = {"status"}};
	cJSON *status = NULL;
	int r = client_call(invocation->client, &request, &status, err);

	if (r == 0)
		r = answer_check_status(status, err);
	if (r == 0)
		*ret_table = (uint64_t)answer_number(answer_item(status, "announce"), "table");
	cJSON_Delete(status);
	if (r < 0)
		return error_hint(err, r == -EINVAL ? -EIO : r,
				  "give --table N, as lbagent's --announce-table");
	if (*ret_table)
		return 0;
	error_set(err, ENOENT, "lbagent announces no VIPs");
	return error_hint(err, -ENOENT, "start it with --announce-table N, or give --table N");
}

static int read_table(struct invocation *invocation, bool frr, uint64_t *ret_table,
		      struct error *err)
{
	int r = options_value(invocation->options, FLAG_TABLE) == NULL
			? ask_table(invocation, ret_table, err)
			: read_number(invocation->options, FLAG_TABLE, UINT32_MAX, ret_table, err);

	if (r < 0 || !frr || *ret_table <= FRR_TABLE_MAX)
		return r;
	error_set(err, EINVAL, "table %.0f: FRR takes none above %d", (double)*ret_table,
		  FRR_TABLE_MAX);
	return error_hint(err, -EINVAL, "start lbagent with another --announce-table");
}

static int read_bgp(struct invocation *invocation, bool frr, struct bgp *ret_bgp, struct error *err)
{
	const struct options *options = invocation->options;
	struct bgp bgp = {.options = options};
	int r = read_number(options, FLAG_AS, ASN_MAX, &bgp.as, err);

	if (r == 0)
		r = read_number(options, FLAG_PEER_AS, ASN_MAX, &bgp.peer_as, err);
	if (r == 0)
		r = read_peers(&bgp, frr, err);
	if (r == 0)
		r = read_router_id(&bgp, err);
	if (r == 0)
		r = read_table(invocation, frr, &bgp.table, err);
	bgp.bfd = options_flags(options) & FLAG_BIT(FLAG_BFD);
	if (r == 0)
		*ret_bgp = bgp;
	return r;
}

/* --- BIRD --- */

static void bird_kernel(const struct bgp *bgp, FILE *out, int family)
{
	fprintf(out,
		"protocol kernel sluice_vips%d {\n"
		"\tkernel table %llu;\n"
		"\tlearn;           # routes that BIRD has not made itself\n"
		"\tscan time 10;    # changes are told at once; this finds those that were missed\n"
		"\tipv%d {\n"
		"\t\ttable sluice%d;\n"
		"\t\timport where krt_source = %d;    # lbagent's, and nobody else's\n"
		"\t\texport none;\n"
		"\t};\n"
		"}\n\n",
		family, (unsigned long long)bgp->table, family, family, ROUTE_PROTOCOL);
}

static void bird_peer(const struct bgp *bgp, FILE *out, const char *text, unsigned int number)
{
	struct error unused;
	struct address address = {0};
	int family;

	parse_address(text, &address, &unused);
	family = address_is_ipv4(&address) ? 4 : 6;
	fprintf(out,
		"protocol bgp sluice_peer%u {\n"
		"\tlocal as %llu;\n"
		"\tneighbor %s as %llu;\n"
		"\thold time 9;\n"
		"\tkeepalive time 3;\n"
		"\tconnect delay time 1;\n"
		"\tconnect retry time 5;\n"
		"\terror wait time 1, 8;    # after a session has failed: BIRD's own 60 to 300 is long\n"
		"%s"
		"\tipv%d {\n"
		"\t\ttable sluice%d;\n"
		"\t\timport none;\n"
		"\t\texport filter sluice_alike;    # of that table, which has VIPs only\n"
		"\t\tnext hop self;\n"
		"\t};\n"
		"}\n",
		number, (unsigned long long)bgp->as, text, (unsigned long long)bgp->peer_as,
		bgp->bfd ? "\tbfd on;\n" : "", family, family);
}

static void write_bird(const struct bgp *bgp, FILE *out)
{
	const char *text = options_next(bgp->options, FLAG_PEER, NULL);
	char router_id[ADDRESS_TEXT_MAX];
	unsigned int number = 0;

	fprintf(out,
		"# BIRD 2, on a balancer: announces the VIPs to which lbagent has put routes into\n"
		"# table %llu. /etc/bird/bird.conf; `bird -p` checks it, `birdc configure` loads it.\n"
		"log syslog all;\n"
		"router id %s;\n\n"
		"# Tables of their own: nothing else can get among the VIPs, nor they elsewhere.\n"
		"ipv4 table sluice4;\n"
		"ipv6 table sluice6;\n\n"
		"# To the routers all balancers look alike, whatever daemon they have: only then they\n"
		"# spread flows over all of them.\n"
		"filter sluice_alike {\n"
		"\tbgp_origin = ORIGIN_IGP;\n"
		"\tbgp_med = 0;\n"
		"\taccept;\n"
		"}\n\n"
		"protocol device {\n"
		"}\n\n",
		(unsigned long long)bgp->table, format_address(&bgp->router_id, router_id));
	if (bgp->bfd)
		fputs("# A router that does not answer for 3 x 100 ms is gone, and so are we to it.\n"
		      "protocol bfd sluice_bfd {\n"
		      "\tinterface \"*\" {\n"
		      "\t\tinterval 100 ms;\n"
		      "\t\tmultiplier 3;\n"
		      "\t};\n"
		      "}\n\n",
		      out);
	if (bgp->ipv4)
		bird_kernel(bgp, out, 4);
	if (bgp->ipv6)
		bird_kernel(bgp, out, 6);
	fputs("# A peer of IPv4 is told of IPv4 VIPs, one of IPv6 of the others.\n", out);
	for (; text != NULL; text = options_next(bgp->options, FLAG_PEER, text))
		bird_peer(bgp, out, text, ++number);
}

/* --- FRR --- */

static void frr_each(const struct bgp *bgp, FILE *out, const char *before, const char *after)
{
	const char *text = options_next(bgp->options, FLAG_PEER, NULL);

	for (; text != NULL; text = options_next(bgp->options, FLAG_PEER, text))
		fprintf(out, "%s%s%s\n", before, text, after);
}

static void frr_bfd(const struct bgp *bgp, FILE *out)
{
	const char *text = options_next(bgp->options, FLAG_PEER, NULL);

	fputs("! A router that does not answer for 3 x 100 ms is gone, and so are we to it.\n"
	      "bfd\n",
	      out);
	for (; text != NULL; text = options_next(bgp->options, FLAG_PEER, text))
		fprintf(out,
			" peer %s\n"
			"  detect-multiplier 3\n"
			"  receive-interval 100\n"
			"  transmit-interval 100\n"
			" exit\n",
			text);
	fputs(" !\nexit\n!\n", out);
}

static void write_frr(const struct bgp *bgp, FILE *out)
{
	char router_id[ADDRESS_TEXT_MAX], remote[48];

	snprintf(remote, sizeof(remote), " remote-as %llu", (unsigned long long)bgp->peer_as);
	fprintf(out,
		"! FRR, on a balancer: announces the IPv4 VIPs to which lbagent has put routes into\n"
		"! table %llu. /etc/frr/frr.conf, with bgpd=yes%s in /etc/frr/daemons;\n"
		"! `vtysh -C` checks it, `vtysh -b` loads it. FRR 8 takes no IPv6 routes from a table.\n"
		"log syslog informational\n"
		"!\n"
		"! Zebra puts these routes into the main table, too, as \"unreachable\": what is for a\n"
		"! VIP and not balanced is refused there and does not go back to the routers.\n"
		"ip import-table %llu distance 250\n"
		"!\n"
		"! To the routers all balancers look alike, whatever daemon they have: only then they\n"
		"! spread flows over all of them.\n"
		"route-map sluice-vips permit 10\n"
		" set metric 0\n"
		" set origin igp\n"
		"exit\n"
		"!\n"
		"route-map sluice-none deny 10\n"
		"exit\n"
		"!\n",
		(unsigned long long)bgp->table, bgp->bfd ? " and bfdd=yes" : "",
		(unsigned long long)bgp->table);
	if (bgp->bfd)
		frr_bfd(bgp, out);
	fprintf(out,
		"router bgp %llu\n"
		" bgp router-id %s\n"
		" no bgp default ipv4-unicast\n"
		" timers bgp 3 9\n",
		(unsigned long long)bgp->as, format_address(&bgp->router_id, router_id));
	frr_each(bgp, out, " neighbor ", remote);
	if (bgp->bfd)
		frr_each(bgp, out, " neighbor ", " bfd");
	fprintf(out,
		" !\n"
		" address-family ipv4 unicast\n"
		"  redistribute table %llu route-map sluice-vips\n",
		(unsigned long long)bgp->table);
	frr_each(bgp, out, "  neighbor ", " activate");
	frr_each(bgp, out, "  neighbor ", " next-hop-self");
	frr_each(bgp, out, "  neighbor ", " route-map sluice-none in");
	frr_each(bgp, out, "  neighbor ", " route-map sluice-vips out");
	fputs(" exit-address-family\nexit\n!\n", out);
}

/* --- printing --- */

static int make_document(struct invocation *invocation, const char *daemon, const char *text,
			 struct error *err)
{
	cJSON *document = cJSON_CreateObject();

	invocation->document = document;
	if (document != NULL && cJSON_AddStringToObject(document, "for", daemon) != NULL &&
	    cJSON_AddStringToObject(document, "config", text) != NULL)
		return 0;
	return error_set(err, ENOMEM, "out of memory");
}

int print_bgp_config(struct invocation *invocation, struct error *err)
{
	const char *daemon = options_value(invocation->options, FLAG_FOR);
	bool frr = strcmp(daemon, "frr") == 0;
	char *text = NULL;
	size_t length = 0;
	struct bgp bgp = {0};
	FILE *out;
	int r;

	if (!frr && strcmp(daemon, "bird") != 0) {
		error_set(err, EINVAL, "--for: %.40s is neither bird nor frr", daemon);
		return error_hint(err, -EINVAL, "lbctl bgp-config --for bird");
	}
	r = read_bgp(invocation, frr, &bgp, err);
	if (r < 0)
		return r;
	out = open_memstream(&text, &length);
	if (out == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (frr)
		write_frr(&bgp, out);
	else
		write_bird(&bgp, out);
	if (fclose(out) != 0)
		r = error_set(err, ENOMEM, "out of memory");
	if (r == 0 && invocation->json)
		r = make_document(invocation, daemon, text, err);
	else if (r == 0)
		fputs(text, stdout);
	free(text);
	return r;
}
