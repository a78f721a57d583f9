/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "curl_loop.h"

/* --- a name server that does not answer --- */

static int silence[2];        /* it lasts until something can be read */
static atomic_bool looked_up; /* a look-up has begun */
static atomic_bool given_up;  /* and has ended */

/* In place of the C library's, for libcurl's threads. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret_list)
{
	struct pollfd end = {.fd = silence[0], .events = POLLIN};

	(void)node;
	(void)service;
	(void)hints;
	(void)ret_list;
	looked_up = true;
	poll(&end, 1, 10000);
	given_up = true;
	return EAI_AGAIN;
}

static size_t count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	size_t count = 0;

	assert_non_null(tasks);
	while (readdir(tasks))
		count++;
	closedir(tasks);
	return count - 2; /* . and .. */
}

/* Threads that nobody waits for end by themselves, with all they have. */
static void end_silence(void)
{
	assert_int_equal(write(silence[1], "", 1), 1);
	for (int i = 0; i < 1000 && count_threads() > 1; i++)
		poll(NULL, 0, 10);
	assert_int_equal(count_threads(), 1);
	assert_true(given_up);
}

/* --- a loop with one transfer --- */

static uv_loop_t loop;
static struct curl_loop *curl;
static CURL *easy;
static CURLcode result;
static bool done;

static void on_done(void *context, CURL *ended, CURLcode how)
{
	(void)context;
	assert_ptr_equal(ended, easy);
	result = how;
	done = true;
}

static int begin(void **state)
{
	(void)state;
	looked_up = given_up = done = false;
	assert_int_equal(pipe(silence), 0);
	assert_int_equal(uv_loop_init(&loop), 0);
	curl = curl_loop_new(&loop);
	easy = curl_easy_init();
	assert_non_null(curl);
	assert_non_null(easy);
	curl_easy_setopt(easy, CURLOPT_URL, "http://etcd.example.test:2379/");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 100L);
	assert_int_equal(curl_loop_add(curl, easy, on_done, NULL), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	curl_easy_cleanup(easy);
	curl_loop_free(curl);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	close(silence[0]);
	close(silence[1]);
	return 0;
}

/* --- nobody waits for a name --- */

static void test_timeout_while_looking_up(void **state)
{
	(void)state;
	while (!done)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(result, CURLE_OPERATION_TIMEDOUT);
	assert_true(looked_up);
	assert_false(given_up);
	end_silence();
}

static void test_removed_while_looking_up(void **state)
{
	(void)state;
	while (!looked_up && !done)
		uv_run(&loop, UV_RUN_NOWAIT);
	curl_loop_remove(curl, easy);
	assert_false(done);
	assert_false(given_up);
	end_silence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_timeout_while_looking_up, begin, end),
		cmocka_unit_test_setup_teardown(test_removed_while_looking_up, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
