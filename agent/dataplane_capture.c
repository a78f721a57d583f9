/* SPDX-License-Identifier: Apache-2.0 */

/* Captured packets and samples of drops, as the data plane leaves them in its maps. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane_bpf_internal.h"

#define DEADLINE_S     5
#define READ_TRIES     8   /* of a sample that is being written */
#define PACKETS_A_TICK 100 /* of each CPU: 25,000 a second */
#define ENOUGH_FOR_NOW (-1)

struct bpf_capture {
	struct ring_buffer *ring;
	struct lb_capture_filter filter;
	dataplane_capture_take take; /* while the ring is read */
	void *context;
};

/* --- the switch --- */

static void throw(struct dataplane * dp, uint32_t value)
{
	__atomic_store_n(&dp->switches->capture, value, __ATOMIC_RELEASE);
}

static int write_filter(struct dataplane *dp, struct error *err)
{
	struct bpf_capture *capture = bpf_of(dp)->capture;
	uint32_t zero = 0;

	capture->filter.deadline = dp->ops->now(dp) + (uint64_t)DEADLINE_S * dp->clock.hz;
	if (bpf_map_update_elem(bpf_map__fd(bpf_of(dp)->skel->maps.capture_filter), &zero,
				&capture->filter, BPF_ANY) == 0)
		return 0;
	return error_set(err, errno, "map capture_filter: %s", strerror(errno));
}

/* --- the ring --- */

static int on_record(void *context, void *data, size_t size)
{
	const struct bpf_capture *capture = context;
	const struct lb_capture_record *record = data;

	if (size < sizeof(record->head) || size - sizeof(record->head) != record->head.captured ||
	    record->head.run != capture->filter.run)
		return 0; /* of a capture that is over */
	return capture->take(capture->context, record) ? 0 : ENOUGH_FOR_NOW;
}

static int open_ring(struct dataplane_bpf *dp, struct error *err)
{
	if (!dp->capture)
		dp->capture = calloc(1, sizeof(*dp->capture));
	if (!dp->capture)
		return error_set(err, ENOMEM, "out of memory");
	if (dp->capture->ring)
		return 0;
	/* Not the number of a former agent's, whose packets may be in the ring yet. */
	dp->capture->filter.run = (uint32_t)dp->base.ops->now(&dp->base);
	dp->capture->ring = ring_buffer__new(bpf_map__fd(dp->skel->maps.capture_ring), on_record,
					     dp->capture, NULL);
	if (!dp->capture->ring)
		return error_set(err, errno, "map capture_ring: cannot be read: %s",
				 strerror(errno));
	return 0;
}

int bpf_capture_start(struct dataplane *dp, const struct lb_capture_filter *filter, int *ret_fd,
		      struct error *err)
{
	struct dataplane_bpf *bpf = bpf_of(dp);
	uint32_t run;
	int ret = open_ring(bpf, err);

	if (ret)
		return ret;
	throw(dp, 0);
	run = bpf->capture->filter.run + 1;
	bpf->capture->filter = *filter;
	bpf->capture->filter.run = run;
	bpf->capture->filter.per_tick = PACKETS_A_TICK;
	ret = write_filter(dp, err);
	if (ret)
		return ret;
	*ret_fd = ring_buffer__epoll_fd(bpf->capture->ring);
	throw(dp, LB_CAPTURE_ON);
	return 0;
}

int bpf_capture_renew(struct dataplane *dp, struct error *err)
{
	int ret = write_filter(dp, err);

	throw(dp, ret ? 0 : LB_CAPTURE_ON);
	return ret;
}

void bpf_capture_stop(struct dataplane *dp)
{
	throw(dp, 0);
}

bool bpf_capture_read(struct dataplane *dp, dataplane_capture_take take, void *context)
{
	struct bpf_capture *capture = bpf_of(dp)->capture;

	capture->take = take;
	capture->context = context;
	return ring_buffer__consume(capture->ring) != ENOUGH_FOR_NOW;
}

void bpf_capture_close(struct dataplane_bpf *dp)
{
	if (!dp->capture)
		return;
	throw(&dp->base, 0);
	ring_buffer__free(dp->capture->ring);
	free(dp->capture);
}

/* --- figures --- */

void bpf_capture_stats(struct dataplane *dp, struct lb_capture_stats *ret_stats)
{
	struct dataplane_bpf *bpf = bpf_of(dp);
	const struct lb_capture_stats *of_cpu = bpf->percpu.raw;
	struct lb_capture_stats sum = {0};
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(bpf->skel->maps.capture_stats), &zero,
				bpf->percpu.raw) == 0) {
		for (int cpu = 0; cpu < bpf->cpus; cpu++) {
			sum.packets += of_cpu[cpu].packets;
			sum.lost_rate += of_cpu[cpu].lost_rate;
			sum.lost_ring += of_cpu[cpu].lost_ring;
		}
	}
	*ret_stats = sum;
}

/* Reads it twice, until both times it was the same and not being written. */
static bool read_samples(struct dataplane_bpf *dp, uint32_t verdict, size_t size,
			 struct lb_drop_sample *first, struct lb_drop_sample *second)
{
	int fd = bpf_map__fd(dp->skel->maps.drop_samples);
	bool whole = false;

	for (int i = 0; i < READ_TRIES && !whole; i++) {
		if (bpf_map_lookup_elem(fd, &verdict, first) ||
		    bpf_map_lookup_elem(fd, &verdict, second))
			return false;
		whole = memcmp(first, second, size) == 0;
		for (int cpu = 0; cpu < dp->cpus; cpu++)
			whole = whole && !first[cpu].writing;
	}
	return whole;
}

bool bpf_drop_sample(struct dataplane *dp, enum lb_verdict verdict,
		     struct lb_drop_sample *ret_newest)
{
	struct dataplane_bpf *bpf = bpf_of(dp);
	size_t size = (size_t)bpf->cpus * sizeof(struct lb_drop_sample);
	struct lb_drop_sample *all = calloc(2, size);
	struct lb_drop_sample *newest = all;
	bool found = false;

	if (all && read_samples(bpf, verdict, size, all, all + bpf->cpus)) {
		for (int cpu = 1; cpu < bpf->cpus; cpu++) {
			if (all[cpu].head.time_ns > newest->head.time_ns)
				newest = &all[cpu];
		}
		found = newest->head.time_ns && newest->head.captured <= LB_DROP_SAMPLE;
	}
	if (found)
		*ret_newest = *newest;
	free(all);
	return found;
}
