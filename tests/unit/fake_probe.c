/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "fake_probe.h"

#define PROBERS_MAX 32

struct prober {
	bool used;
	struct check_run *check;
	bool changing;
	struct probe_target target;
	probe_callback callback;
	void *context;
	unsigned int hurries;
};

struct probe_engine {
	uv_loop_t *loop;
	struct prober probers[PROBERS_MAX];
};

static struct probe_engine engine;

static struct prober *find(const char *text)
{
	struct endpoint endpoint;
	struct error err;

	assert_int_equal(parse_endpoint(text, 0, &endpoint, &err), 0);
	for (size_t i = 0; i < PROBERS_MAX; i++) {
		if (engine.probers[i].used &&
		    endpoint_equal(&engine.probers[i].target.endpoint, &endpoint))
			return &engine.probers[i];
	}
	return NULL;
}

/* --- for tests --- */

const struct check_spec *fake_probe_spec(const char *endpoint)
{
	const struct prober *prober = find(endpoint);

	return prober ? &prober->check->spec : NULL;
}

bool fake_probe_changing(const char *endpoint)
{
	const struct prober *prober = find(endpoint);

	assert_non_null(prober);
	return prober->changing;
}

unsigned int fake_probe_hurries(const char *endpoint)
{
	const struct prober *prober = find(endpoint);

	return prober ? prober->hurries : 0;
}

uint32_t fake_probe_mark(const char *endpoint)
{
	const struct prober *prober = find(endpoint);

	assert_non_null(prober);
	return prober->target.mark;
}

void fake_probe_report(const char *endpoint, const char *reason)
{
	const struct prober *prober = find(endpoint);
	struct probe_result result = {.success = reason == NULL};

	assert_non_null(prober);
	snprintf(result.reason, sizeof(result.reason), "%s", reason ? reason : "");
	prober->callback(prober->context, &result);
	uv_run(engine.loop, UV_RUN_NOWAIT);
}

/* --- probe.h --- */

struct probe_engine *probe_engine_new(uv_loop_t *loop)
{
	engine = (struct probe_engine){.loop = loop};
	return &engine;
}

/* The real one has all probers freed before, too. */
void probe_engine_free(struct probe_engine *freed)
{
	for (size_t i = 0; freed && i < PROBERS_MAX; i++)
		assert_false(freed->probers[i].used);
}

struct prober *prober_new(struct probe_engine *used, struct check_run *check,
			  const struct probe_target *target, probe_callback callback, void *context)
{
	size_t i = 0;

	while (i < PROBERS_MAX && used->probers[i].used)
		i++;
	assert_true(i < PROBERS_MAX);
	used->probers[i] = (struct prober){
		.used = true,
		.check = check_run_ref(check),
		.target = *target,
		.callback = callback,
		.context = context,
	};
	return &used->probers[i];
}

void prober_now(struct prober *prober)
{
	if (prober)
		prober->hurries++;
}

void prober_set_changing(struct prober *prober, bool changing)
{
	assert_true(prober->used);
	prober->changing = changing;
}

void prober_free(struct prober *prober)
{
	if (!prober)
		return;
	assert_true(prober->used);
	check_run_unref(prober->check);
	prober->used = false;
}
