/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_LEXER_H
#define SLUICE_PACKET_LEXER_H

/*
 * Words of the case files: bare words, "quoted text", key=value pairs. Every function moves *at
 * behind what it took and returns 0, or -EINVAL with err filled.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define LEXER_KEY_MAX   24
#define LEXER_VALUE_MAX 4096

struct pair {
	char key[LEXER_KEY_MAX]; /* empty: a word alone */
	char value[LEXER_VALUE_MAX];
	bool quoted;
};

void lexer_skip_blanks(const char **at);

/* A name of letters, digits, '-', '_' and '.'. size includes the NUL. */
int lexer_name(const char **at, char *ret_name, size_t size, struct error *err);

/* key=value, key="value", value or "value"; up to a blank, ')' or the end. */
int lexer_pair(const char **at, struct pair *ret_pair, struct error *err);

/* The next character is this one: takes it. */
bool lexer_accept(const char **at, char wanted);

/* Nothing but blanks is left. */
bool lexer_at_end(const char **at);

/* Decimal, or hexadecimal with 0x. */
int read_number(const char *text, uint64_t max, uint64_t *ret_value, struct error *err);

/* Hexadecimal bytes; '.', ':' and blanks may stand between them. */
int read_hex(const char *text, uint8_t *bytes, size_t max, size_t *ret_size, struct error *err);

/* "02:00:00:00:01:0b" */
int read_mac(const char *text, uint8_t mac[6], struct error *err);

#endif
