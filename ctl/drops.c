/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl drops */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "command.h"
#include "file.h"
#include "human.h"
#include "parse.h"
#include "pcapng.h"
#include "screen.h"

#define INTERVAL_MS     1000
#define INTERVAL_MIN_MS 100
#define INTERVAL_MAX_MS (3600 * 1000ULL)
#define WIDTH           78 /* of the text that says what to do */
#define FILE_BYTES_MAX  65536

/* Two looks at the agent, some time apart. */
struct looks {
	cJSON *before, *after;
	double seconds;
};

/* --- looking --- */

static int look(const struct invocation *invocation, cJSON **ret_drops, struct error *err)
{
	const struct request request = {.method = "GET", .path = {"drops"}, .with_token = true};
	cJSON *drops = NULL;
	int r = client_call(invocation->client, &request, &drops, err);

	if (r == 0)
		r = answer_check_drops(drops, err);
	if (r < 0) {
		cJSON_Delete(drops);
		return r;
	}
	*ret_drops = drops;
	return 0;
}

/* Looks again after the interval; what was the later look is the earlier one then. */
static int look_again(const struct invocation *invocation, uint64_t interval_ms,
		      struct looks *looks, struct error *err)
{
	double began = clock_seconds(CLOCK_MONOTONIC);
	cJSON *later = NULL;
	int r;

	clock_pause(interval_ms);
	r = look(invocation, &later, err);
	if (r < 0)
		return r;
	cJSON_Delete(looks->before);
	looks->before = looks->after;
	looks->after = later;
	looks->seconds = clock_seconds(CLOCK_MONOTONIC) - began;
	return 0;
}

/* How many more packets since the look before. */
static double more(const struct looks *looks, const cJSON *drop)
{
	const cJSON *before;

	cJSON_ArrayForEach (before, answer_item(looks->before, "drops")) {
		if (strcmp(answer_text(before, "reason"), answer_text(drop, "reason")) == 0)
			return answer_number(drop, "packets") - answer_number(before, "packets");
	}
	return answer_number(drop, "packets");
}

/* --- for people --- */

/* The text in lines behind the margin. */
static void put_wrapped(const char *margin, const char *text)
{
	size_t room = WIDTH - strlen(margin), column = 0;

	printf("%s", margin);
	while (*text != '\0') {
		size_t length = strcspn(text, " ");

		if (column > 0 && column + 1 + length > room) {
			printf("\n%*s", (int)strlen(margin), "");
			column = 0;
		}
		column += (size_t)printf("%s%.*s", column > 0 ? " " : "", (int)length, text);
		text += length + (text[length] == ' ');
	}
	putchar('\n');
}

static void put_place(const cJSON *sample)
{
	static const char *const keys[] = {"interface", "service", "vip", "backend"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (answer_item(sample, keys[i]) != NULL)
			printf(" %s%s", i == 0 ? "" : keys[i], i == 0 ? "" : " ");
		if (answer_item(sample, keys[i]) != NULL)
			printf("%s", answer_text(sample, keys[i]));
	}
}

static void put_sample(const cJSON *sample)
{
	char span[HUMAN_MAX];

	if (!cJSON_IsObject(sample))
		return;
	printf("    last  %s ago,", human_since(answer_text(sample, "time"), time(NULL), span));
	put_place(sample);
	printf("\n          %s\n", answer_text(sample, "packet"));
}

static void put_drop(const struct looks *looks, const cJSON *drop)
{
	bool colour = screen_has_colour();
	char count[HUMAN_MAX], rate[HUMAN_MAX];

	printf("%s%s%s  %s packets, %s/s\n", colour ? "\033[1m" : "", answer_text(drop, "reason"),
	       colour ? "\033[0m" : "", human_count(answer_number(drop, "packets"), count),
	       human_count(more(looks, drop) / looks->seconds, rate));
	put_wrapped("    why   ", answer_text(drop, "text"));
	put_sample(answer_item(drop, "sample"));
	put_wrapped("    try   ", answer_text(drop, "advice"));
}

static void print_drops(const struct looks *looks)
{
	const cJSON *drops = answer_item(looks->after, "drops"), *drop;

	if (cJSON_GetArraySize(drops) == 0)
		puts("No packet was dropped.");
	cJSON_ArrayForEach (drop, drops)
		put_drop(looks, drop);
}

/* One line for each reason that has dropped packets since the look before. */
static void print_more(const struct looks *looks)
{
	char now[16], rate[HUMAN_MAX];
	time_t seconds = time(NULL);
	struct tm local;
	const cJSON *drop, *sample;

	localtime_r(&seconds, &local);
	strftime(now, sizeof(now), "%H:%M:%S", &local);
	cJSON_ArrayForEach (drop, answer_item(looks->after, "drops")) {
		if (more(looks, drop) <= 0)
			continue;
		sample = answer_item(drop, "sample");
		printf("%s  %-12s  %s/s  %s\n", now, answer_text(drop, "reason"),
		       human_count(more(looks, drop) / looks->seconds, rate),
		       cJSON_IsObject(sample) ? answer_text(sample, "packet") : "");
	}
}

/* --- as a document --- */

/* The later look, with rates. */
static void add_rates(struct looks *looks)
{
	cJSON *drop;

	cJSON_ArrayForEach (drop, cJSON_GetObjectItemCaseSensitive(looks->after, "drops"))
		cJSON_AddNumberToObject(drop, "packets-per-second",
					more(looks, drop) / looks->seconds);
}

/* --- as a capture --- */

/* Hexadecimal digits to bytes. Returns how many. */
static size_t read_hex(const char *text, uint8_t *bytes, size_t size)
{
	size_t count = 0;

	while (count < size && hex_digit(text[0]) >= 0 && hex_digit(text[1]) >= 0) {
		bytes[count++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
		text += 2;
	}
	return count;
}

static void comment_on(const cJSON *drop, const cJSON *sample, char *comment, size_t size)
{
	static const char *const keys[] = {"service", "vip", "backend"};
	size_t used = (size_t)snprintf(comment, size, "verdict=drop reason=%s",
				       answer_text(drop, "reason"));

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && used < size; i++) {
		if (cJSON_IsString(answer_item(sample, keys[i])))
			used += (size_t)snprintf(comment + used, size - used, " %s=%s", keys[i],
						 answer_text(sample, keys[i]));
	}
	if (used < size)
		snprintf(comment + used, size - used, ": %s", answer_text(drop, "text"));
}

static void put_packet(struct pcapng *out, uint32_t interface, const cJSON *drop)
{
	const cJSON *sample = answer_item(drop, "sample");
	char comment[PCAPNG_TEXT_MAX];
	uint8_t bytes[256];
	struct error unused;
	uint64_t ms = 0;

	(void)parse_time(answer_text(sample, "time"), &ms, &unused);
	comment_on(drop, sample, comment, sizeof(comment));
	pcapng_packet(out, &(struct pcapng_packet){
				   .interface = interface,
				   .time_ns = ms * 1000000,
				   .data = bytes,
				   .captured = (uint32_t)read_hex(answer_text(sample, "data"),
								  bytes, sizeof(bytes)),
				   .length = (uint32_t)answer_number(sample, "length"),
				   .direction = PCAPNG_INBOUND,
				   .comment = comment,
			   });
}

/* Each sample with an interface of its own: there are few. */
static int write_samples(const cJSON *drops, const char *path, struct error *err)
{
	static uint8_t bytes[FILE_BYTES_MAX];
	struct pcapng out = {.bytes = bytes, .size = sizeof(bytes)};
	bool to_stdout = strcmp(path, "-") == 0;
	int fd = to_stdout ? STDOUT_FILENO
			   : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint32_t interface = 0;
	const cJSON *drop, *sample;
	char name[64];
	int r = 0;

	pcapng_section(&out, "lbctl " SLUICE_VERSION, "the last packet of each drop reason");
	cJSON_ArrayForEach (drop, answer_item(drops, "drops")) {
		sample = answer_item(drop, "sample");
		if (!cJSON_IsObject(sample))
			continue;
		snprintf(name, sizeof(name), "%s in",
			 answer_item(sample, "interface") ? answer_text(sample, "interface") : "?");
		pcapng_interface(&out, name, sizeof(bytes));
		put_packet(&out, interface++, drop);
	}
	if (fd >= 0)
		r = file_write_all(fd, (const char *)bytes, out.length);
	if (fd < 0 || (!to_stdout && close(fd) < 0))
		r = -errno;
	return r < 0 ? error_set(err, -r, "file %.200s: %s", path, strerror(-r)) : 0;
}

/* --- all of it --- */

static int read_interval(const struct invocation *invocation, uint64_t *ret_ms, struct error *err)
{
	const char *text = options_value(invocation->options, FLAG_INTERVAL);
	int r = text != NULL ? parse_duration(text, INTERVAL_MIN_MS, INTERVAL_MAX_MS, ret_ms, err)
			     : 0;

	return r < 0 ? error_field(err, r, "interval") : 0;
}

static int follow(const struct invocation *invocation, uint64_t interval_ms, struct looks *looks,
		  struct error *err)
{
	int r = 0;

	while (r == 0) {
		r = look_again(invocation, interval_ms, looks, err);
		if (r == 0)
			print_more(looks);
		if (r == 0 && fflush(stdout) != 0)
			break;
	}
	return r;
}

static int show_once(struct invocation *invocation, uint64_t interval_ms, struct looks *looks,
		     struct error *err)
{
	int r = look_again(invocation, interval_ms, looks, err);

	if (r < 0)
		return r;
	if (!invocation->json) {
		print_drops(looks);
		return 0;
	}
	add_rates(looks);
	invocation->document = looks->after;
	looks->after = NULL;
	return 0;
}

int show_drops(struct invocation *invocation, struct error *err)
{
	const char *path = options_value(invocation->options, FLAG_WRITE);
	bool follows = (options_flags(invocation->options) & FLAG_BIT(FLAG_FOLLOW)) != 0;
	uint64_t interval_ms = INTERVAL_MS;
	struct looks looks = {0};
	int r = read_interval(invocation, &interval_ms, err);

	if (r == 0 && follows && (path != NULL || invocation->json))
		r = error_set(err, EINVAL, "--follow goes neither with --write nor with --json");
	if (r == 0)
		r = look(invocation, &looks.after, err);
	if (r == 0 && path != NULL)
		r = write_samples(looks.after, path, err);
	else if (r == 0)
		r = follows ? follow(invocation, interval_ms, &looks, err)
			    : show_once(invocation, interval_ms, &looks, err);
	cJSON_Delete(looks.before);
	cJSON_Delete(looks.after);
	return r;
}
