/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ANNOUNCE_NOTE_H
#define SLUICE_ANNOUNCE_NOTE_H

/*
 * The file "announce" of the state directory: the number of the routing table that the agent has
 * put routes into. It is on disk before the first of them is, so that an agent that is started for
 * another table, or for none, or with --unload, takes them away.
 */
#include <stdint.h>

#include "error.h"

/* 0: there is none, or nobody can read it. */
uint32_t announce_note_read(const char *state_dir);

/* table 0: removes it. */
int announce_note_write(const char *state_dir, uint32_t table, struct error *err);

#endif
