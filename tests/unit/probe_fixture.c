/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "probe_fixture.h"

/* --- what sockets were marked with --- */

uint32_t marked;

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	if (level == SOL_SOCKET && name == SO_MARK)
		memcpy(&marked, value, sizeof(marked));
	return __real_setsockopt(fd, level, name, value, length);
}

/* --- addresses --- */

uint16_t port_of(const struct sockaddr_storage *addr)
{
	return ntohs(addr->ss_family == AF_INET ? ((const struct sockaddr_in *)addr)->sin_port
						: ((const struct sockaddr_in6 *)addr)->sin6_port);
}

struct endpoint endpoint_of(const char *address, uint16_t port)
{
	struct endpoint endpoint = {.port = port};
	struct error err;

	assert_int_equal(parse_address(address, &endpoint.address, &err), 0);
	return endpoint;
}

int bound_port(const char *address, int type, struct endpoint *ret_endpoint)
{
	struct endpoint endpoint = endpoint_of(address, 0);
	struct sockaddr_storage addr;
	socklen_t length = endpoint_sockaddr(&endpoint, &addr);
	int fd = socket(addr.ss_family, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, length), 0);
	getsockname(fd, (struct sockaddr *)&addr, &length);
	endpoint.port = port_of(&addr);
	*ret_endpoint = endpoint;
	return fd;
}

/* --- the fixture --- */

static void on_guard(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("no result in %d ms", GUARD_MS);
}

char *text(const char *literal)
{
	return (char *)(uintptr_t)literal;
}

struct fixture *fixture_new(void)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	/* A proxy must never be asked about a backend. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("https_proxy", "http://127.0.0.1:1", 1);
	uv_loop_init(&fixture->loop);
	uv_timer_init(&fixture->loop, &fixture->guard);
	uv_timer_start(&fixture->guard, on_guard, GUARD_MS, 0);
	fixture->engine = probe_engine_new(&fixture->loop);
	check_spec_init(&fixture->spec);
	fixture->spec.rise = fixture->spec.fall = 1;
	marked = 0;
	return fixture;
}

void fixture_free(struct fixture *fixture)
{
	prober_free(fixture->prober);
	probe_engine_free(fixture->engine);
	/* The guard bounds this, but does not keep the loop alive itself. */
	uv_unref((uv_handle_t *)&fixture->guard);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&fixture->guard, NULL);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	free(fixture);
}

static void on_result(void *context, const struct probe_result *result)
{
	struct fixture *fixture = context;

	assert_true(fixture->count < RESULTS_MAX);
	uv_update_time(&fixture->loop);
	fixture->told_ms[fixture->count] = uv_now(&fixture->loop);
	fixture->results[fixture->count] = *result;
	if (result->success)
		assert_string_equal(result->reason, "");
	if (++fixture->count == fixture->free_after) {
		prober_free(fixture->prober);
		fixture->prober = NULL;
	}
}

struct check_run *make_check(const struct fixture *fixture)
{
	struct check_run *check = check_run_new(&fixture->spec, "web");

	assert_non_null(check);
	return check;
}

void probe_target(struct fixture *fixture, const struct endpoint *target)
{
	const struct probe_target to = {.endpoint = *target, .mark = fixture->mark};
	struct check_run *check = make_check(fixture);

	fixture->prober = prober_new(fixture->engine, check, &to, on_result, fixture);
	check_run_unref(check);
	assert_non_null(fixture->prober);
	assert_int_equal(fixture->count, 0); /* never from within prober_new */
}

const struct probe_result *wait_results(struct fixture *fixture, size_t count)
{
	while (fixture->count < count)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	return &fixture->results[count - 1];
}

void expect_failure(struct fixture *fixture, const char *reason)
{
	const struct probe_result *result = wait_results(fixture, 1);

	assert_string_equal(result->reason, reason);
	assert_false(result->success);
}

void expect_success(struct fixture *fixture)
{
	const struct probe_result *result = wait_results(fixture, 1);

	assert_string_equal(result->reason, "");
	assert_true(result->success);
}

void end_prober(struct fixture *fixture)
{
	prober_free(fixture->prober);
	fixture->prober = NULL;
	fixture->count = 0;
}
