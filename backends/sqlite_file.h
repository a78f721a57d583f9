/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SQLITE_FILE_H
#define SLUICE_SQLITE_FILE_H

#include <sqlite3.h>

#include "error.h"

/* Is the file that is open still the one of its path? -ENOTCONN if not: what is written into a file
 * without a name is lost without a word. */
int sqlite_file_check(sqlite3 *db, struct error *err);

#endif
