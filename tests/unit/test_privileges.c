/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "privileges.h"

/* Each case gives up its privileges in a process of its own. */
static void in_child(bool (*holds)(void))
{
	pid_t pid;
	int status;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0)
		_exit(holds() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void join(void *context, const char *name)
{
	char *names = context;

	snprintf(names + strlen(names), 256 - strlen(names), "%s ", name);
}

static bool names_are(const char *wanted)
{
	char names[256] = "";

	privileges_each(join, names);
	if (strcmp(names, wanted) == 0)
		return true;
	print_message("has %s, not %s\n", names, wanted);
	return false;
}

/* What a program has that this process starts, by its own /proc/self/status. */
static bool program_has_none(void)
{
	FILE *program = popen("grep -E '^Cap(Prm|Eff|Inh|Amb)|^NoNewPrivs' /proc/self/status", "r");
	char line[128];
	int lines = 0;
	bool none = program != NULL;

	while (none && fgets(line, sizeof(line), program)) {
		lines++;
		none = strstr(line, "0000000000000000") || strstr(line, "NoNewPrivs:\t1");
		if (!none)
			print_message("%s", line);
	}
	return pclose(program) == 0 && none && lines == 5;
}

static bool reduced(void)
{
	struct error err;

	return privileges_reduce(false, &err) == 0 &&
	       names_are("CAP_NET_ADMIN CAP_NET_RAW CAP_PERFMON CAP_BPF ") &&
	       !privileges_inherited() && program_has_none();
}

static bool with_admin(void)
{
	struct error err;

	return privileges_reduce(true, &err) == 0 &&
	       names_are("CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_ADMIN CAP_PERFMON CAP_BPF ") &&
	       program_has_none();
}

/* Leaves the process these capabilities, as a container or a unit would. */
static bool begin_with(const char *text)
{
	cap_t caps = cap_from_text(text);
	bool ok = caps && cap_set_proc(caps) == 0;

	cap_free(caps);
	return ok;
}

static bool old_container(void)
{
	struct error err;

	return begin_with("cap_sys_admin,cap_net_admin=ep") &&
	       privileges_reduce(false, &err) == 0 && names_are("CAP_NET_ADMIN CAP_SYS_ADMIN ");
}

static bool bare_unit(void)
{
	struct error err;

	return begin_with("cap_bpf,cap_perfmon,cap_net_admin,cap_chown=ep") &&
	       privileges_reduce(false, &err) == 0 &&
	       names_are("CAP_NET_ADMIN CAP_PERFMON CAP_BPF ") && privileges_inherited();
}

static bool shipped_unit(void)
{
	static const cap_value_t ambient[] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_CHOWN};
	struct error err;
	size_t i;

	if (cap_set_secbits(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) ||
	    !begin_with("cap_bpf,cap_perfmon,cap_net_admin,cap_chown=eip"))
		return false;
	for (i = 0; i < sizeof(ambient) / sizeof(ambient[0]); i++) {
		if (cap_set_ambient(ambient[i], CAP_SET))
			return false;
	}
	return privileges_reduce(false, &err) == 0 &&
	       names_are("CAP_NET_ADMIN CAP_PERFMON CAP_BPF ") && !privileges_inherited() &&
	       program_has_none();
}

#define CASE(name, holds)                                                                          \
	static void name(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		in_child(holds);                                                                   \
	}

CASE(test_reduced, reduced)
CASE(test_with_admin, with_admin)
CASE(test_old_container, old_container)
CASE(test_bare_unit, bare_unit)
CASE(test_shipped_unit, shipped_unit)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reduced),       cmocka_unit_test(test_with_admin),
		cmocka_unit_test(test_old_container), cmocka_unit_test(test_bare_unit),
		cmocka_unit_test(test_shipped_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
