/* SPDX-License-Identifier: Apache-2.0 */
#include "tokens.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "secret.h"
#include "token.h"

#define DIGEST      GNUTLS_DIG_SHA256
#define DIGEST_SIZE 32

struct entry {
	char name[TOKEN_NAME_MAX + 1];
	unsigned char digest[DIGEST_SIZE];
};

struct tokens {
	char *path;
	struct stat
		seen; /* of the file as it was read, or as it could not be; zero: there was none */
	struct entry *entries;
	size_t count;
};

static int add(struct tokens *tokens, const struct token *token, struct error *err)
{
	struct entry *entries = reallocarray(tokens->entries, tokens->count + 1, sizeof(*entries));
	struct entry *entry;

	if (!entries)
		return error_set(err, ENOMEM, "out of memory");
	tokens->entries = entries;
	entry = &entries[tokens->count];
	*entry = (struct entry){0};
	memcpy(entry->name, token->name, sizeof(entry->name));
	if (gnutls_hash_fast(DIGEST, token->text, token->length, entry->digest))
		return error_set(err, EIO, "SHA-256 cannot be computed");
	tokens->count++;
	return 0;
}

static int add_all(struct tokens *tokens, const char *text, struct error *err)
{
	struct token_cursor cursor = {.at = text};
	struct error inner = {0};
	struct token token;
	int ret;

	while ((ret = token_next(&cursor, &token, &inner)) > 0) {
		ret = add(tokens, &token, err);
		if (ret)
			return ret;
	}
	if (ret) {
		error_set(err, -ret, "token file %.180s: %.120s", tokens->path, inner.message);
		return error_hint(err, ret, "%s", inner.hint);
	}
	if (tokens->count == 0) {
		ret = error_set(err, ENODATA, "token file %.200s: there is no token in it",
				tokens->path);
		return error_hint(err, ret, "openssl rand -base64 24 >> %.120s", tokens->path);
	}
	return 0;
}

/* On failure nobody holds a token: somebody may have been struck off the file. */
static int read_file(struct tokens *tokens, struct error *err)
{
	char *text = NULL;
	size_t length = 0;
	int ret;

	tokens->count = 0;
	ret = secret_read("token file", tokens->path, &text, &length, err);
	if (ret)
		return ret;
	ret = add_all(tokens, text, err);
	if (ret)
		tokens->count = 0;
	secret_free(text, length);
	return ret;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mode == b->st_mode && a->st_uid == b->st_uid &&
	       memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) == 0 &&
	       memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim)) == 0;
}

int tokens_refresh(struct tokens *tokens, struct error *err)
{
	struct stat now;
	int ret;

	if (stat(tokens->path, &now))
		now = (struct stat){0};
	if (same_file(&now, &tokens->seen))
		return 0;
	tokens->seen = now; /* before reading: what is written meanwhile is seen next time */
	ret = read_file(tokens, err);
	return ret ? ret : 1;
}

int tokens_new(const char *path, struct tokens **ret_tokens, struct error *err)
{
	struct tokens *tokens = calloc(1, sizeof(*tokens));
	int ret;

	if (tokens)
		tokens->path = strdup(path);
	if (!tokens || !tokens->path) {
		tokens_free(tokens);
		return error_set(err, ENOMEM, "out of memory");
	}
	if (stat(path, &tokens->seen))
		tokens->seen = (struct stat){0};
	ret = read_file(tokens, err);
	if (ret) {
		tokens_free(tokens);
		return ret;
	}
	*ret_tokens = tokens;
	return 0;
}

void tokens_free(struct tokens *tokens)
{
	if (!tokens)
		return;
	free(tokens->entries);
	free(tokens->path);
	free(tokens);
}

size_t tokens_count(const struct tokens *tokens)
{
	return tokens->count;
}

const char *tokens_holder(const struct tokens *tokens, const char *text, size_t length)
{
	unsigned char digest[DIGEST_SIZE];
	const char *holder = NULL;
	size_t i;

	if (gnutls_hash_fast(DIGEST, text, length, digest))
		return NULL;
	for (i = 0; i < tokens->count; i++) { /* to the end, found or not */
		if (gnutls_memcmp(digest, tokens->entries[i].digest, sizeof(digest)) == 0)
			holder = tokens->entries[i].name;
	}
	return holder;
}
