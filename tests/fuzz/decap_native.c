/* SPDX-License-Identifier: Apache-2.0 */

/* Said of the program's source alone: see bpf/native/native.c. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "decap.bpf.c" /* NOLINT(bugprone-suspicious-include): that is the point */
#pragma GCC diagnostic error "-Wmissing-prototypes"
#pragma GCC diagnostic error "-Wpointer-arith"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "decap_native.h"
#include "fuzz.h"
#include "native_map.h"

/* --- what the program asks of the kernel --- */

/* The end of the room for a frame, behind which stands the page. xdp_md holds 32-bit pointers, so
 * it has to lie below 4 GiB. */
static char *room_end(void)
{
	static char *end;
	size_t page = sysconf(_SC_PAGESIZE);
	char *room;

	if (end)
		return end;
	room = mmap((void *)0x20000000, DECAP_FRAME_MAX + page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	must(room != MAP_FAILED);
	end = room + DECAP_FRAME_MAX;
	must(mprotect(end, page, PROT_NONE) == 0);
	return end;
}

/* Headers are taken off only. */
long bpf_xdp_adjust_head(struct xdp_md *ctx, int delta)
{
	must(delta > 0);
	if (ctx->data + delta + sizeof(struct ethhdr) > ctx->data_end)
		return -EINVAL;
	ctx->data += delta;
	return 0;
}

__u64 bpf_xdp_get_buff_len(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

/* Nobody here knows any connection, and which way the kernel tells is the destination's to say:
 * all ways of sending on are gone. */
struct bpf_sock *bpf_skc_lookup_tcp(void *ctx, struct bpf_sock_tuple *tuple, __u32 size,
				    __u64 netns, __u64 flags)
{
	static struct bpf_sock listener = {.state = BPF_TCP_LISTEN};

	(void)ctx, (void)size, (void)netns, (void)flags;
	return tuple->ipv4.saddr & 1 ? &listener : NULL;
}

long bpf_sk_release(void *sk)
{
	must(sk);
	return 0;
}

long bpf_tcp_check_syncookie(void *sk, void *ip, __u32 ip_length, struct tcphdr *tcp, __u32 length)
{
	must(sk && ip && tcp && ip_length && length == sizeof(*tcp));
	return -ENOENT;
}

long bpf_fib_lookup(struct xdp_md *ctx, struct bpf_fib_lookup *params, int size, __u32 flags)
{
	static const long answers[] = {BPF_FIB_LKUP_RET_SUCCESS, BPF_FIB_LKUP_RET_FWD_DISABLED,
				       BPF_FIB_LKUP_RET_NO_NEIGH};

	(void)ctx, (void)size, (void)flags;
	return answers[params->ipv4_dst % (sizeof(answers) / sizeof(answers[0]))];
}

/* --- maps --- */

static void put(const struct native_map_shape *map, const void *key, const void *value)
{
	must(native_host_update(map, key, value, 0) == 0);
}

void decap_put_vip(const struct decap_prefix *prefix)
{
	put(NATIVE_SHAPE(&decap_vips), prefix, &(uint8_t){1});
}

void decap_put_source(const struct decap_prefix *prefix)
{
	put(NATIVE_SHAPE(&decap_sources), prefix, &(uint8_t){1});
}

static uint64_t packets_of(uint32_t outcome)
{
	const struct lb_traffic *traffic = native_host_lookup(NATIVE_SHAPE(&decap_stats), &outcome);

	return traffic->packets;
}

/* --- running --- */

int decap_run(const struct decap_config *config, uint8_t *frame, size_t *size,
	      enum decap_outcome *ret_outcome)
{
	char *end = room_end();
	struct xdp_md ctx = {.data = (uintptr_t)(end - *size), .data_end = (uintptr_t)end};
	uint64_t before[DECAP_OUTCOME_COUNT];
	uint32_t i;
	int code;

	put(NATIVE_SHAPE(&decap_config), &(uint32_t){0}, config);
	for (i = 0; i < DECAP_OUTCOME_COUNT; i++)
		before[i] = packets_of(i);
	memcpy(end - *size, frame, *size);
	code = lb_decap(&ctx);
	*ret_outcome = DECAP_OUTCOME_COUNT;
	for (i = 0; i < DECAP_OUTCOME_COUNT; i++)
		if (packets_of(i) > before[i])
			*ret_outcome = i;
	*size = ctx.data_end - ctx.data;
	memcpy(frame, (char *)(uintptr_t)ctx.data, *size);
	return code;
}
