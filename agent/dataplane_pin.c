/* SPDX-License-Identifier: Apache-2.0 */

/* The directory in a bpffs where all that outlives the agent is pinned. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dataplane_bpf_internal.h"
#include "xdp_dispatcher.h"

#define NEW_MAPS "maps_new" /* what a starting agent pins, until it takes the place of "maps" */

int bpf_directory_open(struct dataplane_bpf *dp, const char *path, struct error *err)
{
	struct statfs fs;
	int ret;

	if (mkdir(path, 0700) && errno != EEXIST) {
		ret = error_set(err, errno, "bpffs directory %s: %s", path, strerror(errno));
		return error_hint(err, ret, "mount -t bpf bpf /sys/fs/bpf, or give --bpffs DIR");
	}
	if (statfs(path, &fs) || fs.f_type != BPF_FS_MAGIC) {
		ret = error_set(err, ENODEV, "%s is not in a bpffs; maps cannot be pinned there",
				path);
		rmdir(path);
		return error_hint(err, ret, "mount -t bpf bpf /sys/fs/bpf, or give --bpffs DIR");
	}
	snprintf(dp->bpffs, sizeof(dp->bpffs), "%s", path);
	dp->lock_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dp->lock_fd < 0 || flock(dp->lock_fd, LOCK_EX | LOCK_NB)) {
		ret = error_set(err, EBUSY, "bpffs directory %s: in use by another lbagent", path);
		return error_hint(err, ret, "stop it first, or give --bpffs another directory");
	}
	return 0;
}

void bpf_directory_clean(const char *bpffs)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/links", bpffs);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/dispatched", bpffs);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/clsact", bpffs);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/programs", bpffs);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/maps", bpffs);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/" NEW_MAPS, bpffs);
	rmdir(path);
	rmdir(bpffs);
}

bool bpf_map_is_switches(const struct bpf_map *map)
{
	return strcmp(bpf_map__name(map), ".data.switches") == 0;
}

/* A bpffs wants no dots in names. */
static const char *pin_name(const struct bpf_map *map)
{
	return bpf_map_is_switches(map) ? "switches" : bpf_map__name(map);
}

void bpf_map_path(const struct dataplane_bpf *dp, const struct bpf_map *map, char *buffer,
		  size_t size)
{
	snprintf(buffer, size, "%s/maps/%s", dp->bpffs, pin_name(map));
}

bool bpf_map_is_pinned(const struct bpf_map *map)
{
	return bpf_map_is_switches(map) ||
	       (!bpf_map__is_internal(map) && !strstr(bpf_map__name(map), "_scratch"));
}

/* bpffs takes no dot in a name, an interface has no colon in its. */
static void swap_character(char *text, char from, char to)
{
	for (; *text; text++)
		*text = *text == from ? to : *text;
}

void dataplane_bpf_pin_path(const char *bpffs, const char *directory, const char *interface,
			    char *buffer, size_t size)
{
	int length = snprintf(buffer, size, "%s/%s/", bpffs, directory);

	snprintf(buffer + length, size - (size_t)length, "%s", interface);
	swap_character(buffer + length, '.', ':');
}

static int remove_pin(const char *bpffs, const char *directory, const char *name, struct error *err)
{
	char interface[256], path[512];

	if (strcmp(directory, "dispatched") == 0) {
		snprintf(interface, sizeof(interface), "%s", name);
		swap_character(interface, ':', '.');
		return dispatcher_leave(bpffs, interface, err);
	}
	snprintf(path, sizeof(path), "%s/%s/%s", bpffs, directory, name);
	if (unlink(path) == 0)
		return 0;
	return error_set(err, errno, "pin %s: cannot be removed: %s", path, strerror(errno));
}

/* Removes all entries of DIR/NAME. */
static int remove_pins(const char *bpffs, const char *name, struct error *err)
{
	struct dirent *entry;
	char directory[256];
	DIR *dir;
	int ret = 0;

	snprintf(directory, sizeof(directory), "%s/%s", bpffs, name);
	dir = opendir(directory);
	if (!dir)
		return 0;
	while (ret == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			ret = remove_pin(bpffs, name, entry->d_name, err);
	}
	closedir(dir);
	return ret;
}

static int pin_all(const struct dataplane_bpf *dp, const char *directory, struct error *err)
{
	struct bpf_map *map;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dp->bpffs, directory);
	mkdir(path, 0700);
	bpf_object__for_each_map(map, dp->skel->obj)
	{
		if (!bpf_map_is_pinned(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", dp->bpffs, directory, pin_name(map));
		if (bpf_obj_pin(bpf_map__fd(map), path))
			return error_set(err, errno, "map %s: cannot be pinned: %s", path,
					 strerror(errno));
	}
	return 0;
}

/* Those of an agent that was killed while it started, or those whose place was taken. */
static int discard_new_maps(const char *bpffs, struct error *err)
{
	char directory[256];
	int ret = remove_pins(bpffs, NEW_MAPS, err);

	snprintf(directory, sizeof(directory), "%s/" NEW_MAPS, bpffs);
	rmdir(directory);
	return ret;
}

/*
 * One step, so that an agent which is killed here leaves one set or the other. Linux before 5.16
 * exchanges no directories of a bpffs; there the former set goes first.
 */
static int exchange_pins(const struct dataplane_bpf *dp, struct error *err)
{
	char maps[256], new_maps[256];
	int ret;

	snprintf(maps, sizeof(maps), "%s/maps", dp->bpffs);
	snprintf(new_maps, sizeof(new_maps), "%s/" NEW_MAPS, dp->bpffs);
	if (renameat2(AT_FDCWD, new_maps, AT_FDCWD, maps, RENAME_EXCHANGE) == 0)
		return discard_new_maps(dp->bpffs, err);
	ret = remove_pins(dp->bpffs, "maps", err);
	if (ret == 0 && rename(new_maps, maps))
		ret = error_set(err, errno, "directory %s: cannot take its place: %s", new_maps,
				strerror(errno));
	return ret;
}

int dataplane_bpf_pin(struct dataplane *base, struct error *err)
{
	struct dataplane_bpf *dp = bpf_of(base);
	int ret = bpf_runs_pin(dp, err);

	if (ret == 0)
		ret = discard_new_maps(dp->bpffs, err);
	if (ret || dp->carry.whole)
		return ret;
	ret = pin_all(dp, NEW_MAPS, err);
	return ret ? ret : exchange_pins(dp, err);
}

int dataplane_bpf_unload(const char *bpffs, struct error *err)
{
	struct dataplane_bpf dp = {.lock_fd = -1};
	int ret;

	if (access(bpffs, F_OK))
		return 0;
	bpf_keep_warnings();
	ret = bpf_directory_open(&dp, bpffs, err);
	if (ret == 0)
		bpf_probe_unload(&dp);
	if (ret == 0)
		ret = remove_pins(bpffs, "clsact", err); /* of interfaces that are gone */
	if (ret == 0)
		ret = remove_pins(bpffs, "links", err); /* the last reference detaches */
	if (ret == 0)
		ret = remove_pins(bpffs, "dispatched", err);
	if (ret == 0)
		ret = remove_pins(bpffs, "programs", err);
	if (ret == 0)
		ret = remove_pins(bpffs, "maps", err);
	if (ret == 0)
		ret = discard_new_maps(bpffs, err);
	if (dp.lock_fd >= 0) {
		bpf_directory_clean(bpffs);
		close(dp.lock_fd);
	}
	return ret;
}
