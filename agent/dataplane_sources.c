/* SPDX-License-Identifier: Apache-2.0 */

/* The map of lists of sources. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "dataplane_bpf_internal.h"

static int sources_fd(struct dataplane *dp)
{
	return bpf_map__fd(bpf_of(dp)->skel->maps.sources);
}

static int put_error(int code, struct error *err)
{
	int ret = error_set(err, code, "map sources: %s", strerror(code));

	if (code == ENOSPC)
		error_hint(err, ret, "all lists together have room for %d prefixes",
			   DATAPLANE_SOURCES);
	return ret;
}

int bpf_sources_put(struct dataplane *dp, const struct lb_source_key *keys, uint32_t count,
		    struct error *err)
{
	uint32_t values[DATAPLANE_SOURCES_BATCH], i;

	for (i = 0; i < count; i++)
		values[i] = keys[i].prefix_length;
	if (bpf_map_update_batch(sources_fd(dp), keys, values, &count, NULL))
		return put_error(errno, err);
	return 0;
}

/* Consecutive prefixes are of one list, as a rule: keeps is asked about each list once. */
bool bpf_sources_sweep(struct dataplane *dp, struct lb_source_key *position, uint32_t room,
		       bool (*keeps)(void *context, uint32_t list), void *context)
{
	struct lb_source_key key = *position, next;
	int fd = sources_fd(dp), more = 1;
	uint32_t asked = 0;
	bool kept = true;

	if (!key.list && bpf_map_get_next_key(fd, NULL, &key))
		return true;
	for (; more && room; room--) {
		/* first, for this one may go */
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (key.list != asked)
			kept = keeps(context, key.list);
		asked = key.list;
		if (!kept)
			bpf_map_delete_elem(fd, &key);
		key = next;
	}
	*position = key;
	return !more;
}
