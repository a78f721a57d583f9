/* SPDX-License-Identifier: Apache-2.0 */

/* For programs whose metrics are those of an agent without an autoscaler. */
#include "autoscale_view.h"

void autoscale_metrics(FILE *out, const struct autoscaler *autoscaler)
{
	(void)out;
	(void)autoscaler;
}
