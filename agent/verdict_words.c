/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict_words.h"

static const struct {
	const char *label, *text;
} words[LB_VERDICT_COUNT] = {
#define X(name, label, class, text) [LB_##name] = {label, text},
	LB_VERDICTS(X)
#undef X
};

const char *verdict_label(unsigned int verdict)
{
	return verdict < LB_VERDICT_COUNT ? words[verdict].label : "unknown";
}

const char *verdict_text(unsigned int verdict)
{
	return verdict < LB_VERDICT_COUNT ? words[verdict].text : "";
}

bool verdict_is(unsigned int verdict, enum verdict_class class)
{
	return verdict < LB_VERDICT_COUNT && verdict_class((enum lb_verdict)verdict) == class;
}
