/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_BACKEND_H
#define SLUICE_BACKEND_H

#include "maps.h"
#include "packet.h"

/* The backend if it may get packets, else NULL. */
LB_INLINE struct lb_backend *backend_alive(__u16 id)
{
	__u32 index = id;
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &index);

	if (!backend || !(READ_ONCE(backend->hop.flags) & LB_BACKEND_UP))
		return NULL;
	return backend;
}

/* One flow more (1) or less (-1) for the backend, in the eyes of least-conn. */
LB_INLINE void backend_load_add(__u16 id, __s64 change)
{
	__u32 index = id;
	__s64 *load = bpf_map_lookup_elem(&backend_loads, &index);

	if (load)
		__sync_fetch_and_add(load, change);
}

LB_INLINE __u64 backend_load(__u16 id)
{
	__u32 index = id;
	__s64 *load = bpf_map_lookup_elem(&backend_loads, &index);
	__s64 active = load ? READ_ONCE(*load) : 0;

	return active > 0 ? active : 0;
}

#endif
