/* SPDX-License-Identifier: Apache-2.0 */
#include "manager_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_nexthop.h"
#include "log.h"
#include "store.h"

struct manager_fixture fx;

int store_save(const char *dir, const char *text, struct error *err)
{
	(void)dir;
	assert_non_null(text);
	if (fx.save_error)
		return error_set(err, fx.save_error, "disk: %s", strerror(fx.save_error));
	fx.saves++;
	return 0;
}

void fixture_start(struct desired *desired)
{
	struct error err = {0};

	assert_non_null(desired);
	assert_int_equal(manager_new(&fx.loop, &fx.fake->dp, "none", "/none", "", fx.events,
				     desired, &fx.manager, &err),
			 0);
}

void fixture_stop(void)
{
	manager_stop(fx.manager);
	uv_run(&fx.loop, UV_RUN_DEFAULT);
	manager_free(fx.manager);
	fx.manager = NULL;
}

void fixture_begin(const struct dataplane_sizes *sizes)
{
	struct error err;

	memset(&fx, 0, sizeof(fx));
	log_set_level(LOG_LEVEL_ERROR);
	fake_nexthop_address_count = 0;
	fx.fake = fake_dataplane_new(sizes);
	assert_non_null(fx.fake);
	assert_int_equal(uv_loop_init(&fx.loop), 0);
	assert_int_equal(events_new("none", &fx.events, &err), 0);
	fixture_start(desired_new());
}

void fixture_end(void)
{
	fixture_stop();
	assert_int_equal(uv_loop_close(&fx.loop), 0);
	events_free(fx.events);
	fake_dataplane_free(fx.fake);
}

void fixture_restart(void)
{
	struct desired *desired = change();

	fixture_stop();
	fx.fake->dp.adopted = true;
	fixture_start(desired);
}

struct desired *change(void)
{
	struct desired *next = desired_clone(manager_desired(fx.manager));

	assert_non_null(next);
	return next;
}
