/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SECRET_H
#define SLUICE_SECRET_H

/* Files whose contents others must not know: tokens, private keys. */
#include <stddef.h>

#include "error.h"

#define SECRET_SIZE_MAX (1u << 20)

/*
 * Reads a secret file as text with a NUL behind it, to be given to secret_free(). `what` names its
 * kind in messages: "token file". -EPERM: it is not a regular file, belongs to somebody else than
 * root and the effective user, others may read it, or others or its group may write to it. The
 * group may read: whom the owner put there is known. -EFBIG: over SECRET_SIZE_MAX.
 */
int secret_read(const char *what, const char *path, char **ret_text, size_t *ret_length,
		struct error *err);

/* Wipes and frees. NULL-safe. */
void secret_free(char *text, size_t length);

#endif
