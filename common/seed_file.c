/* SPDX-License-Identifier: Apache-2.0 */
#include "seed_file.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "parse.h"
#include "secret.h"

#define DIGITS 16
#define BLANK  " \t\r"

/* False: not 16 hexadecimal digits. */
static bool read_seed(const char *text, size_t length, uint64_t *ret_seed)
{
	uint64_t seed = 0;
	size_t i;

	for (i = 0; i < length && hex_digit(text[i]) >= 0; i++)
		seed = seed << 4 | (uint64_t)hex_digit(text[i]);
	if (i != length || length != DIGITS)
		return false;
	*ret_seed = seed;
	return true;
}

/* Lines that say something, and the seed of the last one. 0 seeds: one is none. */
static unsigned int read_lines(const char *text, uint64_t *ret_seed)
{
	unsigned int seeds = 0;
	size_t length;

	while (*text) {
		text += strspn(text, BLANK);
		length = strcspn(text, BLANK "\n");
		if (length > 0 && *text != '#') {
			if (!read_seed(text, length, ret_seed))
				return 0;
			seeds++;
		}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return seeds;
}

int seed_file_read(const char *path, uint64_t *ret_seed, struct error *err)
{
	uint64_t seed = 0;
	char *text = NULL;
	size_t length = 0;
	unsigned int seeds;
	int ret = secret_read("seed file", path, &text, &length, err);

	if (ret)
		return ret;
	seeds = read_lines(text, &seed);
	secret_free(text, length);
	if (seeds != 1 || seed == 0) {
		error_set(err, EINVAL, "seed file %.180s: not one line of 16 hexadecimal digits%s",
			  path, seeds == 1 ? ", not all 0" : "");
		return error_hint(err, -EINVAL, "openssl rand -hex 8 makes one");
	}
	*ret_seed = seed;
	return 0;
}
