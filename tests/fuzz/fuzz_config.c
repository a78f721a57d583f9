/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any configuration file: read as `lbagent --check` does, by path. What is taken is written as one
 * canonical document, which reads and writes the same again.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "document.h"
#include "fuzz.h"
#include "ids.h"
#include "options.h"
#include "sound.h"

static void check_services(const struct options *options)
{
	bool *resting = calloc((size_t)options->sizes.backends + 1, sizeof(*resting));
	struct desired *desired = NULL;
	struct error err = {0};

	must(resting);
	if (document_read_services(options->services, &desired, &err) == 0) {
		sound_document(desired);
		if (ids_assign(desired, NULL, &options->sizes, resting, &err) != 0)
			must(err.message[0]);
	} else {
		must(err.message[0] && !desired);
	}
	desired_free(desired);
	free(resting);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1; /* one for all inputs */
	static char path[32];
	char *const argv[] = {(char[]){"lbagent"}, (char[]){"--check"}, path, NULL};
	static struct options options; /* large */
	struct error err = {0};

	if (fd < 0) {
		fd = memfd_create("config", MFD_CLOEXEC);
		must(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	must(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	if (options_read(&options, 3, argv, &err) == 0)
		check_services(&options);
	else
		must(err.message[0]);
	options_clear(&options);
	return 0;
}
