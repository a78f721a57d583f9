/* SPDX-License-Identifier: Apache-2.0 */

/* What explaining the program asks of it: its constants, entries of its maps, the kernel's routes.
 * Lookups by system call leave the order of LRU hashes alone. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "dataplane_bpf_internal.h"
#include "native/native.h"

void bpf_constants(const struct dataplane *dp, struct native_constants *ret_constants)
{
	const struct ingress__rodata *rodata = ((const struct dataplane_bpf *)dp)->skel->rodata;

	*ret_constants = (struct native_constants){
		.vip_slot_shift = rodata->lb_vip_slot_shift,
		.flow_mask = rodata->lb_flow_mask,
		.table_size = rodata->lb_table_size,
		.table_lines = rodata->lb_table_lines,
		.nat_port_low = rodata->lb_nat_port_low,
		.nat_port_count = rodata->lb_nat_port_count,
		.tick_shift = rodata->lb_tick_shift,
		.coarse_tick_shift = rodata->lb_coarse_tick_shift,
		.icmp_per_second = rodata->lb_icmp_per_second,
		.handshake_mask = rodata->lb_handshake_mask,
		.frags = rodata->lb_frags,
		.cookies = rodata->lb_cookies,
		.ipv4_checksums = rodata->lb_ipv4_checksums,
	};
	memcpy(ret_constants->hash_key, (const void *)rodata->lb_hash_key,
	       sizeof(ret_constants->hash_key));
}

int bpf_map_get(struct dataplane *dp, const char *name, const void *key, void *ret_value)
{
	int fd = bpf_object__find_map_fd_by_name(bpf_of(dp)->skel->obj, name);

	if (fd < 0)
		return fd;
	return bpf_map_lookup_elem(fd, key, ret_value) ? -errno : 0;
}

int bpf_route_get(struct dataplane *dp, struct bpf_fib_lookup *params)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = params, .data_size_in = sizeof(*params),
		    .data_out = params, .data_size_out = sizeof(*params));

	if (bpf_prog_test_run_opts(bpf_program__fd(bpf_of(dp)->skel->progs.lb_route), &opts))
		return -errno;
	return (int)opts.retval;
}
