/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_COOKIES_H
#define SLUICE_COOKIES_H

/*
 * SYN cookies: the keys, and who may ask for them. The keys are the operator's (common/
 * cookie_keys.h), for backends have to know them.
 */
#include "dataplane.h"
#include "desired.h"

/* Has the data plane a key? Without one no service answers by cookies. */
bool cookies_have_key(const struct dataplane *dp);

/*
 * Gives the data plane the keys of a file; path "": none, and takes away those it has. What was
 * made by a key that is still in the file stays good. After an error the data plane's keys are as
 * before.
 */
int cookies_load(struct dataplane *dp, const char *path, struct error *err);

/* Refuses services that ask for cookies if there is no key. */
int cookies_check(const struct dataplane *dp, const struct desired *next, struct error *err);

/* Does the service answer SYNs by cookies at this moment, in jiffies? */
bool cookies_on(const struct dataplane *dp, const struct service_spec *service, uint64_t now);

#endif
