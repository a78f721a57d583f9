/* SPDX-License-Identifier: Apache-2.0 */
#include "lbnode_verbs.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "lbnode_state.h"
#include "lbnode_step.h"

/* --- the plan --- */

static void plan_sysctl(struct node_state *plan, const char *interface, const char *name,
			const char *value)
{
	struct step *step = &plan->steps[plan->count++];

	step->kind = STEP_SYSCTL;
	snprintf(step->path, sizeof(step->path), "net/ipv4/conf/%s/%s", interface, name);
	snprintf(step->value, sizeof(step->value), "%s", value);
}

/* ARP is silenced before there is an address to answer for. The kernel takes the larger value of
 * `all` and the interface; `all` covers further interfaces on the same network. */
static void plan_up(const struct lbnode_options *options, struct node_state *plan)
{
	bool ipv4 = false;

	for (size_t i = 0; i < options->vip_count; i++)
		ipv4 |= address_is_ipv4(&options->vips[i]);
	if (ipv4) {
		plan_sysctl(plan, options->interface, "arp_ignore", "1");
		plan_sysctl(plan, options->interface, "arp_announce", "2");
		plan_sysctl(plan, "all", "arp_ignore", "1");
		plan_sysctl(plan, "all", "arp_announce", "2");
	}
	for (size_t i = 0; i < options->vip_count; i++) {
		struct step *step = &plan->steps[plan->count++];

		step->kind = STEP_ADDRESS;
		step->address = options->vips[i];
	}
}

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

/* A step of an earlier `up` keeps the former value that it found then. */
static int state_extend(struct node_state *state, const struct node_state *plan, struct error *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		bool known = false;

		for (size_t j = 0; j < state->count && !known; j++)
			known = step_same(&state->steps[j], &plan->steps[i]);
		if (known)
			continue;
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

/* The state is written first: what is changed can be undone, whatever happens in between. */
static int up(const struct lbnode_options *options, struct error *err)
{
	static struct node_state state, extended, plan;
	struct error ignored;
	int r = node_state_load(options->state, &state, err);

	if (r < 0)
		return r;
	plan_up(options, &plan);
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
	if (r < 0)
		node_state_save(options->state, &state, &ignored);
	return r;
}

int lbnode_up(const struct lbnode_options *options, struct error *err)
{
	static struct node_state plan;
	char text[STEP_TEXT_MAX];

	if (!options->print) {
		if (if_nametoindex(options->interface) == 0)
			return error_field(
				err,
				error_set(err, ENODEV, "%s: no such interface", options->interface),
				"interface");
		return up(options, err);
	}
	plan_up(options, &plan);
	for (size_t i = 0; i < plan.count; i++)
		puts(step_shell(&plan.steps[i], false, text));
	return 0;
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
	char text[STEP_TEXT_MAX];
	struct error save_err;
	int r = node_state_load(options->state, &state, err);

	if (r < 0)
		return r;
	if (options->print) {
		for (size_t i = state.count; i > 0; i--)
			puts(step_shell(&state.steps[i - 1], true, text));
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

int lbnode_show(const struct lbnode_options *options, struct error *err)
{
	static struct node_state state;
	char text[STEP_TEXT_MAX];
	bool holds;
	int r = node_state_load(options->state, &state, err);

	if (r < 0)
		return r;
	if (state.count == 0)
		printf("nothing is set (%s)\n", options->state);
	for (size_t i = 0; i < state.count; i++) {
		r = step_probe(&state.steps[i], &holds, err);
		if (r < 0 && r != -ENOENT)
			return r;
		printf("%s: %s\n", r == 0 && holds ? "set" : "lost",
		       step_describe(&state.steps[i], text));
	}
	return 0;
}
