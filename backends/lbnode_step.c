/* SPDX-License-Identifier: Apache-2.0 */
#include "lbnode_step.h"

#include <string.h>

#include "lbnode_kinds.h"

#define TEXT(key, field)                                                                           \
	{                                                                                          \
		key, FIELD_TEXT, offsetof(struct step, field), sizeof((struct step){0}.field)      \
	}
#define NUMBER(key, field)                                                                         \
	{                                                                                          \
		key, FIELD_NUMBER, offsetof(struct step, field), 0                                 \
	}
#define PREFIX(key)                                                                                \
	{                                                                                          \
		key, FIELD_PREFIX, offsetof(struct step, prefix), 0                                \
	}

static const struct kind {
	const struct step_ops *ops;
	struct step_field fields[STEP_FIELDS_MAX];
} kinds[STEP_KINDS] = {
	[STEP_ADDRESS] = {&address_ops, {PREFIX("address")}},
	[STEP_LOCAL] = {&local_ops, {PREFIX("local")}},
	[STEP_SYSCTL] = {&sysctl_ops,
			 {TEXT("sysctl", name), TEXT("value", value), TEXT("former", former)}},
	[STEP_ROUTES] = {&routes_ops,
			 {TEXT("routes", name), NUMBER("table", table), NUMBER("advmss", advmss)}},
	[STEP_RULE] = {&rule_ops, {PREFIX("rule"), NUMBER("table", table)}},
	[STEP_DEVICE] = {&device_ops,
			 {TEXT("device", name), TEXT("type", value), PREFIX("borrows"),
			  TEXT("former", former)}},
	[STEP_FOU] = {&fou_ops, {TEXT("fou", name), NUMBER("port", port)}},
	[STEP_DECAP] = {&decap_ops,
			{TEXT("decap", name), TEXT("interface", interface), TEXT("tunnels", value),
			 TEXT("xdp_mode", option), NUMBER("port", port), NUMBER("listed", listed),
			 NUMBER("chance", chance)}},
	[STEP_VIP] = {&vip_ops, {PREFIX("vip"), TEXT("bpffs", name)}},
	[STEP_SOURCE] = {&source_ops, {PREFIX("source"), TEXT("bpffs", name)}},
	[STEP_COOKIE] = {&cookie_ops,
			 {TEXT("cookies", name), TEXT("interface", interface), TEXT("keys", file)}},
};

const struct step_field *step_fields(enum step_kind kind)
{
	return kinds[kind].fields;
}

bool step_same(const struct step *a, const struct step *b)
{
	if (a->kind != b->kind || strcmp(a->name, b->name) != 0)
		return false;
	if (a->kind == STEP_DEVICE)
		return true;
	return prefix_equal(&a->prefix, &b->prefix) && (a->kind != STEP_FOU || a->port == b->port);
}

int step_probe(struct step *step, bool *ret_holds, struct error *err)
{
	return kinds[step->kind].ops->probe(step, ret_holds, err);
}

int step_apply(const struct step *step, struct error *err)
{
	return kinds[step->kind].ops->apply(step, err);
}

int step_revert(const struct step *step, bool *ret_left, struct error *err)
{
	*ret_left = false;
	return kinds[step->kind].ops->revert(step, ret_left, err);
}

const char *step_describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	kinds[step->kind].ops->describe(step, buffer);
	return buffer;
}

void step_shell(const struct step *step, bool revert, FILE *out)
{
	kinds[step->kind].ops->shell(step, revert, out);
}
