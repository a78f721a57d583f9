/* SPDX-License-Identifier: Apache-2.0 */
#include "steady.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

void steady_adopt(struct steady *steady, const char *boot, uint64_t boottime_ms, uint64_t unix_ms)
{
	if (boot[0] && strcmp(steady->boot, boot) == 0)
		return;
	snprintf(steady->boot, sizeof(steady->boot), "%s", boot);
	/* A machine without a battery begins in 1970: not before it booted. */
	steady->offset_ms = unix_ms > boottime_ms ? unix_ms - boottime_ms : 0;
}

void steady_begin(struct steady *steady)
{
	char boot[STEADY_BOOT_MAX] = "";
	FILE *file = fopen(BOOT_ID, "re");

	if (file && fgets(boot, sizeof(boot), file))
		boot[strcspn(boot, "\n")] = '\0';
	if (file)
		fclose(file);
	steady_adopt(steady, boot, clock_ms(CLOCK_BOOTTIME), clock_ms(CLOCK_REALTIME));
}

uint64_t steady_now(const struct steady *steady)
{
	return clock_ms(CLOCK_BOOTTIME) + steady->offset_ms;
}
