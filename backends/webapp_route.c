/* SPDX-License-Identifier: Apache-2.0 */
#include "webapp_route.h"

#include <errno.h>
#include <string.h>

/* A {part} is the last one, and stands for one segment that is not empty. */
static bool path_matches(const char *pattern, const char *path, const char **ret_argument)
{
	const char *part = strchr(pattern, '{');
	size_t fixed;

	if (!part) {
		*ret_argument = NULL;
		return strcmp(pattern, path) == 0;
	}
	fixed = (size_t)(part - pattern);
	if (strncmp(pattern, path, fixed) != 0 || !path[fixed] || strchr(path + fixed, '/'))
		return false;
	*ret_argument = path + fixed;
	return true;
}

static bool method_matches(const char *own, const char *asked)
{
	return strcmp(own, asked) == 0 || (strcmp(own, "GET") == 0 && strcmp(asked, "HEAD") == 0);
}

int webapp_route_find(const struct webapp_route *routes, size_t count, const char *method,
		      const char *path, size_t *ret_endpoint, const char **ret_argument)
{
	const char *argument;

	*ret_endpoint = count;
	for (size_t i = 0; i < count; i++) {
		if (!path_matches(routes[i].path, path, &argument))
			continue;
		if (*ret_endpoint == count)
			*ret_endpoint = i;
		if (method_matches(routes[i].method, method)) {
			*ret_argument = argument;
			return (int)i;
		}
	}
	return *ret_endpoint == count ? -ENOENT : -EOPNOTSUPP;
}

void webapp_route_allowed(const struct webapp_route *routes, size_t count, const char *path,
			  char *buffer, size_t size)
{
	const char *argument;
	FILE *out = fmemopen(buffer, size, "w");

	buffer[0] = '\0';
	if (!out)
		return;
	for (size_t i = 0, listed = 0; i < count; i++) {
		if (!path_matches(routes[i].path, path, &argument))
			continue;
		fprintf(out, "%s%s%s", listed++ ? ", " : "", routes[i].method,
			strcmp(routes[i].method, "GET") == 0 ? ", HEAD" : "");
	}
	fclose(out);
}
