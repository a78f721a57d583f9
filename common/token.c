/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BLANK " \t\r"

/* RFC 6750, 2.1: what a bearer token is made of. */
static bool is_token_text(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("-._~+/=", text[i]))
			return false;
	}
	return true;
}

static bool is_name_text(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("-._", text[i]))
			return false;
	}
	return length <= TOKEN_NAME_MAX;
}

static int refuse(unsigned int line, const char *why, struct error *err)
{
	error_set(err, EINVAL, "line %u: %s", line, why);
	return error_hint(err, -EINVAL,
			  "write TOKEN or NAME TOKEN; openssl rand -base64 24 makes one");
}

/* Takes the next word, which ends at a blank, at the line's end or, of a bad file, at a NUL. */
static size_t take_word(const char **at, const char **ret_word)
{
	*at += strspn(*at, BLANK);
	*ret_word = *at;
	*at += strcspn(*at, BLANK "\n");
	return (size_t)(*at - *ret_word);
}

static int read_line(const char *line, unsigned int number, struct token *ret_token,
		     struct error *err)
{
	struct token token = {0};
	const char *first, *rest;
	size_t length = take_word(&line, &first);

	token.length = take_word(&line, &token.text);
	if (take_word(&line, &rest) > 0)
		return refuse(number, "more than two words", err);
	if (token.length == 0) {
		token.text = first;
		token.length = length;
		snprintf(token.name, sizeof(token.name), "line-%u", number);
	} else if (is_name_text(first, length)) {
		memcpy(token.name, first, length);
	} else {
		return refuse(number, "the name is not 1 to 32 of A-Z a-z 0-9 . _ -", err);
	}
	if (token.length < TOKEN_LENGTH_MIN)
		return refuse(number, "the token is shorter than 20 characters", err);
	if (token.length > TOKEN_LENGTH_MAX)
		return refuse(number, "the token is longer than 256 characters", err);
	if (!is_token_text(token.text, token.length))
		return refuse(number,
			      "the token has other characters than A-Z a-z 0-9 - . _ ~ + / =", err);
	*ret_token = token;
	return 1;
}

int token_next(struct token_cursor *cursor, struct token *ret_token, struct error *err)
{
	while (*cursor->at) {
		const char *line = cursor->at + strspn(cursor->at, BLANK);

		cursor->line++;
		cursor->at += strcspn(cursor->at, "\n");
		cursor->at += *cursor->at == '\n';
		if (*line && *line != '\n' && *line != '#')
			return read_line(line, cursor->line, ret_token, err);
	}
	return 0;
}
