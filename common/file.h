/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FILE_H
#define SLUICE_FILE_H

/* Whole transfers: read(2) and write(2) may do less than was asked, and may be interrupted. */
#include <stddef.h>
#include <sys/types.h>

/* Reads until the end of the file, at most size bytes. Returns how many there were, or a negative
 * errno. */
ssize_t file_read_all(int fd, char *buffer, size_t size);

/* Writes all length bytes. 0, or a negative errno: then some may have been written. */
int file_write_all(int fd, const char *text, size_t length);

#endif
