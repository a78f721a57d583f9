/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ETAG_H
#define SLUICE_ETAG_H

/* The desired state's generation as an entity tag, and a change's condition on it (RFC 9110, 8.8.3
 * and 13.1.1). Pure. */
#include <stdint.h>

#include "error.h"

#define ETAG_TEXT_MAX 24

/* "17", quotes included. */
const char *etag_format(uint64_t generation, char buffer[ETAG_TEXT_MAX]);

/*
 * If-Match: `*`, or tags with commas between them; weak ones equal none. if_match NULL: no
 * condition. -ESTALE: generation is none of them; -EINVAL: these are no tags.
 */
int etag_check(const char *if_match, uint64_t generation, struct error *err);

#endif
