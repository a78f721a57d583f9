/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LOAD_POLICY_H
#define SLUICE_LOAD_POLICY_H

/*
 * Whether a service's weights follow what its backends report of their load, and how fast. Pure
 * data, part of the desired state; load_weight.h decides by it.
 */
#include <stdint.h>

#define LOAD_WHOLE        1000 /* factors are in thousandths of the weight */
#define LOAD_PORT_DEFAULT 9481

enum load_mode {
	LOAD_OFF,
	LOAD_DRY_RUN, /* asks, decides and tells, but changes nothing */
	LOAD_ON,
	LOAD_MODES,
};

struct load_policy {
	enum load_mode mode;
	uint16_t port;        /* of `lbnode report` on each backend's host */
	uint64_t interval_ms; /* from one question, and step, to the next */
	uint8_t budget;       /* per cent of the table's slots that a step may move */
	uint8_t floor;        /* per cent of its weight that a backend keeps at least */
};

#endif
