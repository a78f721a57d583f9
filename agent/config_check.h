/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CONFIG_CHECK_H
#define SLUICE_CONFIG_CHECK_H

/* The keys of a service that are its check's. Private to config*.c. */
#include "check.h"
#include "config_field.h"

extern const struct table check_table; /* of a struct check_spec */

/* An owned list of words: one text is parted at blanks, an array's are words as they stand. */
FIELD_READER(read_words);
FIELD_WRITER(write_texts);

#endif
