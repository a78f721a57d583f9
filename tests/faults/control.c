/* SPDX-License-Identifier: Apache-2.0 */

/*
 *   control FILE new             makes the file
 *   control FILE clear           no site is armed, nothing has been called
 *   control FILE sites           sites called since, one a line: SITE KIND PLACE CALLS
 *   control FILE arm SITE        its next call fails
 *   control FILE failures        prints how many calls have failed since clear; none is armed any
 * more
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault.h"
#include "parse.h"

#define FAULT_KIND_WORD(id, word, error) word,
static const char *const kinds[] = {FAULT_KINDS(FAULT_KIND_WORD)};

static struct fault_control *map_control(const char *path, bool make)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | (make ? O_CREAT : 0), 0600);
	void *mapped = MAP_FAILED;

	if (fd >= 0 && (!make || ftruncate(fd, sizeof(struct fault_control)) == 0))
		mapped = mmap(NULL, sizeof(struct fault_control), PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, 0);
	if (mapped != MAP_FAILED)
		return mapped;
	fprintf(stderr, "control: %s: %s\n", path, strerror(errno));
	exit(1);
}

static void clear(struct fault_control *control)
{
	control->armed = 0;
	control->failures = 0;
	for (uint32_t i = 0; i < control->count; i++)
		control->sites[i].calls = 0;
}

static void print_sites(const struct fault_control *control)
{
	for (uint32_t i = 0; i < control->count; i++) {
		const struct fault_site *site = &control->sites[i];

		if (site->calls)
			printf("%u %s 0x%x %u\n", i, kinds[site->kind], site->place, site->calls);
	}
}

static int arm(struct fault_control *control, const char *text)
{
	struct error error;
	uint64_t site;

	if (!control->count || parse_number(text, 0, control->count - 1, &site, &error) < 0) {
		fprintf(stderr, "control: %s is no site; `sites` lists them\n", text);
		return 1;
	}
	control->failures = 0;
	control->armed = (uint32_t)site + 1;
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[2] : "";
	struct fault_control *control;

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: control FILE new|clear|sites|failures|arm SITE\n");
		return 2;
	}
	control = map_control(argv[1], strcmp(verb, "new") == 0);
	if (strcmp(verb, "arm") == 0 && argc == 4)
		return arm(control, argv[3]);
	if (strcmp(verb, "clear") == 0)
		clear(control);
	else if (strcmp(verb, "sites") == 0)
		print_sites(control);
	else if (strcmp(verb, "failures") == 0) {
		control->armed = 0;
		printf("%u\n", control->failures);
	} else if (strcmp(verb, "new") != 0) {
		fprintf(stderr, "control: %s: no such verb\n", verb);
		return 2;
	}
	return 0;
}
