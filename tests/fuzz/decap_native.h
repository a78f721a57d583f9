/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FUZZ_DECAP_NATIVE_H
#define SLUICE_FUZZ_DECAP_NATIVE_H

/* lb_decap compiled natively, as bpf/native does it for the balancer's program: frames lie against
 * a page without access. Apart, because the kernel's headers of IP do not bear the C library's. */
#include <stddef.h>
#include <stdint.h>

#include "decap_abi.h"

#define DECAP_FRAME_MAX 4096

/* Of inner destinations, and of outer sources. */
void decap_put_vip(const struct decap_prefix *prefix);
void decap_put_source(const struct decap_prefix *prefix);

/* Runs a frame, which becomes what it leaves. The program's code, its outcome in *ret_outcome;
 * DECAP_OUTCOME_COUNT: none was counted. */
int decap_run(const struct decap_config *config, uint8_t *frame, size_t *size,
	      enum decap_outcome *ret_outcome);

#endif
