/* SPDX-License-Identifier: Apache-2.0 */
#include "lbnode_bpffs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lbnode_step.h"

#define PIN_MAX (STEP_NAME_MAX + 32)

static const char *pin_path(const char *directory, const char *name, char buffer[PIN_MAX])
{
	snprintf(buffer, PIN_MAX, "%s/%s", directory, name);
	return buffer;
}

int bpffs_make(const char *directory, struct error *err)
{
	struct statfs fs;
	int r;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		r = error_set(err, errno, "directory %s cannot be made: %s", directory,
			      strerror(errno));
	else if (statfs(directory, &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return 0;
	else
		r = error_set(err, ENODEV, "directory %s is not in a bpffs", directory);
	rmdir(directory);
	return error_hint(err, r, "mount -t bpf bpf /sys/fs/bpf, or give --bpffs DIR");
}

int bpffs_pin(int fd, const char *directory, const char *name, struct error *err)
{
	char path[PIN_MAX];

	if (bpf_obj_pin(fd, pin_path(directory, name, path)) == 0)
		return 0;
	return error_set(err, errno, "%s cannot be pinned: %s", path, strerror(errno));
}

void bpffs_unpin(const char *directory, const char *name)
{
	char path[PIN_MAX];

	unlink(pin_path(directory, name, path));
}

int bpffs_open(const char *directory, const char *name)
{
	char path[PIN_MAX];
	int fd = bpf_obj_get(pin_path(directory, name, path));

	return fd < 0 ? -errno : fd;
}

static char warning[192];

static int keep(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN && warning[0] == '\0') {
		vsnprintf(warning, sizeof(warning), format, args);
		warning[strcspn(warning, "\n")] = '\0';
	}
	return 0;
}

void bpffs_keep_warnings(void)
{
	libbpf_set_print(keep);
	warning[0] = '\0';
}

const char *bpffs_warning(void)
{
	return warning;
}

const char *bpffs_object(const char *program, char buffer[PATH_MAX])
{
	char own[PATH_MAX] = "";
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash = length > 0 ? strrchr(own, '/') : NULL;

	if (slash)
		*slash = '\0';
	snprintf(buffer, PATH_MAX, "%.3000s/bpf/%s.bpf.o", own, program);
	if (access(buffer, R_OK) != 0)
		snprintf(buffer, PATH_MAX, "%.3000s/../share/sluice/%s.bpf.o", own, program);
	return buffer;
}
