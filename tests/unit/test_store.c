/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json.h"
#include "store.h"

#define NOBODY 65534

static const char first[] = "{\"generation\":1}";
static const char second[] = "{\"generation\":2}";
static const char third[] = "{\"generation\":3}";

/* --- a system that fails, or a machine that stops, at the nth call that changes the disk
 *     (linked with --wrap for fsync, linkat, openat, renameat, unlinkat and write) --- */

static int calls_left = -1; /* below 0: no limit */
static bool stop_at_call;   /* else the call fails with EIO */
static size_t write_most = SIZE_MAX;

static bool call_fails(void)
{
	if (calls_left < 0 || calls_left-- > 0)
		return false;
	if (stop_at_call)
		_exit(0);
	errno = EIO;
	return true;
}

int __real_fsync(int fd);
int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __real_openat(int fd, const char *name, int flags, mode_t mode);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int fd, const char *name, int flags);
ssize_t __real_write(int fd, const void *bytes, size_t size);
int __wrap_fsync(int fd);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_openat(int fd, const char *name, int flags, mode_t mode);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_unlinkat(int fd, const char *name, int flags);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

int __wrap_fsync(int fd)
{
	return call_fails() ? -1 : __real_fsync(fd);
}

int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return call_fails() ? -1 : __real_linkat(from_fd, from, to_fd, to, flags);
}

int __wrap_openat(int fd, const char *name, int flags, mode_t mode)
{
	return call_fails() ? -1 : __real_openat(fd, name, flags, mode);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return call_fails() ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
	return call_fails() ? -1 : __real_unlinkat(fd, name, flags);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	return call_fails() ? -1 : __real_write(fd, bytes, size < write_most ? size : write_most);
}

/* --- a directory of its own for each test --- */

struct fixture {
	char dir[64];
	uint64_t generation; /* of what was accepted last; 0: nothing */
	int accept_code;     /* not 0: refuse everything with it */
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/sluice-store.XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	*state = fixture;
	return 0;
}

static void path_of(const struct fixture *fixture, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", fixture->dir, name);
}

static int teardown(void **state)
{
	static const char *const names[] = {"state.json",     "state.json.bak",
					    "state.json.bad", "state.json.tmp",
					    "target",         "state.json.bak.tmp"};
	struct fixture *fixture = *state;
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(fixture, names[i], path);
		unlink(path);
	}
	assert_int_equal(rmdir(fixture->dir), 0);
	free(fixture);
	return 0;
}

static bool exists(const struct fixture *fixture, const char *name)
{
	char path[128];

	path_of(fixture, name, path);
	return access(path, F_OK) == 0;
}

static void put(const struct fixture *fixture, const char *name, const char *text, size_t length)
{
	char path[128];
	FILE *file;

	path_of(fixture, name, path);
	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static void assert_content(const struct fixture *fixture, const char *name, const char *expected)
{
	char path[128], text[256] = "";
	FILE *file;

	path_of(fixture, name, path);
	file = fopen(path, "r");
	assert_non_null(file);
	fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	assert_string_equal(text, expected);
}

static int accept_text(void *context, const char *text, size_t length, struct error *err)
{
	struct fixture *fixture = context;
	cJSON *json = NULL;
	int r;

	assert_int_equal(text[length], '\0');
	if (fixture->accept_code != 0)
		return error_set(err, fixture->accept_code, "refused by the test");
	r = json_parse(text, length, &json, err);
	if (r == 0)
		r = json_number(json, "state", "generation", 1, 9, &fixture->generation, err);
	cJSON_Delete(json);
	return r;
}

struct loaded {
	int r;
	enum store_found found;
	struct error warning, err;
};

static struct loaded load(struct fixture *fixture)
{
	struct loaded loaded = {.found = (enum store_found)99};

	fixture->generation = 0;
	loaded.r = store_load(fixture->dir, accept_text, fixture, &loaded.found, &loaded.warning,
			      &loaded.err);
	return loaded;
}

static void save(const struct fixture *fixture, const char *text)
{
	struct error err = {0};

	if (store_save(fixture->dir, text, &err) < 0)
		fail_msg("%s", err.message);
}

static void assert_contains(const char *text, const char *piece)
{
	if (!strstr(text, piece))
		fail_msg("\"%s\" does not contain \"%s\"", text, piece);
}

/* --- the good ways --- */

static void test_empty(void **state)
{
	struct loaded loaded = load(*state);

	assert_int_equal(loaded.r, 0);
	assert_int_equal(loaded.found, STORE_EMPTY);
	assert_string_equal(loaded.warning.message, "");
}

static void test_save_and_load(void **state)
{
	struct fixture *fixture = *state;
	struct loaded loaded;
	struct stat status;
	char path[128];

	save(fixture, first);
	assert_false(exists(fixture, "state.json.bak"));
	save(fixture, second);
	save(fixture, third);
	assert_content(fixture, "state.json", third);
	assert_content(fixture, "state.json.bak", second);
	assert_false(exists(fixture, "state.json.tmp"));
	assert_false(exists(fixture, "state.json.bak.tmp"));
	path_of(fixture, "state.json", path);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	loaded = load(fixture);
	assert_int_equal(loaded.r, 0);
	assert_int_equal(loaded.found, STORE_CURRENT);
	assert_int_equal(fixture->generation, 3);
	assert_string_equal(loaded.warning.message, "");
}

static void test_makes_directory(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;

	assert_int_equal(rmdir(fixture->dir), 0);
	assert_int_equal(load(fixture).found, STORE_EMPTY);
	assert_int_equal(stat(fixture->dir, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0750);
}

static void test_no_place_for_directory(void **state)
{
	enum store_found found;
	struct error warning, err;

	(void)state;
	assert_int_equal(
		store_load("/proc/sluice/state", accept_text, NULL, &found, &warning, &err),
		-ENOENT);
	assert_contains(err.message, "state directory /proc/sluice/state: ");
	assert_contains(err.hint, "--state-dir");
	assert_int_equal(store_save("/dev/null", first, &err), -ENOTDIR);
}

static void test_short_writes(void **state)
{
	struct fixture *fixture = *state;

	write_most = 3;
	save(fixture, second);
	write_most = SIZE_MAX;
	assert_content(fixture, "state.json", second);
}

static void test_leftovers(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	save(fixture, first);
	put(fixture, "state.json.tmp", "{\"gener", 7);
	path_of(fixture, "state.json.tmp", path);
	assert_int_equal(chmod(path, 0666), 0);
	put(fixture, "state.json.bak.tmp", "x", 1);
	assert_int_equal(load(fixture).found, STORE_CURRENT);
	assert_int_equal(fixture->generation, 1);
	save(fixture, second);
	assert_content(fixture, "state.json", second);
	assert_content(fixture, "state.json.bak", first);
	assert_false(exists(fixture, "state.json.tmp"));
	assert_false(exists(fixture, "state.json.bak.tmp"));
}

/* A save that stopped between making the backup and the last rename leaves both names on one
 * file; rename(2) does nothing then. */
static void test_backup_is_current(void **state)
{
	struct fixture *fixture = *state;
	char from[128], to[128];

	save(fixture, first);
	path_of(fixture, "state.json", from);
	path_of(fixture, "state.json.bak", to);
	assert_int_equal(link(from, to), 0);
	save(fixture, second);
	assert_content(fixture, "state.json", second);
	assert_content(fixture, "state.json.bak", first);
	assert_false(exists(fixture, "state.json.bak.tmp"));
}

/* --- damage --- */

static void test_torn_at_every_length(void **state)
{
	struct fixture *fixture = *state;

	for (size_t length = 0; length <= strlen(second); length++) {
		bool whole = length == strlen(second);
		struct loaded loaded;

		put(fixture, "state.json.bak", first, strlen(first));
		put(fixture, "state.json", second, length);
		loaded = load(fixture);
		assert_int_equal(loaded.r, 0);
		assert_int_equal(loaded.found, whole ? STORE_CURRENT : STORE_BACKUP);
		assert_int_equal(fixture->generation, whole ? 2 : 1);
		assert_int_equal(exists(fixture, "state.json"), whole);
	}
}

static void test_garbage(void **state)
{
	static const char garbage[] = "\x7f"
				      "ELF\0\0\xff\xfe";
	struct fixture *fixture = *state;
	struct loaded loaded;

	save(fixture, first);
	save(fixture, second);
	put(fixture, "state.json", garbage, sizeof(garbage));
	loaded = load(fixture);
	assert_int_equal(loaded.r, 0);
	assert_int_equal(loaded.found, STORE_BACKUP);
	assert_int_equal(fixture->generation, 1);
	assert_contains(loaded.warning.message, fixture->dir);
	assert_contains(loaded.warning.message,
			"kept it as state.json.bad and loaded state.json.bak");
	assert_true(exists(fixture, "state.json.bad"));

	/* Neither the next load nor the next save forgets the good one. */
	loaded = load(fixture);
	assert_int_equal(loaded.found, STORE_BACKUP);
	assert_contains(loaded.warning.message, "missing; loaded state.json.bak");
	save(fixture, third);
	assert_content(fixture, "state.json.bak", first);
	assert_int_equal(load(fixture).found, STORE_CURRENT);
	assert_int_equal(fixture->generation, 3);
}

static void test_all_damaged(void **state)
{
	struct fixture *fixture = *state;
	struct loaded loaded;

	put(fixture, "state.json", "{", 1);
	loaded = load(fixture);
	assert_int_equal(loaded.r, -EINVAL);
	assert_contains(loaded.err.message, "state.json: line 1");
	assert_contains(loaded.err.hint, "there is no backup");
	put(fixture, "state.json.bak", "[", 1);
	loaded = load(fixture);
	assert_int_equal(loaded.r, -EINVAL);
	assert_contains(loaded.err.message, "state.json: line 1");
	assert_contains(loaded.err.hint, "state.json.bak is damaged too");
	assert_content(fixture, "state.json", "{");
	assert_content(fixture, "state.json.bak", "[");
	assert_int_equal(loaded.found, 99);
	assert_string_equal(loaded.warning.message, "");
}

static void test_only_damaged_backup(void **state)
{
	struct fixture *fixture = *state;
	struct loaded loaded;

	put(fixture, "state.json.bak", "[", 1);
	loaded = load(fixture);
	assert_int_equal(loaded.r, -EINVAL);
	assert_contains(loaded.err.message, "state.json.bak: line 1");
}

static void test_lock(void **state)
{
	struct fixture *fixture = *state;
	struct error err;
	int fd = -1, other = -1;

	assert_int_equal(store_lock(fixture->dir, &fd, &err), 0);
	assert_int_equal(store_lock(fixture->dir, &other, &err), -EBUSY);
	assert_contains(err.message, "in use by another lbagent");
	assert_int_equal(other, -1);
	save(fixture, first); /* who holds it can save */
	close(fd);
	assert_int_equal(store_lock(fixture->dir, &other, &err), 0);
	close(other);
}

static struct loaded peek(struct fixture *fixture)
{
	struct loaded loaded = {.found = (enum store_found)99};

	loaded.r = store_peek(fixture->dir, accept_text, fixture, &loaded.found, &loaded.warning,
			      &loaded.err);
	return loaded;
}

static void test_peek_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct loaded loaded;

	assert_int_equal(rmdir(fixture->dir), 0);
	assert_int_equal(peek(fixture).found, STORE_EMPTY);
	assert_int_equal(access(fixture->dir, F_OK), -1);
	save(fixture, first);
	save(fixture, second);
	assert_int_equal(peek(fixture).found, STORE_CURRENT);
	put(fixture, "state.json", "[", 1);
	loaded = peek(fixture);
	assert_int_equal(loaded.found, STORE_BACKUP);
	assert_int_equal(fixture->generation, 1);
	assert_content(fixture, "state.json", "[");
	assert_false(exists(fixture, "state.json.bad"));
}

/* No memory, or a newer version: not the file's fault, so it stays where it is. */
static void test_not_damage(void **state)
{
	static const int codes[] = {ENOMEM, ENOTSUP};
	struct fixture *fixture = *state;

	save(fixture, first);
	save(fixture, second);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		fixture->accept_code = codes[i];
		assert_int_equal(load(fixture).r, -codes[i]);
		assert_content(fixture, "state.json", second);
		assert_content(fixture, "state.json.bak", first);
	}
}

static void test_too_large(void **state)
{
	struct fixture *fixture = *state;
	char *text = malloc(STORE_SIZE_MAX + 2);
	struct loaded loaded;
	struct error err;
	char path[128];

	assert_non_null(text);
	save(fixture, first);
	memset(text, ' ', STORE_SIZE_MAX + 1);
	text[STORE_SIZE_MAX + 1] = '\0';
	assert_int_equal(store_save(fixture->dir, text, &err), -EFBIG);
	free(text);
	assert_content(fixture, "state.json", first);
	save(fixture, second);
	path_of(fixture, "state.json", path);
	assert_int_equal(truncate(path, STORE_SIZE_MAX + 1), 0);
	loaded = load(fixture);
	assert_int_equal(loaded.found, STORE_BACKUP);
	assert_contains(loaded.warning.message, "larger than 64 MiB");
}

/* --- whom to trust --- */

static void assert_load_refused(struct fixture *fixture, int code, const char *piece)
{
	struct loaded loaded = load(fixture);

	assert_int_equal(loaded.r, -code);
	assert_contains(loaded.err.message, piece);
	assert_int_equal(fixture->generation, 0);
	assert_int_equal(loaded.found, 99);
}

static void test_writable_by_others(void **state)
{
	struct fixture *fixture = *state;
	struct error err;
	char path[128];

	save(fixture, first);
	path_of(fixture, "state.json", path);
	assert_int_equal(chmod(path, 0620), 0);
	assert_load_refused(fixture, EPERM, "others may write to it (mode 0620)");
	assert_int_equal(chmod(path, 0602), 0);
	assert_load_refused(fixture, EPERM, "others may write to it (mode 0602)");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(load(fixture).r, 0);
	assert_int_equal(chmod(fixture->dir, 0777), 0);
	assert_load_refused(fixture, EPERM, "state directory");
	assert_int_equal(store_save(fixture->dir, second, &err), -EPERM);
	assert_int_equal(chmod(fixture->dir, 0700), 0);
	assert_content(fixture, "state.json", first);
}

static void test_not_a_file(void **state)
{
	struct fixture *fixture = *state;
	char path[128], target[128];

	path_of(fixture, "state.json", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_load_refused(fixture, EPERM, "not a regular file");
	assert_int_equal(unlink(path), 0);
	put(fixture, "target", first, strlen(first));
	path_of(fixture, "target", target);
	assert_int_equal(symlink(target, path), 0);
	assert_load_refused(fixture, ELOOP, "state.json");
}

static void test_wrong_owner(void **state)
{
	struct fixture *fixture = *state;
	struct loaded loaded;
	char path[128];

	if (geteuid() != 0) {
		print_message("SKIP: only root can give a file away\n");
		skip();
	}
	save(fixture, first);
	path_of(fixture, "state.json", path);
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	assert_load_refused(fixture, EPERM, "belongs to user 65534");
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	loaded = load(fixture);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(loaded.r, -EACCES);
	assert_contains(loaded.err.message, fixture->dir);
	assert_contains(loaded.err.hint, "--state-dir");
}

/* --- full disks, failing calls, sudden stops --- */

static void assert_full(const struct fixture *fixture, const char *text, int code)
{
	struct error err;

	assert_int_equal(store_save(fixture->dir, text, &err), -code);
	assert_contains(err.message, "/state.json: ");
	assert_contains(err.message, strerror(code));
	assert_false(exists(fixture, "state.json.tmp"));
	assert_content(fixture, "state.json", first);
}

static void test_file_size_limit(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit before, limit;
	struct error err;
	int r;

	save(fixture, first);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){.rlim_cur = 5, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	r = store_save(fixture->dir, second, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r, -EFBIG);
	assert_false(exists(fixture, "state.json.tmp"));
	assert_content(fixture, "state.json", first);
	assert_int_equal(load(fixture).found, STORE_CURRENT);
}

static void test_full_disk(void **state)
{
	struct fixture *fixture = *state;
	char *text;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", fixture->dir, "tmpfs", 0, "size=16k,mode=0700") < 0) {
		print_message("SKIP: no right to mount a small file system\n");
		skip();
	}
	text = malloc(32768);
	assert_non_null(text);
	memset(text, 'x', 32767);
	text[32767] = '\0';
	save(fixture, first);
	assert_full(fixture, text, ENOSPC);
	free(text);
	assert_int_equal(load(fixture).found, STORE_CURRENT);
	assert_int_equal(fixture->generation, 1);
	save(fixture, second);
	assert_content(fixture, "state.json.bak", first);
	assert_int_equal(umount2(fixture->dir, MNT_DETACH), 0);
}

static void test_every_call_fails_once(void **state)
{
	struct fixture *fixture = *state;
	struct error err;
	int n, r = -EIO;

	for (n = 0; n < 100 && r < 0; n++) {
		put(fixture, "state.json.bak", first, strlen(first));
		put(fixture, "state.json", second, strlen(second));
		calls_left = n;
		r = store_save(fixture->dir, third, &err);
		if (calls_left < 0)
			assert_int_equal(r, -EIO);
		calls_left = -1;
		assert_int_equal(load(fixture).found, STORE_CURRENT);
		/* Only the last, the fsync of the directory, comes after the change. */
		assert_true(fixture->generation == 2 || fixture->generation == 3);
		assert_false(exists(fixture, "state.json.tmp"));
	}
	assert_in_range(n, 9, 99);
	assert_int_equal(r, 0);
	assert_int_equal(fixture->generation, 3);
}

static void save_and_stop(const struct fixture *fixture, int calls)
{
	pid_t pid = fork();
	struct error err;
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		stop_at_call = true;
		calls_left = calls;
		_exit(store_save(fixture->dir, third, &err) == 0 ? 1 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 0, 1);
}

static void test_stop_at_every_call(void **state)
{
	struct fixture *fixture = *state;

	write_most = 4;
	for (int n = 0; n < 30; n++) {
		put(fixture, "state.json.bak", first, strlen(first));
		put(fixture, "state.json", second, strlen(second));
		save_and_stop(fixture, n);
		assert_int_equal(load(fixture).found, STORE_CURRENT);
		assert_true(fixture->generation == 2 || fixture->generation == 3);
		assert_true(exists(fixture, "state.json.bak"));
		save(fixture, first);
		assert_content(fixture, "state.json", first);
		assert_false(exists(fixture, "state.json.tmp"));
		assert_false(exists(fixture, "state.json.bak.tmp"));
	}
	write_most = SIZE_MAX;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_save_and_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_makes_directory, setup, teardown),
		cmocka_unit_test(test_no_place_for_directory),
		cmocka_unit_test_setup_teardown(test_short_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leftovers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backup_is_current, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_at_every_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_damaged_backup, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peek_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_writable_by_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_size_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_call_fails_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_at_every_call, setup, teardown),
	};

	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
