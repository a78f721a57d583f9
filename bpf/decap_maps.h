/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_DECAP_MAPS_H
#define SLUICE_DECAP_MAPS_H

/* lb_decap's maps. All are pinned and live as long as the program is attached; lbnode writes all
 * but the counters. */
#include "decap_abi.h"

#define DECAP_PREFIXES_MAX 1024

/* Loaded so that packets may be longer than a page (Linux 5.18). */
const volatile bool decap_frags;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct decap_config);
} decap_config SEC(".maps");

/* Inner destinations; the value says nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DECAP_PREFIXES_MAX);
	__type(key, struct decap_prefix);
	__type(value, __u8);
} decap_vips SEC(".maps");

/* Outer sources; the value says nothing. Read only under DECAP_FROM. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DECAP_PREFIXES_MAX);
	__type(key, struct decap_prefix);
	__type(value, __u8);
} decap_sources SEC(".maps");

/* Packets and bytes of each outcome; the program adds, lbnode reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DECAP_OUTCOME_COUNT);
	__type(key, __u32);
	__type(value, struct lb_traffic);
} decap_stats SEC(".maps");

#endif
