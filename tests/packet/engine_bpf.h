/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_ENGINE_BPF_H
#define SLUICE_PACKET_ENGINE_BPF_H

/* What engines that run the program in the kernel share: parts of struct engine, of the program as
 * engine_bpf has reset it last. */
#include "engine.h"

struct bpf_object;

int engine_bpf_get(const char *map, const void *key, void *ret_value);
int engine_bpf_put(const char *map, const void *key, const void *value);
int engine_bpf_next_key(const char *map, const void *key, void *ret_next);
struct lb_switches *engine_bpf_switches(void);
uint32_t engine_bpf_describe(FILE *out);

/* Bytes of stack that lb_ingress takes at most, as stack_deepest() has it; 0: nobody knows. */
uint32_t engine_bpf_stack(void);

int engine_bpf_map_fd(const char *map);
const struct bpf_object *engine_bpf_object(void);

#endif
