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

static void test_text(void **state)
{
	char text[] = "# all of it\n\n198.18.2.0/24\n  2001:db8::/48 # a comment\r\n\t198.18.3.7\n";
	char bad[] = "198.18.2.0/24\n\nroot:x:0:0\n198.18.3.0/24\n";
	char host_bits[] = "0.0.0.1/0\n";
	struct source_list list = {0};
	struct error err = {0};

	(void)state;
	assert_int_equal(source_list_read_text("/f", text, &list, &err), 0);
	assert_prefixes(&list, "198.18.2.0/24 2001:db8::/48 198.18.3.7/32");
	source_list_clear(&list);
	refused(source_list_read_text("/f", bad, &list, &err), &err, "/f: line 3: not a prefix");
	assert_null(strstr(err.message, "root")); /* what the file holds is not told */
	refused(source_list_read_text("/f", host_bits, &list, &err), &err, "/f: line 1: ");
	assert_int_equal(list.count, 0);
}

static void test_many(void **state)
{
	enum { MANY = 5000, LINE = 24 };
	char *text = malloc(MANY * LINE), *at = text;
	struct source_list list = {0};
	struct error err = {0};
	int i;

	(void)state;
	assert_non_null(text);
	for (i = 0; i < MANY; i++)
		at += sprintf(at, "10.%d.%d.0/24\n", i / 256, i % 256);
	assert_int_equal(source_list_read_text("/f", text, &list, &err), 0);
	assert_int_equal(list.count, MANY);
	assert_int_equal(list.prefixes[MANY - 1].address.ip.s6_addr[13], (MANY - 1) / 256);
	source_list_clear(&list);
	free(text);
}

static void write_file(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
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
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
