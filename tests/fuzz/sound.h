/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FUZZ_SOUND_H
#define SLUICE_FUZZ_SOUND_H

/* What must hold of any desired state that was taken in. */
#include "desired.h"

/* Its configuration document can be read, and is then written the same. */
void sound_document(const struct desired *desired);

/* What is saved of it can be loaded, and is then saved the same: its indices are given. */
void sound_state(const struct desired *desired);

#endif
