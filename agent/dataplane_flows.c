/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/bpf.h>
#include <errno.h>

#include "dataplane_bpf_internal.h"

/* The kernel gives whole hash buckets, and the number of the next one as the position. */
uint32_t bpf_nat_flows_read(struct dataplane *dp, uint32_t *position, struct lb_tuple *replies,
			    struct lb_nat_entry *entries, uint32_t room, bool *ret_end)
{
	int fd = bpf_map__fd(bpf_of(dp)->skel->maps.nat_flows);
	uint32_t count = room, next = 0;
	int ret = bpf_map_lookup_batch(fd, *position ? position : NULL, &next, replies, entries,
				       &count, NULL);

	*ret_end = ret != 0;
	*position = next;
	return ret == 0 || ret == -ENOENT ? count : 0; /* -ENOENT: these are the last */
}
