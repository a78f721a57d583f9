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

#include "source_list.h"

static void assert_prefixes(const struct source_list *list, const char *wanted)
{
	char all[512] = "", text[PREFIX_TEXT_MAX];
	size_t i, used = 0;

	for (i = 0; i < list->count; i++)
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? " " : "",
					 format_prefix(&list->prefixes[i], text));
	assert_string_equal(all, wanted);
}

static void refused(int ret, const struct error *err, const char *message)
{
	assert_int_equal(ret, -EINVAL);
	if (!strstr(err->message, message))
		fail_msg("\"%s\" is not in: %s", message, err->message);
	assert_string_not_equal(err->hint, "");
}

static void test_words(void **state)
{
	struct source_list list = {0};
	struct error err = {0};

	(void)state;
	assert_int_equal(source_list_read("198.18.2.0/24,2001:db8::/48,198.18.3.7", &list, &err),
			 0);
	assert_prefixes(&list, "198.18.2.0/24 2001:db8::/48 198.18.3.7/32");
	source_list_clear(&list);
	refused(source_list_read("198.18.2.0/24,nobody", &list, &err), &err, "nobody");
	refused(source_list_read("198.18.2.1/24", &list, &err), &err, "198.18.2.1/24");
	refused(source_list_read("198.18.2.0/24,,198.18.3.0/24", &list, &err), &err, "");
	refused(source_list_read("relative/path", &list, &err), &err, "relative");
	assert_int_equal(list.count, 0);
}

static void write_file(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

/* What a file of this text is read as. */
static int read_text(const char *text, struct source_list *list, struct error *err)
{
	char path[] = "/tmp/source_list.XXXXXX";
	int fd = mkstemp(path), ret;

	assert_true(fd >= 0);
	close(fd);
	write_file(path, text, strlen(text));
	ret = source_list_read(path, list, err);
	unlink(path);
	return ret;
}

static void test_text(void **state)
{
	struct source_list list = {0};
	struct error err = {0};

	(void)state;
	assert_int_equal(read_text("# all of it\n\n198.18.2.0/24\n  2001:db8::/48 # a comment\r\n"
				   "\t198.18.3.7\n\n198.18.4.7",
				   &list, &err),
			 0);
	assert_prefixes(&list, "198.18.2.0/24 2001:db8::/48 198.18.3.7/32 198.18.4.7/32");
	source_list_clear(&list);
	refused(read_text("198.18.2.0/24\n\nroot:x:0:0\n198.18.3.0/24\n", &list, &err), &err,
		": line 3: not a prefix");
	assert_null(strstr(err.message, "root")); /* what the file holds is not told */
	refused(read_text("0.0.0.1/0\n", &list, &err), &err, ": line 1: ");
	assert_int_equal(list.count, 0);
}

/* More than is read of a file at once. */
static void test_many(void **state)
{
	enum { MANY = 30000, LINE = 24 };
	char *text = malloc(MANY * LINE), *at = text;
	struct source_list list = {0};
	struct error err = {0};
	int i;

	(void)state;
	assert_non_null(text);
	for (i = 0; i < MANY; i++)
		at += sprintf(at, "10.%d.%d.0/24\n", i / 256, i % 256);
	assert_int_equal(read_text(text, &list, &err), 0);
	assert_int_equal(list.count, MANY);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(list.prefixes[i].address.ip.s6_addr[13], i / 256);
		assert_int_equal(list.prefixes[i].address.ip.s6_addr[14], i % 256);
	}
	source_list_clear(&list);
	free(text);
}

/* Lines as long as the memory that a file is read through, and longer. */
static void test_long_lines(void **state)
{
	static const size_t lengths[] = {65534, 65535, 65536, 65537, 200000};
	char *text = malloc(200100);
	struct source_list list = {0};
	struct error err = {0};
	size_t i;

	(void)state;
	assert_non_null(text);
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(text, '#', lengths[i]);
		strcpy(text + lengths[i], "\n198.18.2.0/24\n");
		assert_int_equal(read_text(text, &list, &err), 0);
		assert_prefixes(&list, "198.18.2.0/24");
		source_list_clear(&list);
		memset(text, '1', lengths[i]);
		refused(read_text(text, &list, &err), &err, ": line 1: not a prefix");
	}
	free(text);
}

static void test_files(void **state)
{
	char directory[] = "/tmp/source_list.XXXXXX", path[64], pipe[64];
	struct source_list list = {0};
	struct error err = {0};

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/list", directory);
	snprintf(pipe, sizeof(pipe), "%s/pipe", directory);
	refused(source_list_read(path, &list, &err), &err, "/list: No such file");
	write_file(path, "198.18.2.0/24", 13);
	assert_int_equal(source_list_read(path, &list, &err), 0);
	assert_prefixes(&list, "198.18.2.0/24");
	source_list_clear(&list);
	write_file(path, "", 0);
	assert_int_equal(source_list_read(path, &list, &err), 0);
	assert_int_equal(list.count, 0);
	write_file(path, "198.18.2.0/24\0\n", 15);
	refused(source_list_read(path, &list, &err), &err, "/list: not text");
	refused(source_list_read(directory, &list, &err), &err, "not a regular file");
	assert_int_equal(mkfifo(pipe, 0600), 0);
	refused(source_list_read(pipe, &list, &err), &err, "not a regular file");
	unlink(pipe);
	unlink(path);
	rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words), cmocka_unit_test(test_text),
		cmocka_unit_test(test_many),  cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
