/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_TERMINAL_H
#define SLUICE_CTL_TERMINAL_H

/*
 * A whole terminal for one program: its alternate screen, keys as they are typed, no cursor. It
 * is given back as it was when the program ends by exit(3) or by a signal that can be caught, and
 * while it is stopped (Ctrl-Z). ANSI escape sequences, which every terminal in use understands.
 */
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

struct terminal_size {
	size_t rows, columns;
};

/* Takes the terminal of standard input and output. -ENOTTY. */
int terminal_open(struct error *err);

/* Gives it back. Does nothing if it was not taken. */
void terminal_close(void);

struct terminal_size terminal_size(void);

enum terminal_key { KEY_NONE = 0, KEY_UP = 256, KEY_DOWN, KEY_PAGE_UP, KEY_PAGE_DOWN };

/*
 * Waits for a key, at most so long: its character or an enum terminal_key. KEY_NONE: time is up,
 * or the picture has to be drawn anew, for the terminal has another size or was away.
 */
int terminal_key(unsigned int timeout_ms);

/* Puts a picture of whole lines, no more than fit, in place of the former one. */
void terminal_show(const char *picture);

#endif
