/* SPDX-License-Identifier: Apache-2.0 */
#include "cookie_keys.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "secret.h"

#define KEY_DIGITS (2 * sizeof(struct cookie_key))
#define BLANK      " \t\r"

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* False: not 32 hexadecimal digits, or all zero, which stands for no key. */
static bool read_key(const char *text, size_t length, struct cookie_key *ret_key)
{
	uint8_t bytes[sizeof(*ret_key)], any = 0;
	size_t i;

	if (length != KEY_DIGITS)
		return false;
	for (i = 0; i < sizeof(bytes); i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
		any |= bytes[i];
	}
	memcpy(ret_key, bytes, sizeof(bytes));
	return any;
}

static int refuse(unsigned int line, const char *why, struct error *err)
{
	return error_hint(err, error_set(err, EINVAL, "line %u: %s", line, why),
			  "openssl rand -hex 16 makes a key");
}

static int read_keys(const char *text, struct cookie_key *keys, size_t *count, struct error *err)
{
	unsigned int line;
	size_t length;

	for (line = 1; *text; line++) {
		text += strspn(text, BLANK);
		length = strcspn(text, BLANK "\n");
		if (length > 0 && *text != '#') {
			if (*count == COOKIE_KEYS_MAX)
				return refuse(line, "more than two keys", err);
			if (!read_key(text, length, &keys[*count]) ||
			    text[length + strspn(text + length, BLANK)] > '\n')
				return refuse(line, "not a key of 32 hexadecimal digits", err);
			++*count;
		}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return 0;
}

int cookie_keys_read(const char *path, struct cookie_key ret_keys[COOKIE_KEYS_MAX],
		     size_t *ret_count, struct error *err)
{
	struct cookie_key keys[COOKIE_KEYS_MAX] = {0};
	struct error inner = {0};
	size_t length, count = 0;
	char *text;
	int ret = secret_read("cookie key file", path, &text, &length, err);

	if (ret)
		return ret;
	ret = read_keys(text, keys, &count, &inner);
	if (ret == 0 && count == 0)
		ret = error_hint(&inner, error_set(&inner, ENODATA, "has no key"),
				 "openssl rand -hex 16 makes one");
	if (ret) {
		error_set(err, -ret, "cookie key file %.180s: %.120s", path, inner.message);
		error_hint(err, ret, "%s", inner.hint);
	} else {
		memcpy(ret_keys, keys, sizeof(keys));
		*ret_count = count;
	}
	explicit_bzero(keys, sizeof(keys));
	secret_free(text, length);
	return ret;
}
