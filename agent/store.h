/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_STORE_H
#define SLUICE_STORE_H

/*
 * The state file on disk, so that no crash, full disk or stray hand costs more than the last
 * change. In the state directory stand
 *
 *   state.json      the last state that was saved
 *   state.json.bak  the one before
 *   state.json.bad  what a load found damaged and set aside; the latest only
 *   state.json.tmp  a save that was cut short; the next one removes it
 *
 * A new state is written beside the old one, brought to disk and renamed over it: whenever the
 * machine stops, state.json holds one of the two whole. There is no checksum: JSON cut short does
 * not parse, and the reader's own checks find the rest.
 */
#include <stddef.h>

#include "error.h"

#define STORE_SIZE_MAX (64UL << 20)

enum store_found {
	STORE_EMPTY,   /* no state was ever saved here */
	STORE_CURRENT, /* state.json */
	STORE_BACKUP,  /* state.json.bak, because state.json is damaged or gone */
};

/* Takes in a state: text has length bytes and a NUL behind them. Returns 0, or -EINVAL with err
 * filled if the text is damaged; any other error means that nobody can know, and ends the load. */
typedef int (*store_accept)(void *context, const char *text, size_t length, struct error *err);

/*
 * Makes the directory (0750) if there is none, and keeps it from other agents until *ret_fd is
 * closed. -EBUSY: another one has it; -EPERM as below.
 */
int store_lock(const char *dir, int *ret_fd, struct error *err);

/*
 * Offers accept the current state and, if that is damaged (-EINVAL or a disk error), the backup.
 * Makes the directory (0750) if there is none. With STORE_BACKUP *ret_warning says what was
 * wrong and what is lost; a damaged file is then kept as state.json.bad.
 * -EPERM: the file or directory belongs to somebody else than root and the effective user, or
 * others may write to it. -EINVAL: damaged, and no backup helps; both are left in place.
 */
int store_load(const char *dir, store_accept accept, void *context, enum store_found *ret_found,
	       struct error *ret_warning, struct error *err);

/* The same for who only asks: nothing is made or moved. No directory is STORE_EMPTY. */
int store_peek(const char *dir, store_accept accept, void *context, enum store_found *ret_found,
	       struct error *ret_warning, struct error *err);

/*
 * Makes text the current state and the current one the backup. When it returns 0 the state is on
 * disk. On failure the old state stays current, with one exception: if only the last fsync of
 * the directory fails, a power cut decides which of the two is found. -EFBIG: over
 * STORE_SIZE_MAX; -ENOSPC, -EDQUOT: the disk is full; -EPERM as above.
 */
int store_save(const char *dir, const char *text, struct error *err);

#endif
