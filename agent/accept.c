/* SPDX-License-Identifier: Apache-2.0 */
#include "accept.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "parse.h"

#define RANGE_MAX 256

/* One range of the header, taken apart. */
struct range {
	char text[RANGE_MAX]; /* what follows points into it */
	const char *type;
	const char *version; /* NULL: any */
	unsigned int quality;
};

/* Without blanks around. */
static char *trim(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length && strchr(" \t", text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/* False: it cannot be read. */
static bool take_parameter(struct range *range, char *parameter)
{
	char *value = strchr(parameter, '='), *name;
	struct error ignored;

	if (!value)
		return true;
	*value++ = '\0';
	name = trim(parameter);
	value = trim(value);
	if (strcasecmp(name, "q") == 0)
		return parse_quality(value, &range->quality, &ignored) == 0;
	if (strcasecmp(name, "version") == 0)
		range->version = value;
	return true;
}

/* The range of `length` bytes at text. No type that we have or parameter that we know of has a
 * comma or semicolon in quotes. */
static bool read_range(const char *text, size_t length, struct range *range)
{
	char *save = NULL, *part;

	*range = (struct range){.quality = 1000};
	if (length >= RANGE_MAX)
		return false;
	memcpy(range->text, text, length);
	part = strtok_r(range->text, ";", &save);
	if (!part)
		return false;
	range->type = trim(part);
	while ((part = strtok_r(NULL, ";", &save))) {
		if (!take_parameter(range, part))
			return false;
	}
	return true;
}

/* False: the type is not in the range. */
static bool is_in(const struct range *range, const char *type, const char *version,
		  unsigned int *ret_specificity)
{
	size_t group = strcspn(type, "/") + 1;

	if (range->version && strcmp(range->version, version) != 0)
		return false;
	if (strcmp(range->type, "*/*") == 0)
		*ret_specificity = 0;
	else if (strcasecmp(range->type, type) == 0)
		*ret_specificity = range->version ? 3 : 2;
	else if (strncasecmp(range->type, type, group) == 0 &&
		 strcmp(range->type + group, "*") == 0)
		*ret_specificity = 1;
	else
		return false;
	return true;
}

struct accept accept_find(const char *header, const char *type, const char *version)
{
	struct accept best = {.quality = header ? 0 : 1000};
	unsigned int specificity;
	struct range range;
	bool found = false;
	size_t length;

	while (header && *header) {
		length = strcspn(header, ",");
		if (read_range(header, length, &range) &&
		    is_in(&range, type, version, &specificity) &&
		    (!found || specificity > best.specificity)) {
			best = (struct accept){range.quality, specificity};
			found = true;
		}
		header += length + (header[length] == ',');
	}
	return best;
}
