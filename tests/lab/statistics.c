/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics: has the kernel count runs of BPF programs while this process lives, without the
 * sysctl, which would stay. Says "ready"; ends by a signal.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	union bpf_attr attr = {.enable_stats.type = BPF_STATS_RUN_TIME};

	if (syscall(SYS_bpf, BPF_ENABLE_STATS, &attr, sizeof(attr)) < 0) {
		fprintf(stderr, "statistics: %s\n", strerror(errno));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
