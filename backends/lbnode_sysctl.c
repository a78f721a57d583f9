/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lbnode_kinds.h"

static int sysctl_open(const char *path, int flags)
{
	char full[sizeof("/proc/sys/") + STEP_NAME_MAX];
	int fd;

	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *path, char ret_value[STEP_VALUE_MAX])
{
	char buffer[STEP_VALUE_MAX];
	int fd = sysctl_open(path, O_RDONLY);
	ssize_t length;

	if (fd < 0)
		return fd;
	length = read(fd, buffer, sizeof(buffer) - 1);
	if (length < 0) {
		length = -errno;
		close(fd);
		return (int)length;
	}
	close(fd);
	buffer[length] = '\0';
	buffer[strcspn(buffer, "\n")] = '\0';
	memcpy(ret_value, buffer, sizeof(buffer));
	return 0;
}

bool reverse_path_is_strict(const char *interface)
{
	char path[STEP_NAME_MAX], all[STEP_VALUE_MAX] = "", own[STEP_VALUE_MAX] = "";

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/rp_filter", interface);
	sysctl_read("net/ipv4/conf/all/rp_filter", all);
	if (sysctl_read(path, own) < 0)
		return false;
	return strcmp(strcmp(all, own) > 0 ? all : own, "1") == 0;
}

bool takes_router_advertisements(const char *interface)
{
	char path[STEP_NAME_MAX], value[STEP_VALUE_MAX] = "";

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", interface);
	return sysctl_read(path, value) == 0 && strcmp(value, "1") == 0;
}

static int sysctl_write(const char *path, const char *value, struct error *err)
{
	int fd = sysctl_open(path, O_WRONLY);
	int r = fd < 0 ? fd : 0;

	if (fd >= 0) {
		if (write(fd, value, strlen(value)) < 0)
			r = -errno;
		close(fd);
	}
	if (r < 0)
		return error_set(err, -r, "cannot write %s to /proc/sys/%s: %s", value, path,
				 strerror(-r));
	return 0;
}

static int probe(struct step *step, bool *ret_holds, struct error *err)
{
	int r = sysctl_read(step->name, step->former);

	if (r < 0)
		return error_set(err, -r, "cannot read /proc/sys/%s: %s", step->name, strerror(-r));
	*ret_holds = strcmp(step->former, step->value) == 0;
	return 0;
}

static int apply(const struct step *step, struct error *err)
{
	return sysctl_write(step->name, step->value, err);
}

static int revert(const struct step *step, bool *ret_left, struct error *err)
{
	char now[STEP_VALUE_MAX];
	int r = sysctl_read(step->name, now);

	if (r == -ENOENT) /* the interface is gone, and its sysctls with it */
		return 0;
	if (r < 0)
		return error_set(err, -r, "cannot read /proc/sys/%s: %s", step->name, strerror(-r));
	if (strcmp(now, step->former) == 0)
		return 0;
	if (strcmp(now, step->value) != 0) {
		*ret_left = true;
		return 0;
	}
	return sysctl_write(step->name, step->former, err);
}

static void describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	snprintf(buffer, STEP_TEXT_MAX, "/proc/sys/%s = %s", step->name, step->value);
}

static void shell(const struct step *step, bool back, FILE *out)
{
	fprintf(out, "echo %s >'/proc/sys/%s'\n", back ? step->former : step->value, step->name);
}

const struct step_ops sysctl_ops = {probe, apply, revert, describe, shell};
