/* SPDX-License-Identifier: Apache-2.0 */
#include "etag.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BLANK " \t"

const char *etag_format(uint64_t generation, char buffer[ETAG_TEXT_MAX])
{
	snprintf(buffer, ETAG_TEXT_MAX, "\"%" PRIu64 "\"", generation);
	return buffer;
}

/* Moves *at over one tag and a comma behind it. False: there is none. */
static bool take_tag(const char **at, const char **ret_tag, size_t *ret_length)
{
	const char *tag = *at + strspn(*at, BLANK), *end;

	*ret_tag = tag;
	if (strncmp(tag, "W/", 2) == 0)
		tag += 2;
	end = *tag == '"' ? strchr(tag + 1, '"') : NULL;
	if (!end)
		return false;
	end++;
	*ret_length = (size_t)(end - *ret_tag);
	end += strspn(end, BLANK);
	if (*end && *end != ',')
		return false;
	*at = end + (*end == ',');
	return true;
}

static int refuse_stale(const char *if_match, const char *current, struct error *err)
{
	char shown[64];
	size_t i;

	snprintf(shown, sizeof(shown), "%s", if_match);
	for (i = 0; shown[i]; i++) { /* it goes into JSON and onto a terminal */
		if (shown[i] < ' ' || shown[i] > '~')
			shown[i] = '?';
	}
	error_set(err, ESTALE, "the generation is %s, not %s as the change was meant for", current,
		  shown);
	return error_hint(err, -ESTALE,
			  "somebody changed something meanwhile: look again, then change");
}

int etag_check(const char *if_match, uint64_t generation, struct error *err)
{
	char current[ETAG_TEXT_MAX];
	const char *at = if_match, *tag;
	bool equal = false;
	size_t length;
	int ret;

	if (!if_match || strcmp(if_match, "*") == 0)
		return 0;
	etag_format(generation, current);
	do {
		if (!take_tag(&at, &tag, &length)) {
			ret = error_set(err, EINVAL, "If-Match: not an entity tag");
			return error_hint(err, ret, "write the ETag of an answer: If-Match: %s",
					  current);
		}
		equal = equal || (length == strlen(current) && memcmp(tag, current, length) == 0);
	} while (*at);
	return equal ? 0 : refuse_stale(if_match, current, err);
}
