/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret.h"
#include "token.h"

#define TWENTY "aaaaaaaaaabbbbbbbbbb"

/* --- lines --- */

static void assert_token(const struct token *token, const char *name, const char *text)
{
	assert_string_equal(token->name, name);
	assert_int_equal(token->length, strlen(text));
	assert_memory_equal(token->text, text, token->length);
}

static void test_lines(void **state)
{
	struct token_cursor cursor = {.at = "# who\n\n" TWENTY "\n  \t\n"
					    "deploy \t -._~+/=0123456789ABC  \r\n"
					    "  # indented\n  ci." TWENTY "-x " TWENTY};
	struct token token;
	struct error err = {0};

	(void)state;
	assert_int_equal(token_next(&cursor, &token, &err), 1);
	assert_token(&token, "line-3", TWENTY);
	assert_int_equal(token_next(&cursor, &token, &err), 1);
	assert_token(&token, "deploy", "-._~+/=0123456789ABC");
	assert_int_equal(token_next(&cursor, &token, &err), 1);
	assert_token(&token, "ci." TWENTY "-x", TWENTY);
	assert_int_equal(cursor.line, 7);
	assert_int_equal(token_next(&cursor, &token, &err), 0);
	assert_int_equal(token_next(&cursor, &token, &err), 0);
}

static void test_bad_lines(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"short", "line 1: the token is shorter than 20 characters"},
		{"\n\nname aaaaaaaaaabbbbbbbbb", "line 3: the token is shorter than 20 characters"},
		{"a " TWENTY " b", "line 1: more than two words"},
		{TWENTY "!",
		 "line 1: the token has other characters than A-Z a-z 0-9 - . _ ~ + / ="},
		{TWENTY "\xc3\xa4", "line 1: the token has other characters than A-Z a-z 0-9 - . _ "
				    "~ + / ="},
		{"na/me " TWENTY, "line 1: the name is not 1 to 32 of A-Z a-z 0-9 . _ -"},
		{TWENTY TWENTY " " TWENTY, "line 1: the name is not 1 to 32 of A-Z a-z 0-9 . _ -"},
	};
	char huge[TOKEN_LENGTH_MAX + 2];
	struct token token = {.length = 7};
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct token_cursor cursor = {.at = cases[i].text};

		assert_int_equal(token_next(&cursor, &token, &err), -EINVAL);
		assert_string_equal(err.message, cases[i].message);
		assert_string_equal(err.hint,
				    "write TOKEN or NAME TOKEN; openssl rand -base64 24 makes one");
		assert_null(strstr(err.message, "aaaaaaaaaa")); /* never the token itself */
		assert_int_equal(token.length, 7);
	}
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(token_next(&(struct token_cursor){.at = huge}, &token, &err), -EINVAL);
	assert_string_equal(err.message, "line 1: the token is longer than 256 characters");
	assert_int_equal(token_next(&(struct token_cursor){.at = huge + 1}, &token, &err), 1);
}

/* --- files --- */

static char path[] = "/tmp/sluice-secret-XXXXXX";

static int make_file(void **state)
{
	int fd;

	(void)state;
	memcpy(strrchr(path, '-'), "-XXXXXX", 8);
	fd = mkstemp(path);
	if (fd < 0 || write(fd, "secret\n", 7) != 7)
		return -1;
	return close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void test_secret(void **state)
{
	static const mode_t good[] = {0600, 0400, 0640, 0440, 0700};
	struct error err;
	size_t i, length;
	char *text;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(chmod(path, good[i]), 0);
		assert_int_equal(secret_read("key", path, &text, &length, &err), 0);
		assert_int_equal(length, 7);
		assert_string_equal(text, "secret\n");
		secret_free(text, length);
	}
}

static void test_open_to_others(void **state)
{
	static const struct {
		mode_t mode;
		const char *why;
	} cases[] = {
		{0644, "others may read it (mode 0644)"},
		{0604, "others may read it (mode 0604)"},
		{0602, "others may write to it (mode 0602)"},
		{0660, "others may write to it (mode 0660)"},
	};
	char wanted[200], *text = NULL;
	struct error err;
	size_t i, length;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(chmod(path, cases[i].mode), 0);
		assert_int_equal(secret_read("token file", path, &text, &length, &err), -EPERM);
		snprintf(wanted, sizeof(wanted), "token file %s: %s", path, cases[i].why);
		assert_string_equal(err.message, wanted);
		snprintf(wanted, sizeof(wanted), "chmod 600 %s; what others have read is no secret",
			 path);
		assert_string_equal(err.hint, wanted);
		assert_null(text);
	}
}

static void test_not_a_secret(void **state)
{
	char wanted[200], *text = NULL;
	struct error err;
	size_t length;

	(void)state;
	assert_int_equal(secret_read("key", "/tmp", &text, &length, &err), -EPERM);
	assert_string_equal(err.message, "key /tmp: not a regular file");
	assert_int_equal(secret_read("key", "/nowhere", &text, &length, &err), -ENOENT);
	assert_string_equal(err.message, "key /nowhere: No such file or directory");
	assert_int_equal(truncate(path, SECRET_SIZE_MAX + 1), 0);
	assert_int_equal(secret_read("key", path, &text, &length, &err), -EFBIG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes there: it must not wait */
	assert_int_equal(secret_read("key", path, &text, &length, &err), -EPERM);
	if (geteuid() != 0)
		return;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(make_file(NULL), 0);
	assert_int_equal(chown(path, 65534, 0), 0);
	assert_int_equal(secret_read("key", path, &text, &length, &err), -EPERM);
	snprintf(wanted, sizeof(wanted), "key %s: belongs to user 65534", path);
	assert_string_equal(err.message, wanted);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test_setup_teardown(test_secret, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_open_to_others, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_not_a_secret, make_file, remove_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
