/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FAKE_LOAD_POLL_H
#define SLUICE_FAKE_LOAD_POLL_H

/* load_poll.h without a network: a test says what a host reports, by the endpoint that is asked. */
#include <stdbool.h>

/* How often it was asked; -1: nobody asks it. */
int fake_load_asked(const char *endpoint);

/* The last question is answered; below 0: in vain. */
void fake_load_tell(const char *endpoint, double load);

#endif
