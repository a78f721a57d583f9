/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_autoscaler.h"

const struct scale_run *const *autoscaler_runs(const struct autoscaler *autoscaler,
					       size_t *ret_count)
{
	*ret_count = autoscaler->count;
	return autoscaler->runs;
}

enum autoscale_circuit autoscaler_circuit(const struct autoscaler *autoscaler,
					  const struct scale_run *run)
{
	(void)run;
	return autoscaler->circuit;
}
