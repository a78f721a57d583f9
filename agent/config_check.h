/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CONFIG_CHECK_H
#define SLUICE_CONFIG_CHECK_H

/* The keys of a service that are its check's. Private to config*.c. */
#include "check.h"
#include "config_field.h"

extern const struct table check_table; /* of a struct check_spec */

#endif
