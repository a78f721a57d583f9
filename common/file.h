/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FILE_H
#define SLUICE_FILE_H

/* Whole transfers: read(2) and write(2) may do less than was asked, and may be interrupted. */
#include <stddef.h>
#include <sys/types.h>

/* Reads until the end of the file, at most size bytes. Returns how many there were, or a negative
 * errno. */
ssize_t file_read_all(int fd, char *buffer, size_t size);

/* Reads until the end of the file. *ret_text is the caller's to free and has a NUL behind it.
 * -EFBIG: it is longer than max bytes (at least 4096); -ENOMEM, or what read(2) says. */
int file_read_text(int fd, size_t max, char **ret_text, size_t *ret_length);

/* Writes all length bytes. 0, or a negative errno: then some may have been written. */
int file_write_all(int fd, const char *text, size_t length);

#endif
