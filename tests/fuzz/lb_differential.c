/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inputs of the fuzzer `packet` natively and in the kernel, compared verdict by verdict and byte by
 * byte.
 *
 *   lb_differential FILE|DIRECTORY...
 *   lb_differential --seeds DIRECTORY CASES.pkt...
 *
 * With --seeds the packets of each case become an input in DIRECTORY, for the fuzzer to begin with.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "packet_world.h"

#define INPUT_MAX      (1 << 16)
#define FAILURES_SHOWN 10

static const struct engine *const engines[] = {&engine_native, &engine_bpf};

struct differential {
	struct test_case world;
	uint64_t inputs;
	uint64_t packets;
	uint64_t failures;
};

/* --- playing --- */

static void show(const char *path, const char *what, const struct frame *sent,
		 const struct result results[2])
{
	size_t i;

	printf("# %s: %s\n", path, what);
	show_in(stdout, sent);
	for (i = 0; i < 2; i++)
		show_result(stdout, engines[i]->name, &results[i], sent);
}

static int play_packet(struct differential *all, const char *path, const struct event *event,
		       struct error *err)
{
	static struct result results[2]; /* large */
	static struct frame frame;       /* likewise */
	const char *wrong;
	size_t i;
	int r = 0;

	if (!event_frame(event, &frame))
		return 0;
	for (i = 0; r == 0 && i < 2; i++)
		r = event_run(engines[i], event, &frame, &results[i], err);
	if (r < 0)
		return r;
	all->packets++;
	wrong = compare(&results[0], &results[1]);
	if (!wrong)
		wrong = judge(&frame, &results[1], is_foreign(&all->world, &frame));
	if (wrong && all->failures++ < FAILURES_SHOWN)
		show(path, wrong, &frame, results);
	return 0;
}

static int play_input(struct differential *all, const char *path, const uint8_t *bytes, size_t size,
		      struct error *err)
{
	const uint8_t *at = bytes;
	struct event event;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < 2; i++)
		r = world_begin(engines[i], &all->world, err);
	while (r == 0 && event_next(&at, bytes + size, &event)) {
		for (i = 0; r == 0 && i < 2; i++)
			r = world_change(engines[i], &all->world, &event);
		if (r == 0 && event.kind == EVENT_PACKET)
			r = play_packet(all, path, &event, err);
	}
	all->inputs++;
	return r;
}

static int play_file(struct differential *all, const char *path, struct error *err)
{
	static uint8_t bytes[INPUT_MAX];
	FILE *file = fopen(path, "re");
	size_t size;

	if (!file)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	return play_input(all, path, bytes, size, err);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int play_directory(struct differential *all, const char *path, struct error *err)
{
	struct dirent **entries;
	char file[PATH_MAX];
	int i, r = 0, count = scandir(path, &entries, is_input, alphasort);

	if (count < 0)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	for (i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (r == 0)
			r = play_file(all, file, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int play_all(char **paths, struct error *err)
{
	static struct differential all; /* large */
	struct stat status;
	int r = 0;

	packet_world(&all.world);
	for (; r == 0 && *paths; paths++) {
		if (stat(*paths, &status) != 0)
			return error_set(err, errno, "%s: %s", *paths, strerror(errno));
		r = S_ISDIR(status.st_mode) ? play_directory(&all, *paths, err)
					    : play_file(&all, *paths, err);
	}
	engine_bpf.close();
	engine_native.close();
	printf("%" PRIu64 " inputs, %" PRIu64 " packets, %" PRIu64 " failed\n", all.inputs,
	       all.packets, all.failures);
	if (r == 0 && (all.failures > 0 || all.packets == 0))
		r = error_set(err, EBADMSG, "not all packets ran alike");
	return r;
}

/* --- seeds --- */

/* A packet of a case; one with a variable is left out. */
static void write_packet(FILE *file, const struct step_packet *packet)
{
	static const struct variables none;
	static struct layers layers; /* large */
	static struct frame frame;   /* likewise */
	struct error ignored;

	layers = packet->in;
	if (layers_resolve(&layers, &none, &ignored) < 0 ||
	    frame_build(&layers, &frame, &ignored) < 0)
		return;
	fputc(packet->device == DEVICE_RIGHT ? 8 : 0, file);
	fputc((int)(frame.size >> 8), file);
	fputc((int)(frame.size & 0xff), file);
	fwrite(frame.bytes, 1, frame.size, file);
}

static int write_seed(const char *directory, unsigned int number, const struct test_case *test,
		      struct error *err)
{
	char path[PATH_MAX];
	FILE *file;
	size_t i;

	snprintf(path, sizeof(path), "%s/case-%u", directory, number);
	file = fopen(path, "we");
	if (!file)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	for (i = 0; i < test->step_count; i++)
		if (test->steps[i]->kind == STEP_PACKET)
			write_packet(file, &test->steps[i]->packet);
	return fclose(file) == 0 ? 0 : error_set(err, errno, "%s: %s", path, strerror(errno));
}

static int write_seeds(const char *directory, char **paths, struct error *err)
{
	unsigned int number = 0, line = 0;
	struct case_reader *reader;
	struct test_case *test;
	int r = 0;

	for (; r == 0 && *paths; paths++) {
		r = case_reader_open(*paths, &reader);
		if (r < 0)
			return error_set(err, -r, "%s: %s", *paths, strerror(-r));
		while (r == 0 && case_read(reader, &test, &line, err) > 0) {
			r = write_seed(directory, number++, test, err);
			case_free(test);
		}
		case_reader_close(reader);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct error err;
	int r;

	if (argc > 3 && strcmp(argv[1], "--seeds") == 0) {
		r = write_seeds(argv[2], argv + 3, &err);
	} else if (argc > 1 && argv[1][0] != '-') {
		r = play_all(argv + 1, &err);
	} else {
		fprintf(stderr,
			"usage: %s FILE|DIRECTORY...\n       %s --seeds DIRECTORY CASES.pkt...\n",
			argv[0], argv[0]);
		return 2;
	}
	if (r < 0)
		fprintf(stderr, "%s: %s\n", argv[0], err.message);
	return r < 0;
}
