/* SPDX-License-Identifier: Apache-2.0 */
#include "privileges.h"

#include <ctype.h>
#include <errno.h>
#include <linux/securebits.h>
#include <stddef.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool has(cap_t caps, cap_value_t cap, cap_flag_t flag)
{
	cap_flag_value_t value = CAP_CLEAR;

	return cap_get_flag(caps, cap, flag, &value) == 0 && value == CAP_SET;
}

static int keep(cap_t next, cap_t now, cap_value_t cap)
{
	if (!has(now, cap, CAP_PERMITTED))
		return 0;
	if (cap_set_flag(next, CAP_PERMITTED, 1, &cap, CAP_SET))
		return -1;
	return cap_set_flag(next, CAP_EFFECTIVE, 1, &cap, CAP_SET);
}

static int choose(cap_t next, cap_t now, bool admin)
{
	static const cap_value_t wanted[] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_NET_RAW};
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (keep(next, now, wanted[i]))
			return -1;
	}
	if (!has(now, CAP_BPF, CAP_PERMITTED) || !has(now, CAP_PERFMON, CAP_PERMITTED))
		admin = true;
	return admin ? keep(next, now, CAP_SYS_ADMIN) : 0;
}

/* What no program that is started by this process can ever have. */
static int close_bounds(cap_t now)
{
	cap_value_t cap;

	if (!has(now, CAP_SETPCAP, CAP_EFFECTIVE))
		return 0; /* privileges_inherited() tells */
	for (cap = 0; cap < cap_max_bits(); cap++) {
		if (cap_drop_bound(cap))
			return -1;
	}
	return 0;
}

static int reduce(cap_t now, cap_t next, bool admin)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || choose(next, now, admin) ||
	    close_bounds(now) || cap_reset_ambient())
		return -1;
	return cap_set_proc(next);
}

int privileges_reduce(bool admin, struct error *err)
{
	cap_t now = cap_get_proc(), next = cap_init();
	int ret = 0;

	if (!now || !next || reduce(now, next, admin))
		ret = error_set(err, errno, "privileges cannot be given up: %s", strerror(errno));
	cap_free(now);
	cap_free(next);
	return ret;
}

bool privileges_inherited(void)
{
	cap_value_t cap;

	if (geteuid() != 0 || cap_get_secbits() & SECBIT_NOROOT)
		return false;
	for (cap = 0; cap < cap_max_bits(); cap++) {
		if (cap_get_bound(cap) > 0)
			return true;
	}
	return false;
}

void privileges_each(void (*take)(void *context, const char *name), void *context)
{
	cap_t now = cap_get_proc();
	cap_value_t cap;
	char *name, *c;

	for (cap = 0; now && cap < cap_max_bits(); cap++) {
		name = has(now, cap, CAP_EFFECTIVE) ? cap_to_name(cap) : NULL;
		if (!name)
			continue;
		for (c = name; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		take(context, name);
		cap_free(name);
	}
	cap_free(now);
}
