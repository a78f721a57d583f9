/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_TOKEN_H
#define SLUICE_TOKEN_H

/*
 * The text of a token file, as lbagent and lbctl read it: one bearer token a line, alone or behind
 * the name of its holder. Empty lines and lines that begin with # do not count. Pure.
 *
 *   # who may change things by TCP
 *   deploy 8Qx0PbTnq2Zl4V7sJ1Wc6yRk
 */
#include <stddef.h>

#include "error.h"

#define TOKEN_LENGTH_MIN 20 /* of base64: 120 bits, which nobody guesses */
#define TOKEN_LENGTH_MAX 256
#define TOKEN_NAME_MAX   32

struct token {
	char name[TOKEN_NAME_MAX + 1]; /* "line-3" where the line has none */
	const char *text;              /* points into the file's text; not NUL-terminated */
	size_t length;
};

/* Where reading stands. Begin with {.at = text}. */
struct token_cursor {
	const char *at;
	unsigned int line;
};

/*
 * The next token. 1: there is one; 0: none is left; -EINVAL: the line cannot be one, err names it
 * and never shows the token.
 */
int token_next(struct token_cursor *cursor, struct token *ret_token, struct error *err);

#endif
