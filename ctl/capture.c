/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl capture: whole blocks of pcapng from the agent into a file, until one of both has enough.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "command.h"
#include "file.h"
#include "pcapng.h"

#define PATIENCE_MS 2000 /* with an agent that is asked to end */

struct capturing {
	const char *path;
	int fd;         /* -1: nothing has come yet */
	uint8_t *bytes; /* malloc'ed: what has come of a block */
	size_t length, room;
	uint64_t packets, frames, lost;
	uint64_t until_ms; /* when the interruption was noticed, Unix time; 0: there is none */
};

/* Ctrl-C ends a capture when what was captured until then is here; twice, or before anything is, it
 * ends it at once. */
static volatile sig_atomic_t begun, interrupted, abandoned;

static void on_signal(int number)
{
	(void)number;
	abandoned = interrupted || !begun;
	interrupted = 1;
}

static void heed_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* --- the file --- */

static bool to_stdout(const char *path)
{
	return strcmp(path, "-") == 0;
}

/* The file is made when the agent has agreed. Others may not read it: packets are not theirs. */
static int open_file(struct capturing *capturing, struct error *err)
{
	if (capturing->fd >= 0)
		return 0;
	capturing->fd =
		to_stdout(capturing->path)
			? STDOUT_FILENO
			: open(capturing->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return capturing->fd >= 0
		       ? 0
		       : error_set(err, errno, "file %.200s: %s", capturing->path, strerror(errno));
}

/* Statistics that are younger than the interruption come behind all packets before it. Whose clock
 * lags behind is not waited for. */
static bool is_enough(const struct capturing *capturing, const struct pcapng_block *block)
{
	return capturing->until_ms != 0 && block->is_statistics &&
	       (block->time_ns / 1000000 > capturing->until_ms ||
		clock_ms(CLOCK_REALTIME) > capturing->until_ms + PATIENCE_MS);
}

/* 1: that was the last one. */
static int write_block(struct capturing *capturing, const uint8_t *bytes, size_t length,
		       struct error *err)
{
	struct pcapng_block block;
	int r;

	if (!pcapng_block_read(bytes, length, &block))
		return error_set(err, EPROTO, "the agent's answer is not a whole pcapng file");
	r = file_write_all(capturing->fd, (const char *)bytes, length);
	if (r == -EPIPE && to_stdout(capturing->path))
		return 1; /* who reads has enough */
	if (r < 0)
		return error_set(err, -r, "file %.200s: %s", capturing->path, strerror(-r));
	capturing->frames += block.is_packet;
	capturing->packets += block.is_packet && block.direction == PCAPNG_INBOUND;
	if (block.is_statistics && block.interface == 0)
		capturing->lost = block.dropped;
	return is_enough(capturing, &block);
}

static int append(struct capturing *capturing, const void *bytes, size_t length, struct error *err)
{
	uint8_t *longer;

	if (capturing->room - capturing->length < length) {
		longer = realloc(capturing->bytes, capturing->length + length);
		if (longer == NULL)
			return error_set(err, ENOMEM, "out of memory");
		capturing->bytes = longer;
		capturing->room = capturing->length + length;
	}
	memcpy(capturing->bytes + capturing->length, bytes, length);
	capturing->length += length;
	return 0;
}

/* Writes the blocks that are whole and keeps the rest. */
static int take(void *context, const void *bytes, size_t length, struct error *err)
{
	struct capturing *capturing = context;
	size_t done = 0;
	int64_t block;
	int r = open_file(capturing, err);

	begun = 1;
	if (interrupted && capturing->until_ms == 0)
		capturing->until_ms = clock_ms(CLOCK_REALTIME);
	if (r == 0)
		r = append(capturing, bytes, length, err);
	while (r == 0) {
		block = pcapng_block_length(capturing->bytes + done, capturing->length - done);
		if (block < 0)
			r = error_set(err, EPROTO, "the agent's answer is not pcapng");
		if (block <= 0 || (size_t)block > capturing->length - done)
			break;
		r = write_block(capturing, capturing->bytes + done, (size_t)block, err);
		done += (size_t)block;
	}
	memmove(capturing->bytes, capturing->bytes + done, capturing->length - done);
	capturing->length -= done;
	return r;
}

/* --- the request --- */

/* The command line's filters, as a query. -EINVAL: more than one VIP. */
static int add_filters(const struct invocation *invocation, struct request *request,
		       struct error *err)
{
	static const enum flag_id filters[] = {FLAG_VIP,    FLAG_CLIENT,  FLAG_VERDICT, FLAG_REASON,
					       FLAG_SAMPLE, FLAG_SNAPLEN, FLAG_LIMIT,   FLAG_FOR};
	static const char *const names[] = {"service", "backend"};
	const char *vip = options_value(invocation->options, FLAG_VIP);
	size_t at = 0;

	_Static_assert(sizeof(request->query) / sizeof(request->query[0]) >
			       2 * (sizeof(names) / sizeof(names[0]) +
				    sizeof(filters) / sizeof(filters[0])),
		       "the query and its end");
	if (vip != NULL && options_next(invocation->options, FLAG_VIP, vip) != NULL)
		return error_set(err, EINVAL, "--vip: a capture is of one VIP, or of all");
	for (size_t i = 0; i < invocation->argument_count && i < 2; i++) {
		request->query[at++] = names[i];
		request->query[at++] = invocation->arguments[i];
	}
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		const char *value = options_value(invocation->options, filters[i]);

		if (value == NULL)
			continue;
		request->query[at++] = flags[filters[i]].name;
		request->query[at++] = value;
	}
	return 0;
}

static void say_outcome(struct invocation *invocation, const struct capturing *capturing)
{
	if (invocation->json && !to_stdout(capturing->path)) {
		invocation->document = cJSON_CreateObject();
		cJSON_AddStringToObject(invocation->document, "file", capturing->path);
		cJSON_AddNumberToObject(invocation->document, "packets",
					(double)capturing->packets);
		cJSON_AddNumberToObject(invocation->document, "frames", (double)capturing->frames);
		cJSON_AddNumberToObject(invocation->document, "lost", (double)capturing->lost);
		return;
	}
	fprintf(stderr,
		"%s%" PRIu64 " packets captured, in %" PRIu64 " frames; %" PRIu64 " lost%s\n",
		interrupted ? "\n" : "", capturing->packets, capturing->frames, capturing->lost,
		capturing->lost ? ": --sample 1/N or a narrower filter leaves more room" : "");
}

int capture_packets(struct invocation *invocation, struct error *err)
{
	struct capturing capturing = {.path = options_value(invocation->options, FLAG_WRITE),
				      .fd = -1};
	struct request request = {.method = "GET", .path = {"capture"}, .with_token = true};
	int r = add_filters(invocation, &request, err);

	if (r < 0)
		return r;
	if (to_stdout(capturing.path) && isatty(STDOUT_FILENO)) {
		error_set(err, EINVAL, "-w -: a terminal cannot show pcapng");
		return error_hint(err, -EINVAL,
				  "lbctl capture -w - | tcpdump -nr -; or give a file");
	}
	heed_signals();
	signal(SIGPIPE, SIG_IGN);
	r = client_download(invocation->client, &request, take, &capturing, &abandoned, err);
	if (capturing.fd >= 0)
		say_outcome(invocation, &capturing);
	if (capturing.fd >= 0 && !to_stdout(capturing.path) && close(capturing.fd) < 0 && r == 0)
		r = error_set(err, errno, "file %.200s: %s", capturing.path, strerror(errno));
	free(capturing.bytes);
	return r;
}
