/* SPDX-License-Identifier: Apache-2.0 */

/* A former agent's maps: looked at, taken over, copied from. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane_bpf_internal.h"
#include "flow_fold.h"

#define META_SIZE_MAX 256

/* --- looking --- */

static int open_former(const struct dataplane_bpf *dp, const struct bpf_map *map)
{
	char path[256];

	bpf_map_path(dp, map, path, sizeof(path));
	return bpf_obj_get(path);
}

static bool shape_of(int fd, struct carry_shape *ret_shape)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return false;
	*ret_shape = (struct carry_shape){
		.type = info.type,
		.key_size = info.key_size,
		.value_size = info.value_size,
		.max_entries = info.max_entries,
		/* the kernel adds this to a devmap's */
		.flags = info.map_flags & ~(uint32_t)BPF_F_RDONLY_PROG,
	};
	return true;
}

static struct carry_map look_at(const struct dataplane_bpf *dp, const struct bpf_map *map)
{
	int fd = open_former(dp, map);
	struct carry_map seen = {
		.name = bpf_map__name(map),
		.ours = {.type = bpf_map__type(map),
			 .key_size = bpf_map__key_size(map),
			 .value_size = bpf_map__value_size(map),
			 .max_entries = bpf_map__max_entries(map),
			 .flags = bpf_map__map_flags(map)},
	};

	seen.exists = fd >= 0 && shape_of(fd, &seen.former);
	if (fd >= 0)
		close(fd);
	return seen;
}

/* The former agent's meta, whatever its ABI. Returns its size; 0: there is none. */
static size_t read_meta(const struct dataplane_bpf *dp, char meta[META_SIZE_MAX])
{
	int fd = open_former(dp, dp->skel->maps.meta);
	struct carry_shape shape;
	uint32_t zero = 0;
	size_t size = 0;

	if (fd < 0)
		return 0;
	if (shape_of(fd, &shape) && shape.value_size <= META_SIZE_MAX &&
	    bpf_map_lookup_elem(fd, &zero, meta) == 0)
		size = shape.value_size;
	close(fd);
	return size;
}

struct lb_meta bpf_meta(const struct dataplane_bpf *dp)
{
	uint32_t fold =
		flow_fold_for(dp->base.sizes.flows / LB_FLOW_WAYS, FLOW_FOLD_BUCKETS_MIN, 0);

	return (struct lb_meta){
		.abi_version = LB_ABI_VERSION,
		.table_size = dp->base.sizes.table_size,
		.seed = dp->seed,
		.flow_layout = LB_FLOW_LAYOUT,
		.nat_layout = LB_NAT_LAYOUT,
		.fragment_layout = LB_FRAGMENT_LAYOUT,
		.backend_layout = LB_BACKEND_LAYOUT,
		.flow_fold = flow_fold_word(&(struct flow_fold){.now = fold, .former = fold}),
	};
}

void bpf_examine(struct dataplane_bpf *dp)
{
	struct carry_map maps[64];
	const struct lb_meta ours = bpf_meta(dp);
	char meta[META_SIZE_MAX] = {0};
	size_t meta_size = read_meta(dp, meta), count = 0;
	struct bpf_map *map;

	bpf_object__for_each_map(map, dp->skel->obj)
	{
		if (bpf_map_is_pinned(map) && count < sizeof(maps) / sizeof(maps[0]))
			maps[count++] = look_at(dp, map);
	}
	carry_decide(meta_size ? meta : NULL, meta_size, &ours, maps, count, &dp->carry);
	dp->base.adopted = carry_keeps_flows(&dp->carry);
}

/* --- taking over --- */

static bool is_shared(const struct carry *carry, const char *name)
{
	enum carry_part part;

	for (part = 0; part < CARRY_PARTS; part++) {
		if (strcmp(carry_part_map(part), name) == 0)
			return carry->parts[part].way == CARRY_SHARED;
	}
	return false;
}

static int adopt_map(const struct dataplane_bpf *dp, struct bpf_map *map, struct error *err)
{
	int fd = open_former(dp, map), ret = 0;

	if (fd < 0 || bpf_map__reuse_fd(map, fd))
		ret = error_set(err, errno, "map %s: cannot be adopted: %s", bpf_map__name(map),
				strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

int bpf_adopt(struct dataplane_bpf *dp, struct error *err)
{
	const struct carry *carry = &dp->carry;
	struct bpf_map *map;
	int ret = 0;

	if (!carry->former)
		return 0;
	bpf_object__for_each_map(map, dp->skel->obj)
	{
		if (ret == 0 && bpf_map_is_pinned(map) &&
		    (carry->whole || is_shared(carry, bpf_map__name(map))))
			ret = adopt_map(dp, map, err);
	}
	if (!carry->whole && carry->parts[CARRY_NAT].way == CARRY_COPIED)
		dp->former_nat_fd = open_former(dp, dp->skel->maps.nat_flows);
	return ret;
}

/* --- copying --- */

/* Who is alive, and the way there: so nobody waits for a first check. */
int bpf_copy_backends(struct dataplane_bpf *dp, struct error *err)
{
	size_t ours = (size_t)dp->base.sizes.backends + 1, bytes;
	struct carry_shape shape;
	void *former;
	int fd;

	if (!dp->carry.former || dp->carry.whole ||
	    dp->carry.parts[CARRY_BACKENDS].way != CARRY_COPIED)
		return 0;
	fd = open_former(dp, dp->skel->maps.backends);
	if (fd < 0 || !shape_of(fd, &shape)) {
		close(fd);
		return error_set(err, errno, "map backends: cannot be copied: %s", strerror(errno));
	}
	bytes = (size_t)shape.max_entries * sizeof(struct lb_backend);
	former = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (former == MAP_FAILED)
		return error_set(err, errno, "map backends: cannot be copied: %s", strerror(errno));
	memcpy(dp->base.backends, former,
	       (shape.max_entries < ours ? shape.max_entries : ours) * sizeof(struct lb_backend));
	munmap(former, bytes);
	return 0;
}

enum { NAT_BATCH = 1024 };

struct nat_batch {
	struct lb_tuple keys[NAT_BATCH];
	struct lb_nat_entry values[NAT_BATCH];
};

/* What the new map has already is newer. */
static int nat_put(int fd, const struct nat_batch *batch, uint32_t count, struct error *err)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (bpf_map_update_elem(fd, &batch->keys[i], &batch->values[i], BPF_NOEXIST) &&
		    errno != EEXIST)
			return error_set(err, errno, "map nat_flows: cannot be copied: %s",
					 strerror(errno));
	}
	return 0;
}

int dataplane_bpf_carry(struct dataplane *base, struct error *err)
{
	struct dataplane_bpf *dp = bpf_of(base);
	uint32_t count, position;
	struct nat_batch *batch;
	void *in = NULL;
	int more = 0, ret = 0;

	if (dp->former_nat_fd < 0)
		return 0;
	batch = malloc(sizeof(*batch));
	if (!batch)
		return error_set(err, ENOMEM, "out of memory");
	while (ret == 0 && more == 0) {
		count = NAT_BATCH;
		more = bpf_map_lookup_batch(dp->former_nat_fd, in, &position, batch->keys,
					    batch->values, &count, NULL);
		if (more && errno != ENOENT)
			ret = error_set(err, errno, "map nat_flows: cannot be copied: %s",
					strerror(errno));
		else
			ret = nat_put(bpf_map__fd(dp->skel->maps.nat_flows), batch, count, err);
		in = &position;
	}
	free(batch);
	return ret;
}

const struct carry *dataplane_bpf_carried(const struct dataplane *base)
{
	return &((const struct dataplane_bpf *)base)->carry;
}

bool dataplane_bpf_former_serves(const struct dataplane *base)
{
	const struct dataplane_bpf *dp = (const struct dataplane_bpf *)base;
	int fd = open_former(dp, dp->skel->maps.vips), more;
	/* An entry begins with its VIP; up to ABI 7 it was the VIP, of a hash. */
	union {
		struct lb_vip vip;
		struct lb_vip_entry entry;
	} value = {0};
	struct lb_vip_key key;

	if (fd < 0)
		return false;
	more = bpf_map_get_next_key(fd, NULL, &key);
	while (more == 0 && value.vip.kind != LB_VIP_SERVICE) {
		if (bpf_map_lookup_elem(fd, &key, &value))
			value.vip.kind = 0;
		more = bpf_map_get_next_key(fd, &key, &key);
	}
	close(fd);
	return value.vip.kind == LB_VIP_SERVICE;
}
