/* SPDX-License-Identifier: Apache-2.0 */
#include "lbnode_verbs.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "lbnode_kinds.h"
#include "lbnode_plan.h"
#include "lbnode_state.h"
#include "lbnode_step.h"

/* --- up --- */

/* Takes out of the plan what the host has already. */
static int plan_reduce(struct node_state *plan, struct error *err)
{
	char text[STEP_TEXT_MAX];
	size_t kept = 0;
	bool holds;
	int r;

	for (size_t i = 0; i < plan->count; i++) {
		r = step_probe(&plan->steps[i], &holds, err);
		if (r < 0)
			return r;
		if (holds)
			printf("already so: %s\n", step_describe(&plan->steps[i], text));
		else
			plan->steps[kept++] = plan->steps[i];
	}
	plan->count = kept;
	return 0;
}

static struct step *state_find(struct node_state *state, const struct step *step)
{
	for (size_t i = 0; i < state->count; i++)
		if (step_same(&state->steps[i], step))
			return &state->steps[i];
	return NULL;
}

/* A step of an earlier `up` keeps the former value that it found then. */
static int state_extend(struct node_state *state, const struct node_state *plan, struct error *err)
{
	char former[sizeof(plan->steps[0].former)];
	struct step *known;

	for (size_t i = 0; i < plan->count; i++) {
		known = state_find(state, &plan->steps[i]);
		if (known) {
			memcpy(former, known->former, sizeof(former));
			*known = plan->steps[i];
			memcpy(known->former, former, sizeof(former));
			continue;
		}
		if (state->count == STEPS_MAX)
			return error_hint(err,
					  error_set(err, E2BIG, "more than %d changes", STEPS_MAX),
					  "lbnode down first");
		state->steps[state->count++] = plan->steps[i];
	}
	return 0;
}

/* All steps or none: on failure, takes back those that were done. */
static int plan_apply(const struct node_state *plan, struct error *err)
{
	char text[STEP_TEXT_MAX];
	struct error ignored;
	bool left;
	int r;

	for (size_t i = 0; i < plan->count; i++) {
		r = step_apply(&plan->steps[i], err);
		if (r < 0) {
			while (i > 0)
				step_revert(&plan->steps[--i], &left, &ignored);
			return r;
		}
		printf("set: %s\n", step_describe(&plan->steps[i], text));
	}
	return 0;
}

/* What earlier `up`s made of the plan's objects. */
static void plan_restore(const struct node_state *plan, struct node_state *state)
{
	struct error ignored;
	struct step *former;

	for (size_t i = 0; i < plan->count; i++) {
		former = state_find(state, &plan->steps[i]);
		if (former)
			step_apply(former, &ignored);
	}
}

/* The state is written first: what is changed can be undone, whatever happens in between. */
static int up(const struct lbnode_options *options, struct error *err)
{
	static struct node_state state, extended, plan;
	struct error ignored;
	int r = node_state_load(options->state, &state, err);

	if (r < 0)
		return r;
	r = plan_up(options, &plan, err);
	if (r == 0)
		r = plan_reduce(&plan, err);
	if (r < 0)
		return r;
	extended = state;
	r = state_extend(&extended, &plan, err);
	if (r == 0)
		r = node_state_save(options->state, &extended, err);
	if (r < 0)
		return r;
	r = plan_apply(&plan, err);
	if (r < 0) {
		plan_restore(&plan, &state);
		node_state_save(options->state, &state, &ignored);
	}
	return r;
}

int lbnode_up(const struct lbnode_options *options, struct error *err)
{
	static struct node_state plan;
	int r;

	if (if_nametoindex(options->interface) == 0)
		return error_field(
			err, error_set(err, ENODEV, "%s: no such interface", options->interface),
			"interface");
	if (!options->print)
		return up(options, err);
	r = plan_up(options, &plan, err);
	for (size_t i = 0; r == 0 && i < plan.count; i++)
		step_shell(&plan.steps[i], false, stdout);
	return r;
}

/* --- down --- */

/* Undoes the last step. */
static int down_last(struct node_state *state, struct error *err)
{
	const struct step *step = &state->steps[state->count - 1];
	char text[STEP_TEXT_MAX];
	bool left;
	int r = step_revert(step, &left, err);

	if (r < 0)
		return r;
	if (left)
		printf("left alone, changed by somebody else since: %s\n",
		       step_describe(step, text));
	else
		printf("undone: %s\n", step_describe(step, text));
	state->count--;
	return 0;
}

int lbnode_down(const struct lbnode_options *options, struct error *err)
{
	static struct node_state state;
	struct error save_err;
	int r = node_state_load(options->state, &state, err);

	if (r < 0)
		return r;
	if (options->print) {
		for (size_t i = state.count; i > 0; i--)
			step_shell(&state.steps[i - 1], true, stdout);
		return 0;
	}
	if (state.count == 0)
		printf("nothing to undo (%s)\n", options->state);
	while (r == 0 && state.count > 0)
		r = down_last(&state, err);
	if (node_state_save(options->state, &state, &save_err) < 0 && r == 0) {
		*err = save_err;
		r = -EIO;
	}
	return r;
}

/* --- show --- */

static int show_step(const struct step *step, struct error *err)
{
	struct step now = *step;
	char text[STEP_TEXT_MAX];
	bool holds = false;
	int r = step_probe(&now, &holds, err);

	if (r < 0 && r != -ENOENT)
		return r;
	printf("%s: %s\n", holds ? "set" : "lost", step_describe(step, text));
	if (step->kind == STEP_COOKIE && holds)
		return cookie_show_counters(step->name, stdout, err);
	if (step->kind != STEP_DECAP || !holds)
		return 0;
	return decap_show_counters(step->name, stdout, err);
}

int lbnode_show(const struct lbnode_options *options, struct error *err)
{
	static struct node_state state;
	int r = node_state_load(options->state, &state, err);

	if (r == 0 && state.count == 0)
		printf("nothing is set (%s)\n", options->state);
	for (size_t i = 0; r == 0 && i < state.count; i++)
		r = show_step(&state.steps[i], err);
	return r;
}
