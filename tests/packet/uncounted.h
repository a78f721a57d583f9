/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_UNCOUNTED_H
#define SLUICE_PACKET_UNCOUNTED_H

/* The data plane counts what ends in it by verdict, and the rest only for whom it was. */
#include <linux/bpf.h>
#include <stdbool.h>

#include "verdicts.h"

/* The verdict of a packet that was not counted by one: by what the program returned, and whether a
 * backend and a VIP have counted it. */
static inline enum lb_verdict verdict_uncounted(int code, bool by_backend, bool by_vip)
{
	bool sent = code == XDP_TX || code == XDP_REDIRECT;

	if (by_backend)
		return sent ? LB_FORWARD : LB_LOCAL;
	if (sent)
		return LB_RETURN;
	return by_vip ? LB_PASS_DOWN : LB_PASS;
}

#endif
