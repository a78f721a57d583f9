/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define STATE_NAME      "state.json"
#define BACKUP_NAME     "state.json.bak"
#define BAD_NAME        "state.json.bad"
#define TEMPORARY_NAME  "state.json.tmp"
#define NEW_BACKUP_NAME "state.json.bak.tmp"

/* The state directory, held open so that all names are resolved in one and the same place. */
struct store {
	const char *path;
	int fd;
	bool only_look; /* nothing is made or moved */
};

/* Says what happened to a file and, where there is one, the way out. code is positive. */
static int refuse(const struct store *store, const char *name, int code, struct error *err)
{
	error_set(err, code, "state file %s/%s: %s", store->path, name, strerror(code));
	switch (code) {
	case ENOSPC:
	case EDQUOT:
		return error_hint(err, -code, "free some space there; the last state is kept");
	case EROFS:
	case EACCES:
		return error_hint(err, -code,
				  "let lbagent's user write there, or give another --state-dir");
	default:
		return -code;
	}
}

/* Whoever may write a state decides where clients' packets go. */
static int check_trusted(int fd, const char *what, const char *path, struct error *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(err, errno, "%s %s: %s", what, path, strerror(errno));
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		error_set(err, EPERM, "%s %s: belongs to user %u, not to root or lbagent's user",
			  what, path, (unsigned int)status.st_uid);
		return error_hint(err, -EPERM, "look at what is in it, then chown root %s", path);
	}
	if (status.st_mode & (S_IWGRP | S_IWOTH)) {
		error_set(err, EPERM, "%s %s: others may write to it (mode %04o)", what, path,
			  (unsigned int)status.st_mode & 07777);
		return error_hint(err, -EPERM, "look at what is in it, then chmod go-w %s", path);
	}
	return 0;
}

/* A new directory is on disk only when the one that names it is. */
static int sync_parent(int fd)
{
	int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (parent < 0)
		return -errno;
	r = fsync(parent) < 0 ? -errno : 0;
	close(parent);
	return r;
}

/* Returns the directory's descriptor; made: it was not there a moment ago. */
static int open_made(const char *path, bool made, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : made ? sync_parent(fd) : 0;

	if (r < 0) {
		error_set(err, -r, "state directory %s: %s", path, strerror(-r));
		error_hint(err, r, "make it for lbagent's user, or give another --state-dir");
	} else {
		r = check_trusted(fd, "state directory", path, err);
	}
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* Makes the directory if there is none. Returns its descriptor. */
static int open_directory(const char *path, struct error *err)
{
	int r;

	if (mkdir(path, 0750) == 0)
		return open_made(path, true, err);
	if (errno == EEXIST)
		return open_made(path, false, err);
	r = error_set(err, errno, "state directory %s: %s", path, strerror(errno));
	return error_hint(err, r, "make it for lbagent's user, or give another --state-dir");
}

int store_lock(const char *dir, int *ret_fd, struct error *err)
{
	int fd = open_directory(dir, err);
	int r;

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*ret_fd = fd;
		return 0;
	}
	r = error_set(err, EBUSY, "state directory %s: in use by another lbagent", dir);
	close(fd);
	return error_hint(err, r, "stop it first, or give --state-dir another directory");
}

/* --- loading --- */

/* A regular file that we may believe. -ENOENT, without err, if there is none. */
static int open_file(const struct store *store, const char *name, size_t *ret_size,
		     struct error *err)
{
	/* O_NONBLOCK: a FIFO put there must not hang us. It changes nothing for regular files. */
	int fd = openat(store->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat status = {0};
	char path[256];
	int r;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return refuse(store, name, errno, err);
	snprintf(path, sizeof(path), "%s/%s", store->path, name);
	r = check_trusted(fd, "state file", path, err);
	if (r == 0 && fstat(fd, &status) < 0)
		r = refuse(store, name, errno, err);
	if (r == 0 && !S_ISREG(status.st_mode))
		r = error_set(err, EPERM, "state file %s: not a regular file", path);
	if (r == 0 && (size_t)status.st_size > STORE_SIZE_MAX)
		r = error_set(err, EINVAL, "state file %s: larger than %lu MiB", path,
			      STORE_SIZE_MAX >> 20);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_size = (size_t)status.st_size;
	return fd;
}

static int offer(const struct store *store, const char *name, const char *text, size_t length,
		 store_accept accept, void *context, struct error *err)
{
	struct error reason = {0};
	int r = accept(context, text, length, &reason);

	if (r < 0) {
		error_set(err, -r, "state file %s/%s: %s", store->path, name, reason.message);
		error_hint(err, r, "%s", reason.hint);
		error_field(err, r, reason.field);
	}
	return r;
}

/* Returns 1 if the file was accepted, 0 if there is none. */
static int load_file(const struct store *store, const char *name, store_accept accept,
		     void *context, struct error *err)
{
	size_t size = 0;
	ssize_t length;
	char *text;
	int fd = open_file(store, name, &size, err);
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	text = malloc(size + 1);
	length = text ? file_read_all(fd, text, size) : -ENOMEM;
	close(fd);
	if (length < 0) {
		r = refuse(store, name, (int)-length, err);
	} else {
		text[length] = '\0';
		r = offer(store, name, text, (size_t)length, accept, context, err);
	}
	free(text);
	return r < 0 ? r : 1;
}

static bool is_damage(int r)
{
	return r == -EINVAL || r == -EIO;
}

/* state.json is damaged or missing (damage is then empty). */
static int load_backup(const struct store *store, store_accept accept, void *context,
		       const struct error *damage, enum store_found *ret_found,
		       struct error *ret_warning, struct error *err)
{
	bool missing = damage->message[0] == '\0';
	struct error reason;
	int r = load_file(store, BACKUP_NAME, accept, context, &reason);

	if (r < 0 && (missing || !is_damage(r))) {
		*err = reason;
		return r;
	}
	if (r <= 0 && missing) {
		*ret_found = STORE_EMPTY;
		return 0;
	}
	if (r <= 0) {
		*err = *damage;
		return error_hint(err, -EINVAL,
				  "%s; repair it, or move it away to start with no services",
				  r < 0 ? BACKUP_NAME " is damaged too" : "there is no backup");
	}
	/* Out of the way, or the next save would make it the backup. */
	if (!missing && !store->only_look &&
	    renameat(store->fd, STATE_NAME, store->fd, BAD_NAME) < 0)
		return refuse(store, STATE_NAME, errno, err);
	if (missing)
		error_set(ret_warning, EINVAL, "state file %s/%s: missing; loaded %s", store->path,
			  STATE_NAME, BACKUP_NAME);
	else
		error_set(ret_warning, EINVAL, "%s; kept it as %s and loaded %s", damage->message,
			  BAD_NAME, BACKUP_NAME);
	error_hint(ret_warning, 0, "the change before the last save may be missing: compare");
	*ret_found = STORE_BACKUP;
	return 0;
}

static int load(const struct store *store, store_accept accept, void *context,
		enum store_found *ret_found, struct error *ret_warning, struct error *err)
{
	struct error damage = {0};
	int r = load_file(store, STATE_NAME, accept, context, &damage);

	if (r > 0)
		*ret_found = STORE_CURRENT;
	else if (r == 0 || is_damage(r))
		return load_backup(store, accept, context, &damage, ret_found, ret_warning, err);
	else
		*err = damage;
	return r < 0 ? r : 0;
}

int store_load(const char *dir, store_accept accept, void *context, enum store_found *ret_found,
	       struct error *ret_warning, struct error *err)
{
	struct store store = {.path = dir, .fd = open_directory(dir, err)};
	int r;

	if (store.fd < 0)
		return store.fd;
	r = load(&store, accept, context, ret_found, ret_warning, err);
	close(store.fd);
	return r;
}

int store_peek(const char *dir, store_accept accept, void *context, enum store_found *ret_found,
	       struct error *ret_warning, struct error *err)
{
	struct store store = {.path = dir, .only_look = true};
	int r;

	if (access(dir, F_OK) < 0 && errno == ENOENT) {
		*ret_found = STORE_EMPTY;
		return 0;
	}
	store.fd = open_made(dir, false, err);
	if (store.fd < 0)
		return store.fd;
	r = load(&store, accept, context, ret_found, ret_warning, err);
	close(store.fd);
	return r;
}

/* --- saving --- */

static int write_temporary(const struct store *store, const char *text, size_t length)
{
	int fd, r;

	/* One left over by a crash is not reused: its owner and mode could be anything. */
	if (unlinkat(store->fd, TEMPORARY_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(store->fd, TEMPORARY_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = file_write_all(fd, text, length);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	/* Some file systems say only here that the disk is full. */
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

/* Gives the current state a second name, by way of a third: so there is a backup at all times. */
static int keep_backup(const struct store *store)
{
	if (unlinkat(store->fd, NEW_BACKUP_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	if (linkat(store->fd, STATE_NAME, store->fd, NEW_BACKUP_NAME, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (renameat(store->fd, NEW_BACKUP_NAME, store->fd, BACKUP_NAME) < 0)
		return -errno;
	/* rename(2) leaves both names if the backup was the current state already. */
	if (unlinkat(store->fd, NEW_BACKUP_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int store_save(const char *dir, const char *text, struct error *err)
{
	struct store store = {.path = dir, .fd = open_directory(dir, err)};
	size_t length = strlen(text);
	int r;

	if (store.fd < 0)
		return store.fd;
	r = length > STORE_SIZE_MAX ? -EFBIG : write_temporary(&store, text, length);
	if (r == 0)
		r = keep_backup(&store);
	if (r == 0 && renameat(store.fd, TEMPORARY_NAME, store.fd, STATE_NAME) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(store.fd, TEMPORARY_NAME, 0);
	else if (fsync(store.fd) < 0)
		r = -errno;
	if (r < 0)
		r = refuse(&store, STATE_NAME, -r, err);
	close(store.fd);
	return r;
}
