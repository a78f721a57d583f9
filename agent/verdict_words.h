/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_VERDICT_WORDS_H
#define SLUICE_VERDICT_WORDS_H

/* What verdicts are called: verdicts.h as tables. Numbers may come from elsewhere and be none. */
#include <stdbool.h>
#include <sys/cdefs.h> /* __always_inline, for what follows */

#include "verdict_class.h"

/* X(label) and X(text) of verdicts.h; "unknown" and "". */
const char *verdict_label(unsigned int verdict);
const char *verdict_text(unsigned int verdict);

/* Is it a verdict, and of this class? */
bool verdict_is(unsigned int verdict, enum verdict_class class);

#endif
