/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_STEADY_H
#define SLUICE_STEADY_H

/*
 * Unix time that does not jump, for deadlines that must outlive the agent. The wall clock is read
 * once a boot; from then on CLOCK_BOOTTIME counts, and an agent that is restarted goes on with what
 * the former one has read. However the wall clock is set, what was to end in five minutes ends in
 * five minutes. After a reboot there is only the wall clock to go by.
 */
#include <stdint.h>

#define STEADY_BOOT_MAX 37

/* Kept with the state. All zero: nothing was read yet. */
struct steady {
	char boot[STEADY_BOOT_MAX]; /* the kernel's name of the boot that offset_ms is of */
	uint64_t offset_ms;         /* from CLOCK_BOOTTIME to Unix time */
};

/* Keeps the offset if it is of this boot, else takes the one that the two clocks have now. Pure. */
void steady_adopt(struct steady *steady, const char *boot, uint64_t boottime_ms, uint64_t unix_ms);

/* The same with the machine's clocks. */
void steady_begin(struct steady *steady);

/* In milliseconds. */
uint64_t steady_now(const struct steady *steady);

#endif
