/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FAKE_PROBE_H
#define SLUICE_FAKE_PROBE_H

/* probe.h without a network: a test reports the results itself, by the endpoint of the backend
 * as the test wrote it. */
#include "probe.h"

/* NULL: nobody probes it. */
const struct check_spec *fake_probe_spec(const char *endpoint);

/* How often prober_now() was called for it. */
unsigned int fake_probe_hurries(const char *endpoint);

/* Of its sockets. */
uint32_t fake_probe_mark(const char *endpoint);

/* Was it told last that the state is changing? */
bool fake_probe_changing(const char *endpoint);

/* One probe has ended, and the loop's turn with it. reason: NULL on success. */
void fake_probe_report(const char *endpoint, const char *reason);

#endif
