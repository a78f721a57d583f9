/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include "options.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LONG_64      "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
#define LONG_256     LONG_64 LONG_64 LONG_64 LONG_64

/* --- the host's own ports (linked with --wrap for fopen) --- */

static const char *port_range; /* what the kernel says; NULL: nothing can be read */

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

FILE *__wrap_fopen(const char *path, const char *mode)
{
	if (strcmp(path, "/proc/sys/net/ipv4/ip_local_port_range") != 0)
		return __real_fopen(path, mode);
	if (!port_range)
		return NULL;
	return fmemopen((char *)(uintptr_t)port_range, strlen(port_range), "r");
}

/* --- fixture --- */

static struct options options;
static struct error err;
static char config[64]; /* path of a configuration file */

static int setup(void **state)
{
	int fd;

	(void)state;
	port_range = "32768\t60999\n";
	err = (struct error){0};
	snprintf(config, sizeof(config), "/tmp/sluice-options-XXXXXX");
	fd = mkstemp(config);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	options_clear(&options);
	return unlink(config);
}

static void write_config(const char *text)
{
	FILE *file = __real_fopen(config, "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* Arguments up to the first NULL, behind the program's name. */
static int read_options(const char *a, const char *b, const char *c, const char *d)
{
	const char *argv[] = {"lbagent", a, b, c, d, NULL};
	int argc = 1;

	while (argv[argc])
		argc++;
	options_clear(&options);
	return options_read(&options, argc, (char *const *)(uintptr_t)argv, &err);
}

/* --interface eth0 and one flag more. */
static int read_flag(const char *flag, const char *value)
{
	return read_options("--interface=eth0", flag, value, NULL);
}

/* A file of this text, and no flag but --config. */
static int read_config(const char *text)
{
	write_config(text);
	return read_options("--config", config, NULL, NULL);
}

static void assert_error(int got, int code, const char *message, const char *hint)
{
	assert_string_equal(err.message, message);
	assert_string_equal(err.hint, hint);
	assert_int_equal(got, -code);
}

/* --- flags --- */

static void assert_prefixes(const char *ipv4, const char *ipv6)
{
	char text[PREFIX_TEXT_MAX];

	assert_string_equal(format_prefix(&options.tunnel_sources[0], text), ipv4);
	assert_string_equal(format_prefix(&options.tunnel_sources[1], text), ipv6);
}

static void test_defaults(void **state)
{
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	assert_int_equal(read_options("--interface", "eth0", NULL, NULL), 0);
	assert_int_equal(options.interface_count, 1);
	assert_string_equal(options.interfaces[0], "eth0");
	assert_string_equal(options.state_dir, "/var/lib/sluice");
	assert_string_equal(options.socket, "/run/sluice/lbagent.sock");
	assert_string_equal(options.socket_group, "sluice");
	assert_string_equal(format_endpoint(&options.listen, text), "127.0.0.1:9480");
	assert_string_equal(options.bpffs, "/sys/fs/bpf/sluice");
	assert_int_equal(options.xdp_mode, ATTACH_AUTO);
	assert_int_equal(options.log_level, LOG_LEVEL_INFO);
	assert_int_equal(options.sizes.services, 256);
	assert_int_equal(options.sizes.backends, 4096);
	assert_int_equal(options.sizes.vips, 1024);
	assert_int_equal(options.sizes.flows, 1048576);
	assert_int_equal(options.sizes.nat_flows, 262144);
	assert_int_equal(options.sizes.fragments, 16384);
	assert_int_equal(options.sizes.table_size, 65537);
	assert_int_equal(options.icmp_per_second, 1000);
	assert_prefixes("172.16.0.0/16", "100::/64");
	assert_string_equal(options.verifier_log, "");
	assert_false(options.unload || options.help || options.version);
	assert_null(options.services);
}

static void test_texts(void **state)
{
	static const struct {
		const char *flag;
		const char *place;
		size_t max;
	} cases[] = {
		{"--state-dir", options.state_dir, 199},       {"--socket", options.socket, 107},
		{"--socket-group", options.socket_group, 32},  {"--bpffs", options.bpffs, 199},
		{"--verifier-log", options.verifier_log, 199},
	};
	char text[257] = LONG_256, message[320];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		text[cases[i].max] = '\0';
		assert_int_equal(read_flag(cases[i].flag, text), 0);
		assert_string_equal(cases[i].place, text);
		text[cases[i].max] = LONG_256[cases[i].max];
		text[cases[i].max + 1] = '\0';
		snprintf(message, sizeof(message), "%s: %.100s...: longer than %zu bytes",
			 cases[i].flag, text, cases[i].max);
		assert_error(read_flag(cases[i].flag, text), EINVAL, message, "see lbagent --help");
		memcpy(text, LONG_256, sizeof(text));
		snprintf(message, sizeof(message), "%s: is empty", cases[i].flag);
		assert_error(read_flag(cases[i].flag, ""), EINVAL, message, "see lbagent --help");
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *flag;
		const uint32_t *place;
		uint32_t min, max;
	} cases[] = {
		{"--max-services", &options.sizes.services, 1, 4096},
		{"--max-backends", &options.sizes.backends, 1, 65535},
		{"--max-vips", &options.sizes.vips, 1, 65535},
		{"--flows", &options.sizes.flows, 1024, 67108864},
		{"--nat-flows", &options.sizes.nat_flows, 1024, 16777216},
		{"--table-size", &options.sizes.table_size, 251, 4194301},
		{"--fragments", &options.sizes.fragments, 64, 1048576},
	};
	const char *const bad[] = {"", "x", "-1", "1.5", "0x400", " 1024", "99999999999999999999"};
	char text[32], message[128];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const uint32_t good[] = {cases[i].min, cases[i].max};
		const uint32_t beyond[] = {cases[i].min - 1, cases[i].max + 1};

		for (size_t k = 0; k < 2; k++) {
			snprintf(text, sizeof(text), "%u", good[k]);
			assert_int_equal(read_flag(cases[i].flag, text), 0);
			assert_int_equal(*cases[i].place, good[k]);
			snprintf(text, sizeof(text), "%u", beyond[k]);
			snprintf(message, sizeof(message), "%s: %s: not a number from %u to %u",
				 cases[i].flag, text, cases[i].min, cases[i].max);
			assert_error(read_flag(cases[i].flag, text), EINVAL, message,
				     "see lbagent --help");
		}
		for (size_t k = 0; k < COUNT(bad); k++)
			assert_int_equal(read_flag(cases[i].flag, bad[k]), -EINVAL);
	}
}

static void test_tunnel_sources(void **state)
{
	(void)state;
	assert_int_equal(read_flag("--tunnel-sources", "198.18.128.0/20"), 0);
	assert_prefixes("198.18.128.0/20", "100::/64");
	assert_int_equal(read_flag("--tunnel-sources", "2001:db8::/96,198.18.0.7"), 0);
	assert_prefixes("198.18.0.7/32", "2001:db8::/96");
	assert_int_equal(read_config("{\"interface\": \"eth0\", \"tunnel-sources\": "
				     "[\"198.18.0.0/16\", \"2001:db8::/64\"]}"),
			 0);
	assert_prefixes("198.18.0.0/16", "2001:db8::/64");
	assert_error(read_flag("--tunnel-sources", "198.18.0.0/16,x"), EINVAL,
		     "--tunnel-sources: x: not an IPv4 or IPv6 address",
		     "write PREFIX or PREFIX,PREFIX, such as 172.16.0.0/16,100::/64");
	assert_int_equal(read_flag("--tunnel-sources", "198.18.0.1/16"), -EINVAL);
	assert_int_equal(read_flag("--tunnel-sources", ""), -EINVAL);
	assert_int_equal(read_flag("--tunnel-sources", "198.18.0.0/16,"), -EINVAL);
}

static void test_icmp_rate(void **state)
{
	(void)state;
	assert_int_equal(read_flag("--icmp-rate", "0"), 0);
	assert_int_equal(options.icmp_per_second, 0);
	assert_int_equal(read_flag("--icmp-rate", "1000000"), 0);
	assert_int_equal(options.icmp_per_second, 1000000);
	assert_int_equal(read_flag("--icmp-rate", "1000001"), -EINVAL);
}

static void test_bad_checksum(void **state)
{
	(void)state;
	assert_int_equal(read_flag("--bad-checksum", "drop"), 0);
	assert_true(options.drop_bad_checksums);
	assert_int_equal(read_flag("--bad-checksum", "pass"), 0);
	assert_false(options.drop_bad_checksums);
	assert_error(read_flag("--bad-checksum", "yes"), EINVAL,
		     "--bad-checksum: yes: neither pass nor drop",
		     "drop refuses packets whose IPv4 header is damaged");
}

static void test_flows_are_rounded_up(void **state)
{
	(void)state;
	assert_int_equal(read_flag("--flows", "1025"), 0);
	assert_int_equal(options.sizes.flows, 2048);
	assert_int_equal(read_flag("--flows", "33554433"), 0);
	assert_int_equal(options.sizes.flows, 67108864);
}

static void test_table_size_is_prime(void **state)
{
	(void)state;
	assert_error(read_flag("--table-size", "65536"), EINVAL, "--table-size: 65536: not a prime",
		     "the next prime is 65537");
	assert_error(read_flag("--table-size", "4194300"), EINVAL,
		     "--table-size: 4194300: not a prime", "the next prime is 4194301");
	assert_int_equal(read_flag("--table-size", "1009"), 0);
	assert_int_equal(options.sizes.table_size, 1009);
}

static void test_interfaces(void **state)
{
	static const struct {
		const char *value, *message, *hint;
	} bad[] = {
		{"", "--interface: \"\": not an interface name", "write IF or IF,IF"},
		{"eth0,", "--interface: \"\": not an interface name", "write IF or IF,IF"},
		{",eth0", "--interface: \"\": not an interface name", "write IF or IF,IF"},
		{"eth0,,eth1", "--interface: \"\": not an interface name", "write IF or IF,IF"},
		{"abcdefghijklmnop", "--interface: \"abcdefghijklmnop\": not an interface name",
		 "write IF or IF,IF"},
		{"eth0,eth1,eth0", "--interface: eth0: given twice", "see lbagent --help"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_error(read_options("--interface", bad[i].value, NULL, NULL), EINVAL,
			     bad[i].message, bad[i].hint);
	assert_int_equal(
		read_options("--interface", "eth0,abcdefghijklmno", "--interface=eth1", NULL), 0);
	assert_int_equal(options.interface_count, 3);
	assert_string_equal(options.interfaces[1], "abcdefghijklmno");
	assert_string_equal(options.interfaces[2], "eth1");
}

static void test_many_interfaces(void **state)
{
	char text[8 * (DATAPLANE_INTERFACES_MAX + 1)] = "if0";

	(void)state;
	for (int i = 1; i < DATAPLANE_INTERFACES_MAX; i++)
		sprintf(text + strlen(text), ",if%d", i);
	assert_int_equal(read_options("--interface", text, NULL, NULL), 0);
	assert_int_equal(options.interface_count, DATAPLANE_INTERFACES_MAX);
	assert_string_equal(options.interfaces[63], "if63");
	strcat(text, ",more");
	assert_error(read_options("--interface", text, NULL, NULL), EINVAL,
		     "--interface: more than 64 interfaces", "see lbagent --help");
}

static void test_secrets(void **state)
{
	(void)state;
	assert_int_equal(read_flag("--token-file", "/etc/sluice/tokens"), 0);
	assert_string_equal(options.token_file, "/etc/sluice/tokens");
	assert_error(read_flag("--token-file", ""), EINVAL, "--token-file: is empty",
		     "see lbagent --help");
	assert_int_equal(read_flag("--cookie-key-file", "/etc/sluice/cookie-keys"), 0);
	assert_string_equal(options.cookie_key_file, "/etc/sluice/cookie-keys");
	assert_error(read_flag("--tls-cert", "/cert"), EINVAL, "--tls-key is missing",
		     "give --tls-cert FILE and --tls-key FILE");
	assert_error(read_flag("--tls-key", "/key"), EINVAL, "--tls-cert is missing",
		     "give --tls-cert FILE and --tls-key FILE");
	assert_error(read_config("{\"interface\": \"eth0\", \"listen\": \"none\", "
				 "\"token-file\": \"/t\"}"),
		     EINVAL, "--token-file is for the TCP listener, and --listen is none",
		     "give --listen ADDR:PORT, or leave it out");
}

static void test_store(void **state)
{
	static const char url[] = "etcds://a:1,b/p";

	(void)state;
	assert_int_equal(read_flag("--store", url), 0);
	assert_string_equal(options.store, url);
	assert_true(options.store_url.tls);
	assert_int_equal(options.store_url.endpoint_count, 2);
	assert_error(read_flag("--store", "a:1/p"), EINVAL, "--store: a:1/p: not an etcd URL",
		     "write etcd://HOST:PORT[,HOST:PORT...]/PREFIX, or etcds:// for TLS");
	assert_error(read_flag("--store-user-file", "/user"), EINVAL, "--store is missing",
		     "give --store etcd://HOST:PORT/PREFIX");
	assert_error(read_flag("--store-cert", "/cert"), EINVAL, "--store-key is missing",
		     "give --store-cert FILE and --store-key FILE");
	assert_error(read_config("{\"interface\": \"eth0\", \"store\": \"etcd://a/p\", "
				 "\"store-ca\": \"/ca\"}"),
		     EINVAL, "--store etcd:// is without TLS, and has no use for certificates",
		     "write --store etcds://...");
	assert_int_equal(read_config("{\"interface\": \"eth0\", \"store\": \"etcds://a/p\", "
				     "\"store-ca\": \"/ca\"}"),
			 0);
}

static void test_listen(void **state)
{
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	assert_int_equal(read_flag("--listen", "none"), 0);
	assert_int_equal(options.listen.port, 0);
	assert_int_equal(read_flag("--listen", "[::1]:80"), 0);
	assert_string_equal(format_endpoint(&options.listen, text), "[::1]:80");
	assert_int_equal(read_flag("--listen", "0.0.0.0"), 0);
	assert_string_equal(format_endpoint(&options.listen, text), "0.0.0.0:9480");
	assert_error(read_flag("--listen", "127.0.0.1:0"), EINVAL,
		     "--listen: port 0: not a number from 1 to 65535", "see lbagent --help");
	assert_error(read_flag("--listen", "localhost:9480"), EINVAL,
		     "--listen: localhost: not an IPv4 or IPv6 address",
		     "write 198.18.0.10 or 2001:db8::10");
}

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(read_flag("--xdp-mode", "native"), 0);
	assert_int_equal(options.xdp_mode, ATTACH_NATIVE);
	assert_int_equal(read_flag("--xdp-mode", "generic"), 0);
	assert_int_equal(options.xdp_mode, ATTACH_GENERIC);
	assert_int_equal(read_flag("--xdp-mode", "auto"), 0);
	assert_int_equal(options.xdp_mode, ATTACH_AUTO);
	assert_error(read_flag("--xdp-mode", "Native"), EINVAL, "--xdp-mode: Native: not a mode",
		     "write auto, native or generic");
	assert_int_equal(read_flag("--log-level", "debug"), 0);
	assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
	assert_error(read_flag("--log-level", "loud"), EINVAL, "--log-level: loud: not a level",
		     "write error, warn, info or debug");
}

/* --- NAT ports --- */

static void test_announce(void **state)
{
	static const char *const hint =
		"write the number of a table that nobody else uses, like 100";

	(void)state;
	assert_int_equal(read_flag("--announce-table", "100"), 0);
	assert_int_equal(options.announce_table, 100);
	assert_int_equal(read_flag("--announce-table", "4294967295"), 0);
	assert_error(read_flag("--announce-table", "254"), EINVAL,
		     "--announce-table: 254: is one of the host's own tables", hint);
	assert_int_equal(read_flag("--announce-table", "0"), -EINVAL);
	assert_string_equal(err.hint, hint);
	assert_int_equal(
		read_options("--interface=eth0", "--announce-table=9", "--drain-on-stop=10s", NULL),
		0);
	assert_int_equal(options.drain_on_stop_ms, 10000);
	assert_error(read_flag("--drain-on-stop", "10s"), EINVAL,
		     "--drain-on-stop: no VIP is announced that could be withdrawn",
		     "give --announce-table N, or leave it out");
	assert_int_equal(read_flag("--seed-file", "/etc/sluice/seed"), 0);
	assert_string_equal(options.seed_file, "/etc/sluice/seed");
}

static void test_nat_ports(void **state)
{
	static const char *const bad[] = {"",       "1024",    "1024-",    "-32767",
					  "0-1024", "2-1",     "1-65536",  "1024-32767-",
					  "a-b",    "1024:99", "1 - 1024", "100000000-100000001"};
	char message[128];

	(void)state;
	assert_int_equal(read_flag("--nat-ports", "1-65535"), 0);
	assert_int_equal(options.nat_port_low, 1);
	assert_int_equal(options.nat_port_high, 65535);
	assert_int_equal(read_flag("--nat-ports", "5000-5000"), 0);
	assert_int_equal(options.nat_port_low, 5000);
	assert_int_equal(options.nat_port_high, 5000);
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(message, sizeof(message), "--nat-ports: %s: not a range of ports", bad[i]);
		assert_error(read_flag("--nat-ports", bad[i]), EINVAL, message,
			     "write LOW-HIGH, such as 1024-32767");
	}
}

/* The larger part of what the host leaves free; if that is little, ports are shared and said so. */
static void test_default_nat_ports(void **state)
{
	static const struct {
		const char *range;
		uint16_t low, high;
		bool scarce;
	} cases[] = {
		{"32768\t60999\n", 1024, 32767, false}, {NULL, 1024, 32767, false},
		{"nonsense\n", 1024, 32767, false},     {"1024\t30000\n", 30001, 65535, false},
		{"1024\t65535\n", 1024, 32767, true},   {"1\t65535\n", 1024, 32767, true},
		{"1\t61000\n", 61001, 65535, false},    {"5121\t65535\n", 1024, 5120, false},
		{"5000\t65535\n", 1024, 32767, true},   {"61000\t32768\n", 1024, 32767, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		port_range = cases[i].range;
		assert_int_equal(read_options("--interface", "eth0", NULL, NULL), 0);
		assert_int_equal(options.nat_port_low, cases[i].low);
		assert_int_equal(options.nat_port_high, cases[i].high);
		assert_int_equal(options.nat_ports_scarce, cases[i].scarce);
	}
	port_range = "1024\t65535\n";
	assert_int_equal(read_flag("--nat-ports", "1024-32767"), 0);
	assert_false(options.nat_ports_scarce); /* as the operator wants it */
}

/* A file is checked without an interface; flags win over it, as with --config. */
static void test_check(void **state)
{
	(void)state;
	write_config("{\"flows\": 2048, \"services\": [{}]}");
	assert_int_equal(read_options("--check", config, "--max-backends", "7"), 0);
	assert_true(options.check);
	assert_string_equal(options.config, config);
	assert_int_equal(options.sizes.flows, 2048);
	assert_int_equal(options.sizes.backends, 7);
	assert_int_equal(cJSON_GetArraySize(options.services), 1);
	write_config("{\"flow\": 2048}");
	assert_int_equal(read_options("--check", config, NULL, NULL), -EBADMSG);
	assert_non_null(strstr(err.message, "unknown key \"flow\""));
	assert_int_equal(read_options("--check", NULL, NULL, NULL), -EINVAL);
	assert_string_equal(err.message, "--check: a value is missing");
}

/* --- usage --- */

static void test_usage(void **state)
{
	static const char *const switches[] = {"--unload", "--help", "--version"};

	(void)state;
	assert_error(read_options(NULL, NULL, NULL, NULL), EINVAL, "--interface is missing",
		     "lbagent --interface IF; `ip -br link` lists them");
	assert_error(read_options("eth0", NULL, NULL, NULL), EINVAL, "eth0: unexpected argument",
		     "see lbagent --help");
	assert_error(read_options("-i", "eth0", NULL, NULL), EINVAL, "-i: unexpected argument",
		     "see lbagent --help");
	assert_error(read_options("--interfaces", "eth0", NULL, NULL), EINVAL,
		     "--interfaces: unknown flag", "see lbagent --help");
	assert_int_equal(read_options("--interface", "eth0", "--skip-self-test", NULL), 0);
	assert_true(options.skip_self_test);
	assert_int_equal(read_options("--interface", "eth0", "--preflight", NULL), 0);
	assert_true(options.preflight);
	assert_error(read_options("--unload=yes", NULL, NULL, NULL), EINVAL,
		     "--unload: unknown flag", "see lbagent --help");
	assert_error(read_options("--", NULL, NULL, NULL), EINVAL, "--: unknown flag",
		     "see lbagent --help");
	assert_error(read_options("--interface", NULL, NULL, NULL), EINVAL,
		     "--interface: a value is missing", "see lbagent --help");
	assert_error(read_options("--interface=eth0", "--config", NULL, NULL), EINVAL,
		     "--config: a value is missing", "see lbagent --help");
	for (size_t i = 0; i < COUNT(switches); i++)
		assert_int_equal(read_options(switches[i], NULL, NULL, NULL), 0);
	assert_true(options.version);
	assert_int_equal(read_options("--interface=a", "--socket=x", "--socket", "y"), 0);
	assert_string_equal(options.socket, "y");
}

/* --- the configuration file --- */

static void test_config(void **state)
{
	(void)state;
	assert_int_equal(read_config("{\"interface\": [\"eth0\", \"eth1\"], \"state-dir\": \"/s\", "
				     "\"max-services\": 7, \"flows\": \"4096\", "
				     "\"nat-ports\": \"2000-3000\", \"listen\": \"none\", "
				     "\"services\": [{\"name\": \"web\"}]}"),
			 0);
	assert_int_equal(options.interface_count, 2);
	assert_string_equal(options.interfaces[1], "eth1");
	assert_string_equal(options.state_dir, "/s");
	assert_int_equal(options.sizes.services, 7);
	assert_int_equal(options.sizes.flows, 4096);
	assert_int_equal(options.nat_port_high, 3000);
	assert_int_equal(options.listen.port, 0);
	assert_int_equal(cJSON_GetArraySize(options.services), 1);
	assert_int_equal(read_config("{\"interface\": \"eth0,eth1\"}"), 0);
	assert_int_equal(options.interface_count, 2);
	assert_null(options.services);
}

static void test_flags_win_over_config(void **state)
{
	char text[8 * DATAPLANE_INTERFACES_MAX] = "{\"interface\": \"eth0";

	(void)state;
	for (int i = 1; i < DATAPLANE_INTERFACES_MAX; i++)
		sprintf(text + strlen(text), ",if%d", i);
	strcat(text, "\"}");
	write_config(text);
	assert_int_equal(read_options("--interface=eth0,eth9", "--config", config, NULL), 0);
	assert_int_equal(options.interface_count, 2);
	assert_string_equal(options.interfaces[1], "eth9");
	write_config("{\"interface\": \"eth0\", \"max-vips\": 5}");
	assert_int_equal(read_options("--max-vips", "6", "--config", config), 0);
	assert_int_equal(options.interface_count, 1);
	assert_int_equal(options.sizes.vips, 6);
	assert_int_equal(read_options("--config=/nonexistent", "--config", config, NULL), 0);
	assert_int_equal(options.sizes.vips, 5);
}

static void test_config_refused(void **state)
{
	static const struct {
		const char *text, *message, *hint;
	} cases[] = {
		{"{\"max-services\": 1.5}", "max-services: 1.5: not a number from 1 to 4096", ""},
		{"{\"max-services\": 1e300}", "max-services: 1e+300: not a number from 1 to 4096",
		 ""},
		{"{\"max-services\": -0.1}", "max-services: -0.1: not a number from 1 to 4096", ""},
		{"{\"max-services\": [1]}", "max-services: neither a number nor a string", ""},
		{"{\"max-services\": true}", "max-services: neither a number nor a string", ""},
		{"{\"socket\": 5}", "socket: not a string", ""},
		{"{\"socket\": null}", "socket: not a string", ""},
		{"{\"socket\": [\"a\", \"b\"]}", "socket: not a string", ""},
		{"{\"interface\": 5}", "interface: not a string or an array of strings", ""},
		{"{\"interface\": [\"a\", 5]}", "interface: not a string or an array of strings",
		 ""},
		{"{\"interface\": [[\"a\"]]}", "interface: not a string or an array of strings",
		 ""},
		{"{\"interface\": [\"a\", \"a\"]}", "interface: a: given twice", ""},
		{"{\"xdp-mode\": \"fast\"}", "xdp-mode: fast: not a mode",
		 "write auto, native or generic"},
	};
	char message[320];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int r = read_config(cases[i].text);

		snprintf(message, sizeof(message), "configuration %s: %s", config,
			 cases[i].message);
		assert_error(r, EBADMSG, message, cases[i].hint);
	}
}

static void assert_config_says(const char *text, const char *what)
{
	assert_int_equal(read_config(text), -EBADMSG);
	assert_memory_equal(err.message, "configuration ", 14);
	assert_non_null(strstr(err.message, config));
	if (!strstr(err.message, what))
		fail_msg("no \"%s\" in \"%s\"", what, err.message);
}

static void test_config_unreadable(void **state)
{
	(void)state;
	assert_config_says("", "empty: not JSON");
	assert_config_says("[]", "config: not an object");
	assert_config_says("{\"interface\": \"eth0\"", "line 1");
	assert_config_says("{\"colour\": \"red\"}", "unknown key \"colour\"");
	assert_config_says("{\"config\": \"x\"}", "unknown key \"config\"");
	assert_config_says("{\"flows\": 2048, \"flows\": 4096}", "flows");
	assert_error(read_options("--config", "/nonexistent/x", NULL, NULL), EBADMSG,
		     "configuration /nonexistent/x: No such file or directory", "");
	assert_error(read_options("--config", "/", NULL, NULL), EBADMSG,
		     "configuration /: Is a directory", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults),
		TEST(test_texts),
		TEST(test_numbers),
		TEST(test_flows_are_rounded_up),
		TEST(test_tunnel_sources),
		TEST(test_icmp_rate),
		TEST(test_bad_checksum),
		TEST(test_table_size_is_prime),
		TEST(test_interfaces),
		TEST(test_many_interfaces),
		TEST(test_listen),
		TEST(test_secrets),
		TEST(test_words),
		TEST(test_announce),
		TEST(test_nat_ports),
		TEST(test_default_nat_ports),
		TEST(test_check),
		TEST(test_store),
		TEST(test_usage),
		TEST(test_config),
		TEST(test_flags_win_over_config),
		TEST(test_config_refused),
		TEST(test_config_unreadable),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
