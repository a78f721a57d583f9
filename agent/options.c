/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "json.h"

#define CONFIG_SIZE_MAX (16u << 20)
#define DRAIN_MAX_MS    (60ULL * 60 * 1000)
#define NAT_PORTS_MIN   4096 /* fewer are no use: rather share ports with the host */

/* --- one setter a kind of value --- */

typedef int (*setter)(struct options *options, const char *text, struct error *err);

static int set_text(char *place, size_t size, const char *text, struct error *err)
{
	if (text[0] == '\0')
		return error_set(err, EINVAL, "is empty");
	if (strlen(text) >= size)
		return error_set(err, EINVAL, "%.100s...: longer than %zu bytes", text, size - 1);
	memcpy(place, text, strlen(text) + 1);
	return 0;
}

static int add_interface(struct options *options, const char *name, size_t length,
			 struct error *err)
{
	char(*place)[IF_NAMESIZE] = &options->interfaces[options->interface_count];
	size_t i;
	int ret;

	if (length == 0 || length >= sizeof(*place)) {
		ret = error_set(err, EINVAL, "\"%.*s\": not an interface name", (int)length, name);
		return error_hint(err, ret, "write IF or IF,IF");
	}
	for (i = 0; i < options->interface_count; i++) {
		if (strlen(options->interfaces[i]) == length &&
		    strncmp(options->interfaces[i], name, length) == 0)
			return error_set(err, EINVAL, "%.*s: given twice", (int)length, name);
	}
	if (options->interface_count == DATAPLANE_INTERFACES_MAX)
		return error_set(err, EINVAL, "more than %d interfaces", DATAPLANE_INTERFACES_MAX);
	memset(*place, 0, sizeof(*place));
	memcpy(*place, name, length);
	options->interface_count++;
	return 0;
}

/* Adds to what is there. */
static int set_interface(struct options *options, const char *text, struct error *err)
{
	size_t length;
	int ret;

	for (;; text += length + 1) {
		length = strcspn(text, ",");
		ret = add_interface(options, text, length, err);
		if (ret || text[length] == '\0')
			return ret;
	}
}

static int set_state_dir(struct options *options, const char *text, struct error *err)
{
	return set_text(options->state_dir, sizeof(options->state_dir), text, err);
}

static int set_commands_dir(struct options *options, const char *text, struct error *err)
{
	if (text[0] != '/')
		return error_hint(err, error_set(err, EINVAL, "%.100s: not an absolute path", text),
				  "write it like /etc/sluice/checks");
	return set_text(options->commands_dir, sizeof(options->commands_dir), text, err);
}

/* A file is read later, and again: only its path is looked at here. */
static int set_source_deny(struct options *options, const char *text, struct error *err)
{
	struct source_list list = {0};
	int ret = 0;

	if (!source_words_are_file(text))
		ret = source_list_read_words(text, &list, err);
	source_list_clear(&list);
	return ret ? ret : set_text(options->source_deny, sizeof(options->source_deny), text, err);
}

static int set_socket(struct options *options, const char *text, struct error *err)
{
	return set_text(options->socket, sizeof(options->socket), text, err);
}

static int set_socket_group(struct options *options, const char *text, struct error *err)
{
	return set_text(options->socket_group, sizeof(options->socket_group), text, err);
}

static int set_bpffs(struct options *options, const char *text, struct error *err)
{
	return set_text(options->bpffs, sizeof(options->bpffs), text, err);
}

static int set_verifier_log(struct options *options, const char *text, struct error *err)
{
	return set_text(options->verifier_log, sizeof(options->verifier_log), text, err);
}

static int set_listen(struct options *options, const char *text, struct error *err)
{
	struct endpoint endpoint;
	int ret;

	if (strcmp(text, "none") == 0) {
		options->listen.port = 0;
		return 0;
	}
	ret = parse_endpoint(text, 9480, &endpoint, err);
	if (ret == 0)
		options->listen = endpoint;
	return ret;
}

static int set_token_file(struct options *options, const char *text, struct error *err)
{
	return set_text(options->token_file, sizeof(options->token_file), text, err);
}

static int set_cookie_key_file(struct options *options, const char *text, struct error *err)
{
	return set_text(options->cookie_key_file, sizeof(options->cookie_key_file), text, err);
}

static int set_seed_file(struct options *options, const char *text, struct error *err)
{
	return set_text(options->seed_file, sizeof(options->seed_file), text, err);
}

static int set_store(struct options *options, const char *text, struct error *err)
{
	int ret = etcd_url_parse(text, &options->store_url, err);

	return ret ? ret : set_text(options->store, sizeof(options->store), text, err);
}

static int set_store_ca(struct options *options, const char *text, struct error *err)
{
	return set_text(options->store_ca, sizeof(options->store_ca), text, err);
}

static int set_store_cert(struct options *options, const char *text, struct error *err)
{
	return set_text(options->store_cert, sizeof(options->store_cert), text, err);
}

static int set_store_key(struct options *options, const char *text, struct error *err)
{
	return set_text(options->store_key, sizeof(options->store_key), text, err);
}

static int set_store_user_file(struct options *options, const char *text, struct error *err)
{
	return set_text(options->store_user_file, sizeof(options->store_user_file), text, err);
}

/* 253 to 255 are the host's own: default, main, local. */
static int set_announce_table(struct options *options, const char *text, struct error *err)
{
	uint64_t table = 0;
	int ret = parse_number(text, 1, UINT32_MAX, &table, err);

	if (ret == 0 && table >= 253 && table <= 255)
		ret = error_set(err, EINVAL, "%.40s: is one of the host's own tables", text);
	if (ret)
		return error_hint(err, ret,
				  "write the number of a table that nobody else uses, like 100");
	options->announce_table = (uint32_t)table;
	return 0;
}

static int set_drain_on_stop(struct options *options, const char *text, struct error *err)
{
	return parse_duration(text, 0, DRAIN_MAX_MS, &options->drain_on_stop_ms, err);
}

static int set_tls_cert(struct options *options, const char *text, struct error *err)
{
	return set_text(options->tls_cert, sizeof(options->tls_cert), text, err);
}

static int set_tls_key(struct options *options, const char *text, struct error *err)
{
	return set_text(options->tls_key, sizeof(options->tls_key), text, err);
}

static int set_xdp_mode(struct options *options, const char *text, struct error *err)
{
	if (strcmp(text, "auto") == 0)
		options->xdp_mode = ATTACH_AUTO;
	else if (strcmp(text, "native") == 0)
		options->xdp_mode = ATTACH_NATIVE;
	else if (strcmp(text, "generic") == 0)
		options->xdp_mode = ATTACH_GENERIC;
	else
		return error_hint(err, error_set(err, EINVAL, "%.40s: not a mode", text),
				  "write auto, native or generic");
	return 0;
}

static int set_log_level(struct options *options, const char *text, struct error *err)
{
	if (log_level_parse(text, &options->log_level))
		return 0;
	return error_hint(err, error_set(err, EINVAL, "%.40s: not a level", text),
			  "write error, warn, info or debug");
}

static int set_size(uint32_t *place, const char *text, uint64_t min, uint64_t max,
		    struct error *err)
{
	uint64_t value;
	int ret = parse_number(text, min, max, &value, err);

	if (ret == 0)
		*place = (uint32_t)value;
	return ret;
}

static int set_max_services(struct options *options, const char *text, struct error *err)
{
	return set_size(&options->sizes.services, text, 1, 4096, err);
}

static int set_max_backends(struct options *options, const char *text, struct error *err)
{
	return set_size(&options->sizes.backends, text, 1, 65535, err);
}

static int set_max_vips(struct options *options, const char *text, struct error *err)
{
	return set_size(&options->sizes.vips, text, 1, 65535, err);
}

/* Buckets are found by a mask, so their number is a power of two. */
static int set_flows(struct options *options, const char *text, struct error *err)
{
	uint32_t flows = 1024, wanted = 0;
	int ret = set_size(&wanted, text, 1024, 64u << 20, err);

	while (flows < wanted)
		flows *= 2;
	if (ret == 0)
		options->sizes.flows = flows;
	return ret;
}

static int set_nat_flows(struct options *options, const char *text, struct error *err)
{
	return set_size(&options->sizes.nat_flows, text, 1024, 16u << 20, err);
}

static int set_fragments(struct options *options, const char *text, struct error *err)
{
	return set_size(&options->sizes.fragments, text, 64, 1u << 20, err);
}

static int set_icmp_rate(struct options *options, const char *text, struct error *err)
{
	return set_size(&options->icmp_per_second, text, 0, 1000000, err);
}

static int set_bad_checksum(struct options *options, const char *text, struct error *err)
{
	options->drop_bad_checksums = strcmp(text, "drop") == 0;
	if (options->drop_bad_checksums || strcmp(text, "pass") == 0)
		return 0;
	error_set(err, EINVAL, "%s: neither pass nor drop", text);
	return error_hint(err, -EINVAL, "drop refuses packets whose IPv4 header is damaged");
}

static int set_handshake_sample(struct options *options, const char *text, struct error *err)
{
	uint32_t sample = 0;
	int ret = set_size(&sample, text, 1, 65536, err);

	if (ret)
		return ret;
	if (sample & (sample - 1))
		return error_set(err, EINVAL, "\"%s\" is no power of two", text);
	options->handshake_sample = sample;
	return 0;
}

/* Each prefix takes the place of the one of its family. */
static int set_tunnel_sources(struct options *options, const char *text, struct error *err)
{
	struct prefix prefix;
	char one[64];
	size_t length;
	int ret;

	for (;; text += length + 1) {
		length = strcspn(text, ",");
		snprintf(one, sizeof(one), "%.*s", (int)length, text);
		ret = parse_prefix(one, &prefix, err);
		if (ret)
			return error_hint(err, ret,
					  "write PREFIX or PREFIX,PREFIX, such as "
					  "172.16.0.0/16,100::/64");
		options->tunnel_sources[address_is_ipv4(&prefix.address) ? 0 : 1] = prefix;
		if (text[length] == '\0')
			return 0;
	}
}

static bool is_prime(uint32_t n)
{
	uint32_t d;

	for (d = 2; d * d <= n; d++) {
		if (n % d == 0)
			return false;
	}
	return n > 1;
}

static int set_table_size(struct options *options, const char *text, struct error *err)
{
	uint32_t size = 0, prime;
	int ret = set_size(&size, text, 251, 4194301, err);

	if (ret)
		return ret;
	for (prime = size; !is_prime(prime);)
		prime++;
	if (prime != size)
		return error_hint(err, error_set(err, EINVAL, "%u: not a prime", size),
				  "the next prime is %u", prime);
	options->sizes.table_size = size;
	return 0;
}

static int set_nat_ports(struct options *options, const char *text, struct error *err)
{
	uint64_t low = 0, high = 0;
	const char *dash = strchr(text, '-');
	char first[8] = "";
	int ret;

	if (dash && (size_t)(dash - text) < sizeof(first)) {
		memcpy(first, text, (size_t)(dash - text));
		if (parse_number(first, 1, 65535, &low, err) == 0 &&
		    parse_number(dash + 1, 1, 65535, &high, err) == 0 && low <= high) {
			options->nat_port_low = (uint16_t)low;
			options->nat_port_high = (uint16_t)high;
			options->nat_ports_scarce = false;
			return 0;
		}
	}
	ret = error_set(err, EINVAL, "%.40s: not a range of ports", text);
	return error_hint(err, ret, "write LOW-HIGH, such as 1024-32767");
}

/* --- the words --- */

/* How the configuration file writes it. A number may be text there, too. */
enum option_kind { TEXT, LIST, NUMBER };

static const struct option {
	const char *name;
	const char *value;
	enum option_kind kind;
	setter set;
	const char *help;
} table[] = {
	{"interface", "IF[,IF]", LIST, set_interface,
	 "interfaces that clients' and backends' packets use"},
	{"state-dir", "DIR", TEXT, set_state_dir, "what survives a restart (/var/lib/sluice)"},
	{"check-commands", "DIR", TEXT, set_commands_dir,
	 "the programs that exec checks may run (/etc/sluice/checks)"},
	{"socket", "PATH", TEXT, set_socket, "Unix socket of the API (/run/sluice/lbagent.sock)"},
	{"socket-group", "GROUP", TEXT, set_socket_group, "group that may use the socket (sluice)"},
	{"listen", "ADDR:PORT", TEXT, set_listen,
	 "TCP listener, or none (127.0.0.1:9480); read-only without a token"},
	{"token-file", "FILE", TEXT, set_token_file,
	 "tokens that allow changes by TCP, one a line"},
	{"tls-cert", "FILE", TEXT, set_tls_cert,
	 "certificate of the TCP listener, PEM with its chain"},
	{"tls-key", "FILE", TEXT, set_tls_key, "its key, PEM"},
	{"cookie-key-file", "FILE", TEXT, set_cookie_key_file,
	 "keys of SYN cookies, which the backends have, too"},
	{"seed-file", "FILE", TEXT, set_seed_file,
	 "the seed of the flow hash, the same for all balancers of a fleet"},
	{"store", "URL", TEXT, set_store,
	 "the fleet's configuration: etcd://HOST:PORT[,HOST:PORT]/PREFIX, etcds:// by TLS"},
	{"store-ca", "FILE", TEXT, set_store_ca,
	 "who etcd's certificate is from, PEM (the system's)"},
	{"store-cert", "FILE", TEXT, set_store_cert, "certificate to show etcd, PEM"},
	{"store-key", "FILE", TEXT, set_store_key, "its key, PEM"},
	{"store-user-file", "FILE", TEXT, set_store_user_file,
	 "whom to log in to etcd as, one line USER:PASSWORD"},
	{"announce-table", "N", NUMBER, set_announce_table,
	 "announce VIPs: put routes to them into this table, for BIRD or FRR"},
	{"drain-on-stop", "DURATION", TEXT, set_drain_on_stop,
	 "at SIGTERM withdraw VIPs, go on for so long, then stop (0s)"},
	{"bpffs", "DIR", TEXT, set_bpffs, "where program and maps are pinned (/sys/fs/bpf/sluice)"},
	{"xdp-mode", "MODE", TEXT, set_xdp_mode, "auto, native or generic (auto)"},
	{"log-level", "LEVEL", TEXT, set_log_level, "error, warn, info or debug (info)"},
	{"max-services", "N", NUMBER, set_max_services, "room for services (256)"},
	{"max-backends", "N", NUMBER, set_max_backends, "room for backends of all services (4096)"},
	{"max-vips", "N", NUMBER, set_max_vips, "room for VIPs of all services (1024)"},
	{"flows", "N", NUMBER, set_flows, "room in the flow table, 8 bytes each (1048576)"},
	{"nat-flows", "N", NUMBER, set_nat_flows, "room for flows of mode nat (262144)"},
	{"fragments", "N", NUMBER, set_fragments, "room for fragmented packets under way (16384)"},
	{"table-size", "PRIME", NUMBER, set_table_size, "slots of a Maglev table (65537)"},
	{"nat-ports", "LOW-HIGH", TEXT, set_nat_ports,
	 "source ports towards backends (those outside ip_local_port_range)"},
	{"tunnel-sources", "PREFIX[,PREFIX]", LIST, set_tunnel_sources,
	 "outer sources of tunnels, one a family (172.16.0.0/16,100::/64)"},
	{"source-deny", "FILE|PREFIX[,PREFIX]", LIST, set_source_deny,
	 "whose packets no service takes; a file has one prefix a line"},
	{"icmp-rate", "N", NUMBER, set_icmp_rate,
	 "ICMP errors a CPU may send in a second; 0 for none (1000)"},
	{"bad-checksum", "pass|drop", TEXT, set_bad_checksum,
	 "packets to a VIP whose IPv4 header has a wrong one (pass)"},
	{"handshake-sample", "N", NUMBER, set_handshake_sample,
	 "time the handshake of one in N TCP flows; a power of two (16)"},
	{"verifier-log", "FILE", TEXT, set_verifier_log, "write the BPF verifier's log there"},
};

#define OPTIONS (sizeof(table) / sizeof(table[0]))

static const struct option *option_find(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < OPTIONS; i++) {
		if (strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0)
			return &table[i];
	}
	return NULL;
}

void options_usage(void)
{
	size_t i;

	printf("Usage: lbagent --interface IF[,IF...] [FLAG VALUE]...\n"
	       "       lbagent --unload [--bpffs DIR]\n"
	       "       lbagent --check FILE\n\n"
	       "The daemon of the Sluice load balancer. Flags (defaults in brackets):\n\n");
	for (i = 0; i < OPTIONS; i++)
		printf("  --%-14s %-17s %s\n", table[i].name, table[i].value, table[i].help);
	printf("  --%-14s %-17s %s\n", "config", "FILE", "JSON with the same words, and services");
	printf("  --%-14s %-17s %s\n", "check", "FILE",
	       "say if FILE would do as --config, and end");
	printf("  --%-32s %s\n", "preflight", "say what a start would do, and do nothing");
	printf("  --%-32s %s\n", "skip-self-test", "start although the data plane may be broken");
	printf("  --%-32s %s\n", "unload", "take the XDP program off and remove the pins");
	printf("  --%-32s %s\n", "version", "print the version");
	printf("\nA restart or a kill -9 stops no packet: program and maps stay. man lbagent\n");
}

/* --- configuration file --- */

static int read_file(const char *path, char **ret_text, size_t *ret_length, struct error *err)
{
	FILE *file = fopen(path, "re");
	int r;

	if (!file)
		return error_set(err, errno, "%s", strerror(errno));
	r = file_read_text(fileno(file), CONFIG_SIZE_MAX, ret_text, ret_length);
	fclose(file);
	if (r == -EFBIG)
		return error_set(err, EINVAL, "larger than 16 MiB");
	return r < 0 ? error_set(err, -r, "%s", strerror(-r)) : 0;
}

/* One word of the file, set as its flag would be. */
static int config_set_one(struct options *options, const struct option *option, const cJSON *value,
			  struct error *err)
{
	char number[32];

	if (cJSON_IsString(value))
		return option->set(options, value->valuestring, err);
	if (option->kind != NUMBER)
		return error_set(err, EINVAL, "not a string%s",
				 option->kind == LIST ? " or an array of strings" : "");
	if (!cJSON_IsNumber(value))
		return error_set(err, EINVAL, "neither a number nor a string");
	snprintf(number, sizeof(number), "%.15g", value->valuedouble);
	return option->set(options, number, err);
}

static int config_set(struct options *options, const struct option *option, const cJSON *value,
		      struct error *err)
{
	const cJSON *item;
	int ret = 0;

	if (option->kind != LIST || !cJSON_IsArray(value))
		return config_set_one(options, option, value, err);
	cJSON_ArrayForEach (item, value) {
		ret = config_set_one(options, option, item, err);
		if (ret)
			break;
	}
	return ret;
}

static int config_apply(struct options *options, cJSON *json, struct error *err)
{
	const char *keys[OPTIONS + 2];
	struct error inner = {0};
	const cJSON *item;
	size_t i;
	int ret;

	for (i = 0; i < OPTIONS; i++)
		keys[i] = table[i].name;
	keys[OPTIONS] = "services";
	keys[OPTIONS + 1] = NULL;
	ret = json_check_keys(json, "config", keys, err);
	for (i = 0; ret == 0 && i < OPTIONS; i++) {
		item = cJSON_GetObjectItemCaseSensitive(json, table[i].name);
		if (item && config_set(options, &table[i], item, &inner)) {
			ret = error_set(err, EINVAL, "%s: %.200s", table[i].name, inner.message);
			error_field(err, ret, table[i].name);
			error_hint(err, ret, "%s", inner.hint);
		}
	}
	if (ret == 0)
		options->services = cJSON_DetachItemFromObjectCaseSensitive(json, "services");
	return ret;
}

static int config_read(struct options *options, const char *path, struct error *err)
{
	struct error inner = {0};
	cJSON *json = NULL;
	char *text = NULL;
	size_t length = 0;
	int ret;

	ret = read_file(path, &text, &length, &inner);
	if (ret == 0)
		ret = json_parse(text, length, &json, &inner);
	if (ret == 0)
		ret = config_apply(options, json, &inner);
	free(text);
	cJSON_Delete(json);
	if (ret) {
		error_set(err, EBADMSG, "configuration %s: %.250s", path, inner.message);
		return error_hint(err, -EBADMSG, "%s", inner.hint);
	}
	return 0;
}

/* --- flags --- */

static bool set_switch(struct options *options, const char *name)
{
	if (strcmp(name, "unload") == 0)
		options->unload = true;
	else if (strcmp(name, "preflight") == 0)
		options->preflight = true;
	else if (strcmp(name, "skip-self-test") == 0)
		options->skip_self_test = true;
	else if (strcmp(name, "help") == 0)
		options->help = true;
	else if (strcmp(name, "version") == 0)
		options->version = true;
	else
		return false;
	return true;
}

static int flag_error(const char *name, size_t length, const struct error *inner, struct error *err)
{
	error_set(err, EINVAL, "--%.*s: %.250s", (int)length, name, inner->message);
	return error_hint(err, -EINVAL, "%s", inner->hint[0] ? inner->hint : "see lbagent --help");
}

/* Takes one flag and its value; *i is left at the last argument used. */
static int flag_read(struct options *options, int argc, char *const *argv, int *i,
		     struct error *err)
{
	const char *name = argv[*i], *value;
	struct error inner = {0};
	size_t length;
	bool config, check;

	if (strncmp(name, "--", 2) != 0) {
		error_set(err, EINVAL, "%.100s: unexpected argument", name);
		return error_hint(err, -EINVAL, "see lbagent --help");
	}
	name += 2;
	if (set_switch(options, name))
		return 0;
	length = strcspn(name, "=");
	value = name[length] ? name + length + 1 : *i + 1 < argc ? argv[++*i] : NULL;
	check = length == 5 && strncmp(name, "check", length) == 0;
	config = check || (length == 6 && strncmp(name, "config", length) == 0);
	options->check = options->check || check;
	if (!config && !option_find(name, length)) {
		error_set(&inner, EINVAL, "unknown flag");
		return flag_error(name, length, &inner, err);
	}
	if (!value) {
		error_set(&inner, EINVAL, "a value is missing");
		return flag_error(name, length, &inner, err);
	}
	if (config)
		return 0; /* read already */
	if (option_find(name, length)->set(options, value, &inner))
		return flag_error(name, length, &inner, err);
	return 0;
}

/* The value at argv[i] if that is the flag: behind the equals sign or the next, NULL behind the
 * last. Else `otherwise`. */
static const char *flag_value(char *const *argv, int i, const char *flag, const char *otherwise)
{
	size_t length = strlen(flag);

	if (strcmp(argv[i], flag) == 0)
		return argv[i + 1];
	return strncmp(argv[i], flag, length) == 0 && argv[i][length] == '=' ? argv[i] + length + 1
									     : otherwise;
}

/* The file that --config or --check names, wherever it stands: the other flags win over it. The
 * last one, as of any flag. NULL: none. */
static const char *config_path(int argc, char *const *argv)
{
	const char *path = NULL;
	int i;

	for (i = 1; i < argc; i++) {
		path = flag_value(argv, i, "--config", path);
		path = flag_value(argv, i, "--check", path);
	}
	return path;
}

/* The kernel's range of ports for the host's own connections; the usual one if unreadable. */
static void local_ports(uint64_t *ret_low, uint64_t *ret_high)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	uint64_t low = 0, high = 0;
	char line[64] = "", *rest;
	struct error ignored;

	*ret_low = 32768;
	*ret_high = 60999;
	if (!file)
		return;
	rest = fgets(line, sizeof(line), file) ? line : NULL;
	fclose(file);
	if (rest && parse_number(strsep(&rest, " \t\n"), 1, 65535, &low, &ignored) == 0 && rest &&
	    parse_number(strsep(&rest, " \t\n"), low, 65535, &high, &ignored) == 0) {
		*ret_low = low;
		*ret_high = high;
	}
}

/* Ports that the host's own connections do not use, so that the two never meet. */
static void default_nat_ports(struct options *options)
{
	uint64_t low, high;

	local_ports(&low, &high);
	options->nat_port_low = 1024;
	options->nat_port_high = (uint16_t)(low > 1024 ? low - 1 : 1024);
	if (65535 - high > options->nat_port_high - 1024u) {
		options->nat_port_low = (uint16_t)(high + 1);
		options->nat_port_high = 65535;
	}
	options->nat_ports_scarce = options->nat_port_high - options->nat_port_low < NAT_PORTS_MIN;
	if (options->nat_ports_scarce) {
		options->nat_port_low = 1024;
		options->nat_port_high = 32767;
	}
}

/* Of a certificate and its key, both or none. */
static int check_pair(const char *what, bool cert, bool key, struct error *err)
{
	if (cert == key)
		return 0;
	error_set(err, EINVAL, "--%s-%s is missing", what, cert ? "key" : "cert");
	return error_hint(err, -EINVAL, "give --%s-cert FILE and --%s-key FILE", what, what);
}

static int check_store(const struct options *options, struct error *err)
{
	bool cert = options->store_cert[0];
	bool tls = cert || options->store_ca[0];
	int ret = check_pair("store", cert, options->store_key[0], err);

	if (ret)
		return ret;
	if (!options->store[0] && (tls || options->store_user_file[0])) {
		error_set(err, EINVAL, "--store is missing");
		return error_hint(err, -EINVAL, "give --store etcd://HOST:PORT/PREFIX");
	}
	if (!tls || options->store_url.tls)
		return 0;
	error_set(err, EINVAL, "--store etcd:// is without TLS, and has no use for certificates");
	return error_hint(err, -EINVAL, "write --store etcds://...");
}

static int check_listener(const struct options *options, struct error *err)
{
	bool cert = options->tls_cert[0];
	int ret = check_pair("tls", cert, options->tls_key[0], err);

	if (ret)
		return ret;
	if (options->listen.port || (!cert && !options->token_file[0]))
		return 0;
	error_set(err, EINVAL, "--%s is for the TCP listener, and --listen is none",
		  cert ? "tls-cert" : "token-file");
	return error_hint(err, -EINVAL, "give --listen ADDR:PORT, or leave it out");
}

static int options_check(const struct options *options, struct error *err)
{
	int ret;

	if (options->unload || options->help || options->version || options->check)
		return 0;
	ret = check_listener(options, err);
	if (ret == 0)
		ret = check_store(options, err);
	if (ret)
		return ret;
	if (options->drain_on_stop_ms && !options->announce_table) {
		error_set(err, EINVAL,
			  "--drain-on-stop: no VIP is announced that could be "
			  "withdrawn");
		return error_hint(err, -EINVAL, "give --announce-table N, or leave it out");
	}
	if (options->interface_count)
		return 0;
	error_set(err, EINVAL, "--interface is missing");
	return error_hint(err, -EINVAL, "lbagent --interface IF; `ip -br link` lists them");
}

int options_read(struct options *options, int argc, char *const *argv, struct error *err)
{
	const char *config = config_path(argc, argv);
	size_t from_config;
	int i, ret = 0;

	*options = (struct options){
		.state_dir = "/var/lib/sluice",
		.commands_dir = "/etc/sluice/checks",
		.socket = "/run/sluice/lbagent.sock",
		.socket_group = "sluice",
		.bpffs = "/sys/fs/bpf/sluice",
		.log_level = LOG_LEVEL_INFO,
		.sizes = {.services = 256,
			  .backends = 4096,
			  .vips = 1024,
			  .flows = 1 << 20,
			  .nat_flows = 1 << 18,
			  .fragments = 1 << 14,
			  .table_size = 65537},
	};
	options->config = config;
	default_nat_ports(options);
	options->icmp_per_second = 1000;
	options->handshake_sample = 16;
	ret = set_listen(options, "127.0.0.1:9480", err);
	if (ret == 0) /* RFC 1918 and RFC 6666: nobody answers there */
		ret = set_tunnel_sources(options, "172.16.0.0/16,100::/64", err);
	if (ret == 0 && config)
		ret = config_read(options, config, err);
	from_config = options->interface_count;
	options->interface_count = 0; /* flags replace the file's interfaces, they do not add */
	for (i = 1; ret == 0 && i < argc; i++)
		ret = flag_read(options, argc, argv, &i, err);
	if (options->interface_count == 0)
		options->interface_count = from_config;
	return ret ? ret : options_check(options, err);
}

void options_clear(struct options *options)
{
	cJSON_Delete(options->services);
	options->services = NULL;
}
