/* SPDX-License-Identifier: Apache-2.0 */
#include "lexer.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "parse.h"

void lexer_skip_blanks(const char **at)
{
	while (**at == ' ' || **at == '\t')
		(*at)++;
}

bool lexer_accept(const char **at, char wanted)
{
	lexer_skip_blanks(at);
	if (**at != wanted)
		return false;
	(*at)++;
	return true;
}

bool lexer_at_end(const char **at)
{
	lexer_skip_blanks(at);
	return **at == '\0';
}

static bool in_name(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

int lexer_name(const char **at, char *ret_name, size_t size, struct error *err)
{
	size_t length = 0;

	lexer_skip_blanks(at);
	while (in_name((*at)[length]))
		length++;
	if (length == 0)
		return error_set(err, EINVAL, "a name is missing before '%s'", *at);
	if (length >= size)
		return error_set(err, EINVAL, "the name '%.*s' is too long", (int)length, *at);
	memcpy(ret_name, *at, length);
	ret_name[length] = '\0';
	*at += length;
	return 0;
}

/* Takes the key and its '=', if that is what comes next. */
static void take_key(const char **at, char key[LEXER_KEY_MAX])
{
	size_t length = 0;

	while (in_name((*at)[length]))
		length++;
	key[0] = '\0';
	if (length == 0 || length >= LEXER_KEY_MAX || (*at)[length] != '=')
		return;
	memcpy(key, *at, length);
	key[length] = '\0';
	*at += length + 1;
}

int lexer_pair(const char **at, struct pair *ret_pair, struct error *err)
{
	const char *stop;
	size_t length;

	lexer_skip_blanks(at);
	take_key(at, ret_pair->key);
	ret_pair->quoted = **at == '"';
	if (ret_pair->quoted) {
		(*at)++;
		stop = strchr(*at, '"');
		if (!stop)
			return error_set(err, EINVAL, "a closing quote is missing");
		length = stop - *at;
	} else {
		length = strcspn(*at, " \t)");
	}
	if (length >= LEXER_VALUE_MAX)
		return error_set(err, EINVAL, "a value of %zu characters is too long", length);
	if (length == 0 && !ret_pair->quoted)
		return error_set(err, EINVAL, "a value is missing before '%s'", *at);
	memcpy(ret_pair->value, *at, length);
	ret_pair->value[length] = '\0';
	*at += length + ret_pair->quoted;
	return 0;
}

static int read_hex_number(const char *digits, uint64_t max, uint64_t *ret_value, struct error *err)
{
	uint64_t value = 0;
	const char *at;

	for (at = digits; *at && at - digits < 16; at++) {
		if (hex_digit(*at) < 0)
			break;
		value = value << 4 | (uint64_t)hex_digit(*at);
	}
	if (at == digits || *at || value > max)
		return error_set(err, EINVAL, "0x%s: not a hexadecimal number up to 0x%llx", digits,
				 (unsigned long long)max);
	*ret_value = value;
	return 0;
}

int read_number(const char *text, uint64_t max, uint64_t *ret_value, struct error *err)
{
	if (strncmp(text, "0x", 2) == 0)
		return read_hex_number(text + 2, max, ret_value, err);
	return parse_number(text, 0, max, ret_value, err);
}

int read_hex(const char *text, uint8_t *bytes, size_t max, size_t *ret_size, struct error *err)
{
	size_t size = 0;

	while (*text) {
		if (strchr(".: ", *text)) {
			text++;
			continue;
		}
		if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
			return error_set(err, EINVAL, "'%s': not pairs of hexadecimal digits",
					 text);
		if (size == max)
			return error_set(err, EINVAL, "more than %zu bytes", max);
		bytes[size++] =
			(unsigned int)hex_digit(text[0]) << 4 | (unsigned int)hex_digit(text[1]);
		text += 2;
	}
	*ret_size = size;
	return 0;
}

int read_mac(const char *text, uint8_t mac[6], struct error *err)
{
	uint8_t bytes[6];
	size_t size = 0;
	int r;

	r = read_hex(text, bytes, sizeof(bytes), &size, err);
	if (r < 0)
		return r;
	if (size != sizeof(bytes))
		return error_set(err, EINVAL, "'%s': not a link-layer address", text);
	memcpy(mac, bytes, sizeof(bytes));
	return 0;
}
