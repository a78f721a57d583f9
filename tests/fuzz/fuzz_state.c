/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes in the state directory: the state and its backup, one behind the other with a zero byte
 * between them, and the autoscaler's roster behind another. What is loaded is saved, and loads the
 * same again.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "autoscale_roster.h"
#include "config.h"
#include "file.h"
#include "fuzz.h"
#include "json.h"
#include "store.h"

/* Where fsync(2) costs nothing. */
static char directory[] = "/dev/shm/sluice-fuzz-XXXXXX";
static int place = -1;

static const char *const names[] = {"state.json", "state.json.bak", "scale/state.json"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static void remove_all(void)
{
	static const char *const left[] = {"state.json.bad", "state.json.tmp",
					   "scale/state.json.bak", "scale/state.json.bad",
					   "scale/state.json.tmp"};
	size_t i;

	for (i = 0; i < NAMES; i++)
		unlinkat(place, names[i], 0);
	for (i = 0; i < sizeof(left) / sizeof(left[0]); i++)
		unlinkat(place, left[i], 0);
}

static void end(void)
{
	remove_all();
	unlinkat(place, "scale", AT_REMOVEDIR);
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(mkdtemp(directory));
	place = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(place >= 0 && mkdirat(place, "scale", 0750) == 0);
	atexit(end);
	return 0;
}

static void put_file(const char *name, const void *bytes, size_t size)
{
	int fd = openat(place, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && file_write_all(fd, bytes, size) == 0);
	close(fd);
}

/* --- the state --- */

/* As in the agent's setup. */
static int accept_state(void *context, const char *text, size_t length, struct error *err)
{
	struct desired **desired = context;
	cJSON *json = NULL;
	int r = json_parse(text, length, &json, err);

	if (r == 0)
		r = config_read_state(json, desired, err);
	cJSON_Delete(json);
	return r;
}

static char *write_state(const struct desired *desired)
{
	cJSON *json = config_write_state(desired);
	char *text = cJSON_Print(json);

	must(text);
	cJSON_Delete(json);
	return text;
}

static void check_saved(const struct desired *desired)
{
	char *text = write_state(desired), *again;
	struct error warning = {0}, err = {0};
	enum store_found found = STORE_EMPTY;
	struct desired *read = NULL;

	must(store_save(directory, text, &err) == 0);
	must(store_load(directory, accept_state, &read, &found, &warning, &err) == 0);
	must(found == STORE_CURRENT);
	again = write_state(read);
	must(strcmp(text, again) == 0);
	desired_free(read);
	cJSON_free(again);
	cJSON_free(text);
}

static void load_state(void)
{
	struct error warning = {0}, err = {0};
	enum store_found found = STORE_EMPTY;
	struct desired *desired = NULL;
	int r = store_load(directory, accept_state, &desired, &found, &warning, &err);

	must(r == 0 || err.message[0]);
	must((r == 0 && found != STORE_EMPTY) == (desired != NULL));
	must((r == 0 && found == STORE_BACKUP) == (warning.message[0] != '\0'));
	if (desired)
		check_saved(desired);
	desired_free(desired);
}

static void load_roster(void)
{
	struct scale_roster roster = {0}, again = {0};
	struct error err = {0};

	if (scale_roster_load(directory, &roster, &err) < 0) {
		must(err.message[0] && roster.count == 0);
		return;
	}
	must(scale_roster_save(&roster, directory, &err) == 0);
	must(scale_roster_load(directory, &again, &err) == 0);
	must(again.count == roster.count);
	scale_roster_clear(&again);
	scale_roster_clear(&roster);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *stop = data + size, *zero;
	size_t i;

	for (i = 0; i < NAMES && at; i++) {
		zero = i + 1 < NAMES ? memchr(at, 0, stop - at) : NULL;
		put_file(names[i], at, (zero ? zero : stop) - at);
		at = zero ? zero + 1 : NULL;
	}
	load_state();
	load_roster();
	remove_all();
	return 0;
}
