/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_COMPILER_H
#define SLUICE_COMPILER_H

#define LB_INLINE static __always_inline

/* Keeps clang from merging the accesses that other CPUs or the agent may race with. */
#define READ_ONCE(x)         (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

#endif
