/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds /v1/explain against the program that is attached.
 *
 *   explain agree SOCKET PINS INTERFACE COUNT SEED FLOWS "PROTO DESTINATION"...
 *   explain still SOCKET PINS INTERFACE COUNT SEED FLOWS "PROTO DESTINATION"...
 *
 * agree: COUNT random packets, half of them of flows seen before, some of them replies of mode nat;
 * the file FLOWS keeps the flows from one run to the next;
 * each is explained and then run through the live program by BPF_PROG_TEST_RUN, on the live maps.
 * XDP code, verdict, backend and every byte that leaves must be as explained.
 * still: the same, and then COUNT explanations more, after which not a bit of any map is another
 * one.
 *
 * Prints a line of figures for each. Ends with 1 if anything differs, which it shows.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../packet/uncounted.h"
#include "abi.h"
#include "parse.h"

#define FRAME_MAX   16384
#define POOL        4096
#define BACKENDS    64 /* indices that are looked at */
#define VIPS        64
#define TARGETS_MAX 64
#define MAPS_MAX    32
#define SHOWN_MAX   5
#define CONTEXT_MAX 80

static CURL *curl;
static const char *pins;
static uint32_t ifindex;
static int program;
static int cpus;
static uint64_t seed;

_Noreturn __attribute__((format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(2);
}

/* splitmix64 (Steele, Lea, Flood 2014): the same packets for the same seed. */
static uint64_t random64(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static bool chance(uint32_t percent)
{
	return random64() % 100 < percent;
}

/* --- packets --- */

struct tuple {
	char proto[8];
	char src[ENDPOINT_TEXT_MAX];
	char dst[ENDPOINT_TEXT_MAX];
};

static struct tuple targets[TARGETS_MAX], pool[POOL];
static size_t target_count, pool_count;

static void remember(const struct tuple *tuple)
{
	size_t at = pool_count < POOL ? pool_count++ : random64() % POOL;

	pool[at] = *tuple;
}

static void load_pool(const char *path)
{
	FILE *file = fopen(path, "re");
	struct tuple tuple;

	while (file && fscanf(file, "%7s %55s %55s", tuple.proto, tuple.src, tuple.dst) == 3)
		remember(&tuple);
	if (file)
		fclose(file);
}

static void save_pool(const char *path)
{
	FILE *file = fopen(path, "we");
	size_t i;

	if (!file)
		die("%s: %s", path, strerror(errno));
	for (i = 0; i < pool_count; i++)
		fprintf(file, "%s %s %s\n", pool[i].proto, pool[i].src, pool[i].dst);
	fclose(file);
}

static struct tuple any_tuple(void)
{
	struct tuple tuple = targets[random64() % target_count];
	bool ping = strcmp(tuple.proto, "icmp") == 0;
	unsigned int host = random64() & 0xffff, port = 1024 + random64() % 64000;

	if (pool_count && chance(50))
		return pool[random64() % pool_count];
	if (strchr(tuple.dst, '[') || (ping && strchr(tuple.dst, ':')))
		snprintf(tuple.src, sizeof(tuple.src),
			 ping ? "2001:db8:1::%x" : "[2001:db8:1::%x]:%u", host, port);
	else
		snprintf(tuple.src, sizeof(tuple.src), ping ? "198.19.%u.%u" : "198.19.%u.%u:%u",
			 host >> 8, host & 255, port);
	if (chance(1)) /* to itself */
		snprintf(tuple.src, sizeof(tuple.src), "%s", tuple.dst);
	remember(&tuple);
	return tuple;
}

/* ?... of a request for a packet of the tuple. */
static void write_query(const struct tuple *tuple, char *query, size_t size)
{
	static const char *const flags[] = {"syn", "ack", "fin,ack", "rst", "syn,fin", "none"};
	bool has_flags = strcmp(tuple->proto, "tcp") == 0 || strcmp(tuple->proto, "sctp") == 0;
	int used = snprintf(query, size, "proto=%s&src=%s&dst=%s", tuple->proto, tuple->src,
			    tuple->dst);

	if (has_flags && chance(50))
		used += snprintf(query + used, size - used, "&flags=%s", flags[random64() % 6]);
	if (chance(20))
		used += snprintf(query + used, size - used, "&length=%u",
				 60 + (unsigned int)(random64() % 1500));
	if (chance(5))
		snprintf(query + used, size - used, "&vlan=%s", chance(50) ? "100" : "200.100");
}

/* --- asking --- */

struct text {
	char *bytes;
	size_t size;
};

static size_t on_data(const char *data, size_t one, size_t count, void *context)
{
	struct text *text = context;
	char *more = realloc(text->bytes, text->size + one * count + 1);

	if (!more)
		return 0;
	memcpy(more + text->size, data, one * count);
	text->bytes = more;
	text->size += one * count;
	more[text->size] = '\0';
	return one * count;
}

/* The caller's to delete. *ret_us: how long it took. */
static cJSON *explain(const char *query, double *ret_us)
{
	char url[512];
	struct text text = {0};
	cJSON *json;
	CURLcode code;

	snprintf(url, sizeof(url), "http://lbagent/v1/explain?%s", query);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		die("%s: %s", query, curl_easy_strerror(code));
	curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, ret_us);
	*ret_us *= 1e6;
	json = cJSON_Parse(text.bytes);
	if (!json || cJSON_GetObjectItem(json, "error"))
		die("%s: answered: %s", query, text.bytes ? text.bytes : "nothing");
	free(text.bytes);
	return json;
}

static const char *text_at(const cJSON *json, const char *object, const char *key)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetObjectItem(object ? cJSON_GetObjectItem(json, object) : json, key));

	return text ? text : "";
}

static size_t read_hex(const char *hex, uint8_t *bytes)
{
	size_t size = strlen(hex) / 2, i;
	unsigned int byte;

	for (i = 0; i < size && i < FRAME_MAX && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
		bytes[i] = byte;
	return i;
}

/* --- maps --- */

static int pinned(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/maps/%s", pins, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		die("map %s: %s", path, strerror(errno));
	return fd;
}

static uint64_t packets_at(int map, uint32_t index, size_t value_size)
{
	uint64_t values[512], packets = 0; /* packets come first in either struct */
	int cpu;

	if (cpus * value_size > sizeof(values) || bpf_map_lookup_elem(map, &index, values))
		return 0;
	for (cpu = 0; cpu < cpus; cpu++)
		packets += values[cpu * value_size / sizeof(*values)];
	return packets;
}

struct counters {
	uint64_t verdicts[LB_VERDICT_COUNT];
	uint64_t backends[BACKENDS];
	uint64_t vips; /* of all of them */
};

static void read_counters(struct counters *counters)
{
	static int verdict_map = -1, backend_map = -1, vip_map = -1;
	uint32_t i;

	if (verdict_map < 0) {
		verdict_map = pinned("verdict_stats");
		backend_map = pinned("backend_stats");
		vip_map = pinned("vip_stats");
	}
	for (i = 0; i < LB_VERDICT_COUNT; i++)
		counters->verdicts[i] = packets_at(verdict_map, i, sizeof(struct lb_traffic));
	for (i = 0; i < BACKENDS; i++)
		counters->backends[i] = packets_at(backend_map, i, sizeof(struct lb_backend_stats));
	for (i = 0, counters->vips = 0; i < VIPS; i++)
		counters->vips += packets_at(vip_map, i, sizeof(struct lb_traffic));
}

/* --- agree --- */

static const char *const labels[LB_VERDICT_COUNT] = {
#define X(name, label, class, text) [LB_##name] = label,
	LB_VERDICTS(X)
#undef X
};

/* Where a packet that does not agree is explained to the reader. */
static char difference[256];

__attribute__((format(printf, 1, 2))) static bool differs(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(difference, sizeof(difference), format, arguments);
	va_end(arguments);
	return false;
}

static const char *code_name(uint32_t code)
{
	static const char *const names[] = {"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX",
					    "XDP_REDIRECT"};

	return code < 5 ? names[code] : "?";
}

/* Packets of the host's own business come in meanwhile: nobody counts them. */
static bool verdict_agrees(const char *explained, const struct counters *before,
			   const struct counters *after, int code)
{
	enum lb_verdict verdict = LB_VERDICT_COUNT;
	bool by_backend = false;
	uint32_t i;

	for (i = 0; i < LB_VERDICT_COUNT; i++)
		if (after->verdicts[i] > before->verdicts[i])
			verdict = i;
	for (i = 0; i < BACKENDS; i++)
		by_backend |= after->backends[i] > before->backends[i];
	if (verdict == LB_VERDICT_COUNT)
		verdict = verdict_uncounted(code, by_backend, after->vips > before->vips);
	return strcmp(labels[verdict], explained) == 0 ||
	       differs("verdict %s was counted, not %s", labels[verdict], explained);
}

static bool backend_agrees(const char *explained, const struct counters *before,
			   const struct counters *after)
{
	static int map = -1;
	struct endpoint endpoint = {.port = 0};
	struct lb_backend record;
	struct error err;
	uint32_t i, found = 0;

	if (map < 0)
		map = pinned("backends");
	for (i = 0; i < BACKENDS; i++) {
		if (after->backends[i] != before->backends[i])
			found = i;
	}
	if (!found || bpf_map_lookup_elem(map, &found, &record))
		return differs("no backend has the packet, not %s", explained);
	if (parse_endpoint(explained, 0, &endpoint, &err) ||
	    memcmp(&endpoint.address, &record.addr, sizeof(record.addr)) != 0 ||
	    endpoint.port != ntohs(record.port))
		return differs("backend number %u has the packet, not %s", found, explained);
	return true;
}

/* The explained frame is that of the packet that was asked about. */
static bool is_packet_of(const struct tuple *tuple, const uint8_t *frame, size_t size)
{
	size_t at = 12, ports;
	struct endpoint src, dst;
	struct error err;
	bool ipv4;

	while (at + 4 < size && (frame[at] == 0x81 || frame[at] == 0x88))
		at += 4;
	at += 2;
	if (parse_endpoint(tuple->src, 0, &src, &err) || parse_endpoint(tuple->dst, 0, &dst, &err))
		return false;
	ipv4 = address_is_ipv4(&src.address);
	ports = at + (ipv4 ? 20 : 40);
	if (size < ports + 4 ||
	    memcmp(frame + at + (ipv4 ? 12 : 8), src.address.ip.s6_addr + (ipv4 ? 12 : 0),
		   ipv4 ? 4 : 16) != 0 ||
	    memcmp(frame + at + (ipv4 ? 16 : 24), dst.address.ip.s6_addr + (ipv4 ? 12 : 0),
		   ipv4 ? 4 : 16) != 0)
		return false;
	return src.port == 0 || (frame[ports] << 8 | frame[ports + 1]) == src.port;
}

static bool bytes_agree(const cJSON *json, const uint8_t *in, size_t in_size, const uint8_t *out,
			size_t out_size)
{
	static uint8_t explained[FRAME_MAX];
	const char *class = text_at(json, "verdict", "class");
	size_t size = in_size;

	if (strcmp(class, "drop") == 0)
		return true;
	memcpy(explained, in, in_size);
	if (strcmp(class, "pass") != 0)
		size = read_hex(text_at(json, "sent", "frame"), explained);
	if (size != out_size)
		return differs("%zu bytes leave, not %zu", out_size, size);
	for (size_t i = 0; i < size; i++) {
		if (explained[i] != out[i])
			return differs("byte %zu of what leaves is %02x, not %02x", i, out[i],
				       explained[i]);
	}
	return true;
}

static bool agrees(const struct tuple *tuple, const cJSON *json)
{
	static uint8_t in[FRAME_MAX], out[FRAME_MAX];
	size_t size = read_hex(text_at(json, "packet", "frame"), in);
	const char *verdict = text_at(json, "verdict", "name");
	struct xdp_md context = {.data_end = size, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = size, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));
	struct counters before, after;

	if (!is_packet_of(tuple, in, size))
		return differs("the packet is another one");
	read_counters(&before);
	if (bpf_prog_test_run_opts(program, &opts))
		die("BPF_PROG_TEST_RUN: %s", strerror(errno));
	read_counters(&after);
	if (strcmp(text_at(json, "verdict", "code"), code_name(opts.retval)) != 0)
		return differs("the program says %s, not %s", code_name(opts.retval),
			       text_at(json, "verdict", "code"));
	if (!verdict_agrees(verdict, &before, &after, (int)opts.retval))
		return false;
	if (strcmp(verdict, "forward") == 0 &&
	    !backend_agrees(text_at(json, NULL, "backend"), &before, &after))
		return false;
	return bytes_agree(json, in, size, out, opts.data_size_out);
}

/* What the explanations were about, besides verdicts. */
static struct {
	size_t known;  /* flows that a map had */
	size_t routed; /* the kernel was asked for the way */
	size_t redirected;
} kinds;

static void count_kinds(const cJSON *json)
{
	const cJSON *step;
	bool known = false, routed = false;

	cJSON_ArrayForEach (step, cJSON_GetObjectItem(json, "steps")) {
		known |= strcmp(text_at(step, NULL, "outcome"), "followed") == 0 ||
			 cJSON_IsFalse(
				 cJSON_GetObjectItem(cJSON_GetObjectItem(step, "entry"), "new"));
		routed |= strcmp(text_at(step, NULL, "asked"), "kernel") == 0;
	}
	kinds.known += known;
	kinds.routed += routed;
	kinds.redirected += strcmp(text_at(json, "verdict", "code"), "XDP_REDIRECT") == 0;
}

/* The reply to what was translated comes from where the explanation says. */
static void remember_reply(const struct tuple *tuple, const cJSON *json)
{
	struct tuple reply = *tuple;
	const cJSON *step, *entry;

	cJSON_ArrayForEach (step, cJSON_GetObjectItem(json, "steps")) {
		entry = cJSON_GetObjectItem(step, "entry");
		if (strcmp(text_at(step, NULL, "outcome"), "nat") != 0 || !entry)
			continue;
		snprintf(reply.src, sizeof(reply.src), "%s", text_at(entry, NULL, "backend"));
		snprintf(reply.dst, sizeof(reply.dst), "%s", text_at(entry, NULL, "own"));
		remember(&reply);
	}
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int agree(size_t count)
{
	double *us = calloc(count, sizeof(*us));
	size_t i, agreed = 0, by_verdict[LB_VERDICT_COUNT] = {0};
	uint32_t verdict;

	for (i = 0; us && i < count; i++) {
		struct tuple tuple = any_tuple();
		char query[256];
		cJSON *json;

		write_query(&tuple, query, sizeof(query));
		json = explain(query, &us[i]);
		for (verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
			by_verdict[verdict] +=
				strcmp(labels[verdict], text_at(json, "verdict", "name")) == 0;
		count_kinds(json);
		if (agrees(&tuple, json))
			agreed++;
		else if (i - agreed < SHOWN_MAX)
			fprintf(stderr, "%s: %s\n%s\n", query, difference, cJSON_Print(json));
		if (chance(50))
			remember_reply(&tuple, json);
		cJSON_Delete(json);
	}
	if (!us)
		die("out of memory");
	qsort(us, count, sizeof(*us), compare_double);
	printf("%zu of %zu agree:", agreed, count);
	for (verdict = 0; verdict < LB_VERDICT_COUNT; verdict++) {
		if (by_verdict[verdict])
			printf(" %s %zu", labels[verdict], by_verdict[verdict]);
	}
	printf("; known flows %zu, redirected %zu, kernel asked %zu; explained in %.0f us (median), "
	       "%.0f us (99 %%)\n",
	       kinds.known, kinds.redirected, kinds.routed, us[count / 2], us[count * 99 / 100]);
	free(us);
	return agreed == count ? 0 : 1;
}

/* --- still --- */

/* What a map holds, its order aside. */
struct content {
	char name[32];
	uint64_t entries;
	uint64_t digest;
};

struct snapshot {
	struct content maps[MAPS_MAX];
	size_t count;
};

static uint64_t fnv(uint64_t hash, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size--)
		hash = (hash ^ *at++) * 0x100000001b3ULL;
	return hash;
}

static void read_map(int fd, struct content *content)
{
	static uint8_t value[65536];
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	uint8_t key[64], next[64];
	size_t size;
	int more;

	bpf_obj_get_info_by_fd(fd, &info, &length);
	size = info.value_size;
	if (info.type == BPF_MAP_TYPE_PERCPU_ARRAY)
		size = (size + 7) / 8 * 8 * cpus;
	for (more = bpf_map_get_next_key(fd, NULL, next) == 0; more;
	     more = bpf_map_get_next_key(fd, key, next) == 0) {
		memcpy(key, next, sizeof(key));
		if (bpf_map_lookup_elem(fd, key, value))
			continue;
		content->entries++;
		content->digest += fnv(fnv(0xcbf29ce484222325ULL, key, info.key_size), value, size);
	}
}

static void take_snapshot(struct snapshot *snapshot)
{
	char path[256];
	struct dirent *entry;
	DIR *directory;
	int fd;

	*snapshot = (struct snapshot){.count = 0};
	snprintf(path, sizeof(path), "%s/maps", pins);
	directory = opendir(path);
	if (!directory)
		die("%s: %s", path, strerror(errno));
	while ((entry = readdir(directory)) && snapshot->count < MAPS_MAX) {
		struct content *content = &snapshot->maps[snapshot->count];

		if (entry->d_name[0] == '.')
			continue;
		snapshot->count++;
		snprintf(content->name, sizeof(content->name), "%.31s", entry->d_name);
		fd = pinned(entry->d_name);
		read_map(fd, content);
		close(fd);
	}
	closedir(directory);
}

/* Returns how many maps differ. */
static int compare(const struct snapshot *a, const struct snapshot *b, bool tell)
{
	size_t i;
	int differ = a->count != b->count;

	for (i = 0; i < a->count && !differ; i++) {
		if (memcmp(&a->maps[i], &b->maps[i], sizeof(a->maps[i])) == 0)
			continue;
		differ++;
		if (tell)
			fprintf(stderr, "map %s has changed\n", a->maps[i].name);
	}
	return differ;
}

static int still(size_t count)
{
	uint64_t entries = 0;
	struct snapshot before, after;
	int tries = 0, differ;
	double us;
	size_t i;

	/* The agent puts loads right and clears expired flows for two rounds after the traffic. */
	take_snapshot(&after);
	do {
		before = after;
		usleep(1500000);
		take_snapshot(&after);
		if (++tries > 20)
			die("the maps never come to rest");
	} while (compare(&before, &after, false));
	before = after;
	for (i = 0; i < count; i++) {
		struct tuple tuple = any_tuple();
		char query[256];

		write_query(&tuple, query, sizeof(query));
		cJSON_Delete(explain(query, &us));
	}
	take_snapshot(&after);
	differ = compare(&before, &after, true);
	for (i = 0; i < after.count; i++)
		entries += after.maps[i].entries;
	printf("%zu explanations, %lu entries of %zu maps as before\n", count, entries,
	       after.count);
	return differ;
}

static void open_all(const char *socket, const char *interface)
{
	uint32_t id = 0;

	curl = curl_easy_init();
	ifindex = if_nametoindex(interface);
	cpus = libbpf_num_possible_cpus();
	if (!curl || !ifindex || cpus < 1)
		die("curl, interface %s or the CPUs: not to be had", interface);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
	if (bpf_xdp_query_id((int)ifindex, 0, &id) || !id)
		die("interface %s: no XDP program is attached", interface);
	program = bpf_prog_get_fd_by_id(id);
	if (program < 0)
		die("program %u: %s", id, strerror(errno));
}

int main(int argc, char **argv)
{
	struct error err;
	uint64_t count;
	int i;

	if (argc < 9 || argc - 8 > TARGETS_MAX)
		die("usage: explain agree|still SOCKET PINS INTERFACE COUNT SEED FLOWS "
		    "\"PROTO DESTINATION\"...");
	pins = argv[3];
	if (parse_number(argv[5], 1, 10000000, &count, &err) ||
	    parse_number(argv[6], 0, UINT64_MAX, &seed, &err))
		die("%s", err.message);
	for (i = 8; i < argc; i++) {
		if (sscanf(argv[i], "%7s %55s", targets[target_count].proto,
			   targets[target_count].dst) != 2)
			die("%s: not a protocol and a destination", argv[i]);
		target_count++;
	}
	open_all(argv[2], argv[4]);
	load_pool(argv[7]);
	i = agree(count);
	save_pool(argv[7]);
	if (i == 0 && strcmp(argv[1], "still") == 0)
		i = still(count);
	curl_easy_cleanup(curl);
	return i;
}
