/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FAKE_AUTOSCALER_H
#define SLUICE_FAKE_AUTOSCALER_H

/* What figures.c asks of autoscale_run.h, answered from plain fields. */
#include "autoscale_run.h"

struct autoscaler {
	const struct scale_run *const *runs;
	size_t count;
	enum autoscale_circuit circuit; /* of all */
};

#endif
