/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_COMPILER_H
#define SLUICE_COMPILER_H

#include <linux/types.h>

#define LB_INLINE static __always_inline

/* Keeps clang from merging the accesses that other CPUs or the agent may race with. */
#define READ_ONCE(x)         (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

/* Stores whose place may have any alignment. Machines with XDP take them; of one that is told to be
 * unaligned clang makes single bytes. */
LB_INLINE void store_u64(void *place, __u64 value)
{
#ifdef __bpf__
	*(volatile __u64 *)place = value;
#else
	__builtin_memcpy(place, &value, sizeof(value));
#endif
}

LB_INLINE void store_u16(void *place, __u16 value)
{
#ifdef __bpf__
	*(volatile __u16 *)place = value;
#else
	__builtin_memcpy(place, &value, sizeof(value));
#endif
}

LB_INLINE void store_u32(void *place, __u32 value)
{
#ifdef __bpf__
	*(volatile __u32 *)place = value;
#else
	__builtin_memcpy(place, &value, sizeof(value));
#endif
}

/* Likewise, a load. */
LB_INLINE __u16 load_u16(const void *place)
{
#ifdef __bpf__
	return *(const volatile __u16 *)place;
#else
	__u16 value;

	__builtin_memcpy(&value, place, sizeof(value));
	return value;
#endif
}

#endif
