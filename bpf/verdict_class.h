/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_VERDICT_CLASS_H
#define SLUICE_VERDICT_CLASS_H

#include "compiler.h"
#include "verdicts.h"

enum verdict_class { LB_CLASS_PASS, LB_CLASS_SEND, LB_CLASS_REPLY, LB_CLASS_DROP };

LB_INLINE enum verdict_class verdict_class(enum lb_verdict verdict)
{
	switch (verdict) {
#define X(name, label, class, text)                                                                \
	case LB_##name:                                                                            \
		return LB_CLASS_##class;
		LB_VERDICTS(X)
#undef X
	default:
		return LB_CLASS_DROP;
	}
}

#endif
