/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_HTTP_REQUEST_H
#define SLUICE_HTTP_REQUEST_H

/* The request of an http check, as it goes out. */
#include "check.h"
#include "parse.h"

#define HTTP_USER_AGENT "sluice/" SLUICE_VERSION

/* spec has passed check_spec_check(). The text is the caller's to free. NULL: out of memory. */
char *http_request_write(const struct check_spec *spec, const struct endpoint *backend);

#endif
