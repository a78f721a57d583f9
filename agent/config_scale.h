/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CONFIG_SCALE_H
#define SLUICE_CONFIG_SCALE_H

/* The keys of a service that are its autoscaler's. Private to config*.c. */
#include "autoscale_policy.h"
#include "config_field.h"

extern const struct table scale_table; /* of a struct autoscale_policy */

#endif
