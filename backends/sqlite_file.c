/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_file.h"

#include <errno.h>

int sqlite_file_check(sqlite3 *db, struct error *err)
{
	int moved = 0;

	sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	return moved ? error_set(err, ENOTCONN, "the file is gone") : 0;
}
