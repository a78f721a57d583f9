/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_WEBAPP_ROUTE_H
#define SLUICE_WEBAPP_ROUTE_H

/* Which route a request takes. Pure. */
#include "webapp.h"

/*
 * Finds the route of a method and a path. Returns its index and sets *ret_argument (points into
 * path; NULL if the route has no {part}); -ENOENT: no route has this path; -EOPNOTSUPP: some do,
 * none by this method. *ret_endpoint is the first route of this path, or count.
 */
int webapp_route_find(const struct webapp_route *routes, size_t count, const char *method,
		      const char *path, size_t *ret_endpoint, const char **ret_argument);

/* The methods of a path, as the header Allow wants them: "GET, HEAD, PUT". Cut to size. */
void webapp_route_allowed(const struct webapp_route *routes, size_t count, const char *path,
			  char *buffer, size_t size);

#endif
