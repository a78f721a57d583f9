/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_REPLAY_JUDGE_H
#define SLUICE_REPLAY_JUDGE_H

/* What holds of any packet whatever, and of what two engines make of one. */
#include "engine.h"

/* What an engine made of a packet. */
struct result {
	enum lb_verdict verdict; /* LB_VERDICT_COUNT: it was counted more than once */
	struct outcome outcome;
};

/* Is the packet for none of our addresses, so that nothing may happen to it? */
bool is_foreign(const struct test_case *world, const struct frame *frame);

/* One packet by the interface `device`; as engine->run(). */
int run_one(const struct engine *engine, const struct frame *frame, enum case_device device,
	    enum case_device redirect_to, struct result *ret_result, struct error *err);

/* NULL: all is well; else what is not. */
const char *judge(const struct frame *sent, const struct result *result, bool foreign);
const char *compare(const struct result *native, const struct result *bpf);

/* What came in and what became of it. */
void show_in(FILE *out, const struct frame *sent);
void show_result(FILE *out, const char *engine, const struct result *result,
		 const struct frame *sent);

#endif
