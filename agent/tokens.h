/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_TOKENS_H
#define SLUICE_TOKENS_H

/*
 * The bearer tokens of a file (common/token.h), as their SHA-256: no token is kept, and all hashes
 * are compared whatever comes, so the time taken tells nothing.
 */
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

struct tokens;

/* Reads the file. -EPERM as secret_read(); -EINVAL: a line cannot be a token; -ENODATA: none is
 * in it. */
int tokens_new(const char *path, struct tokens **ret_tokens, struct error *err);
void tokens_free(struct tokens *tokens);

/*
 * Reads the file again if it is another than before (inode, size or times). 1: it was read; 0: as
 * before; negative: as tokens_new(), and nobody holds a token until the file is put right. That is
 * returned once, then 0 until the file changes again.
 */
int tokens_refresh(struct tokens *tokens, struct error *err);

size_t tokens_count(const struct tokens *tokens);

/* The name of who holds this token; NULL: nobody. Valid until the next refresh. */
const char *tokens_holder(const struct tokens *tokens, const char *text, size_t length);

#endif
