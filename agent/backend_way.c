/* SPDX-License-Identifier: Apache-2.0 */
#include "backend_way.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "manager_internal.h"

#define AGAIN_MS 5000

static const struct service_spec *service_of(const struct manager *manager,
					     const struct backend_run *run)
{
	return manager->service_by_id[run->service_id];
}

/* --- one backend's way --- */

/* What holds for all is said once, see note_refusal(). */
static void log_way(const struct manager *manager, const struct backend_run *run)
{
	char endpoint[ENDPOINT_TEXT_MAX];

	if (!run->way.reason[0] || manager->ways.refused[0])
		return;
	log_warn("checks go to the backend's own address, not the VIP", "service",
		 service_of(manager, run)->name, "backend",
		 format_endpoint(&run->spec.endpoint, endpoint), "reason", run->way.reason);
}

bool way_find(struct manager *manager, struct backend_run *run)
{
	struct check_way_facts facts = {
		.desired = manager->desired,
		.refused = manager->ways.refused[0] ? manager->ways.refused : NULL,
	};
	bool known = run->hop_told || !check_way_wants_vip(service_of(manager, run));
	struct check_way former = run->way;

	if (!known)
		return false;
	facts.addresses = nexthop_addresses(manager->nexthops, &facts.address_count);
	check_way_find(service_of(manager, run), &run->spec, &run->hop, &facts, &run->way);
	if (strcmp(former.reason, run->way.reason) != 0)
		log_way(manager, run);
	if (run->way_known && check_way_equal(&former, &run->way))
		return false;
	run->way_known = true;
	return true;
}

/* Says in run->local_reason that the host does not hold the service's VIPs. */
static void check_vips_held(struct manager *manager, struct backend_run *run)
{
	const struct service_spec *service = service_of(manager, run);
	char text[ADDRESS_TEXT_MAX];
	size_t i;

	for (i = 0; i < service->vip_count; i++) {
		const struct address *vip = &service->vips[i].vip.endpoint.address;

		if (nexthop_is_own(manager->nexthops, vip))
			continue;
		format_address(vip, text);
		snprintf(run->local_reason, sizeof(run->local_reason),
			 "the balancer itself does not hold the VIP: ip address add %s/%u dev lo",
			 text, address_bits(vip));
		return;
	}
}

void way_check_local(struct manager *manager, struct backend_run *run)
{
	char text[ADDRESS_TEXT_MAX];

	run->local_reason[0] = '\0';
	if (!run->hop.local)
		return;
	if (service_of(manager, run)->mode == LB_MODE_NAT)
		snprintf(run->local_reason, sizeof(run->local_reason),
			 "%s is the balancer itself, whose replies would not be translated back: "
			 "use mode l2, ipip or gue",
			 format_address(&run->spec.endpoint.address, text));
	else
		check_vips_held(manager, run);
}

static struct lb_probe_path path_of(const struct check_way *way)
{
	struct lb_probe_path path = {.port = 0};

	if (way->kind != WAY_VIP)
		return path;
	path.vip = lb_addr_of(&way->vip.endpoint.address);
	path.own = lb_addr_of(&way->own);
	path.port = htons(way->vip.endpoint.port);
	return path;
}

void way_store(struct manager *manager, struct backend_run *run)
{
	manager->dp->probe_paths[run->spec.id] = path_of(&run->way);
	run->way_packets = 0;
	if (run->way.kind == WAY_VIP)
		sync_backend(manager->sync, service_of(manager, run), &run->spec, manager->facts);
}

void way_clear(struct manager *manager, uint16_t id)
{
	memset(&manager->dp->probe_paths[id], 0, sizeof(manager->dp->probe_paths[id]));
}

const char *way_name(const struct manager *manager, const struct backend_run *run)
{
	if (run->check->spec.kind == CHECK_NONE)
		return "none";
	if (!run->way_known) /* it will, if nothing stands against it */
		return check_way_wants_vip(service_of(manager, run)) ? "vip" : "address";
	return check_way_name(&run->way);
}

uint32_t way_mark(const struct manager *manager, const struct backend_run *run)
{
	return run->way.kind == WAY_VIP ? manager->dp->probe_mark | run->spec.id : 0;
}

/* --- results --- */

/* What to look at first, for the failures that a VIP's way adds. */
static void add_advice(const struct manager *manager, const struct backend_run *run,
		       char reason[CHECK_REASON_MAX])
{
	size_t length = strlen(reason);
	char text[ADDRESS_TEXT_MAX];

	if (run->way.kind == WAY_VIP && strstr(reason, "timeout"))
		snprintf(reason + length, CHECK_REASON_MAX - length,
			 "; is the backend prepared? lbnode up --mode %s --vip %s",
			 mode_words[service_of(manager, run)->mode],
			 format_address(&run->way.vip.endpoint.address, text));
	else if (strstr(reason, "refused") || strstr(reason, "port unreachable"))
		snprintf(reason + length, CHECK_REASON_MAX - length,
			 "; does the server listen on the VIP?");
}

/* Packets of this backend's probes that have left by the VIP's way since it was asked last. */
static bool has_left(const struct manager *manager, struct backend_run *run)
{
	uint32_t packets =
		__atomic_load_n(&manager->dp->probe_paths[run->spec.id].sent, __ATOMIC_RELAXED);
	bool left = packets != run->way_packets;

	run->way_packets = packets;
	return left;
}

static const char *format_checked(const struct check_way *way, char text[VIP_TEXT_MAX])
{
	return way->vip.protocol == IPPROTO_ICMP ? format_address(&way->vip.endpoint.address, text)
						 : format_vip(&way->vip, text);
}

bool way_judge(struct manager *manager, struct backend_run *run, const struct probe_result *result,
	       char reason[CHECK_REASON_MAX])
{
	bool strayed = run->way.kind == WAY_VIP && !has_left(manager, run) && result->success;
	char vip[VIP_TEXT_MAX];

	format_checked(&run->way, vip);
	manager->ways.broken |= strayed;
	if (strayed) {
		snprintf(reason, CHECK_REASON_MAX,
			 "via VIP %s: the check left by another way than clients' packets; is the "
			 "tc filter of lbagent on its interface?",
			 vip);
	} else if (run->way.kind == WAY_ADDRESS || result->success) {
		snprintf(reason, CHECK_REASON_MAX, "%s", result->reason);
	} else {
		snprintf(reason, CHECK_REASON_MAX, "via VIP %s: %s", vip, result->reason);
		add_advice(manager, run, reason);
	}
	return result->success && !strayed;
}

/* --- the filters --- */

static void add_device(uint32_t devices[WAYS_DEVICES_MAX], size_t *count, uint32_t device)
{
	size_t i;

	for (i = 0; i < *count; i++) {
		if (devices[i] == device)
			return;
	}
	if (*count < WAYS_DEVICES_MAX)
		devices[(*count)++] = device;
}

/* Is it checked by the VIP, as soon as its route is known? */
static bool wants_vip(const struct manager *manager, uint32_t id)
{
	const struct backend_run *run = &manager->runs[id];

	return run->used && check_way_wants_vip(service_of(manager, run));
}

static bool is_awaited(const struct manager *manager, uint32_t id)
{
	return wants_vip(manager, id) && !manager->runs[id].hop_told;
}

/* Some route is not known yet. Answers come one by one, so the search goes on where it ended. */
static bool awaits_routes(struct manager *manager)
{
	uint32_t *id = &manager->ways.awaits;

	while (*id <= manager->dp->sizes.backends && !is_awaited(manager, *id))
		(*id)++;
	return *id <= manager->dp->sizes.backends;
}

/* What checks by the VIP leave by. Returns how many. */
static size_t gather_devices(const struct manager *manager, uint32_t devices[WAYS_DEVICES_MAX])
{
	size_t count = 0;
	uint32_t id;

	for (id = 1; id <= manager->dp->sizes.backends; id++) {
		if (wants_vip(manager, id) && manager->runs[id].hop.device)
			add_device(devices, &count, manager->runs[id].hop.device);
	}
	return count;
}

static void note_refusal(struct manager *manager, int ret, const struct error *err)
{
	struct ways *ways = &manager->ways;
	bool was = ways->refused[0];

	ways->again_ms = uv_now(manager->loop) + AGAIN_MS;
	ways->refused[0] = '\0';
	if (ret) {
		snprintf(ways->refused, sizeof(ways->refused), "%s", err->message);
		if (!was)
			log_error("checks cannot go by the VIP", "error", err->message, "hint",
				  err->hint, "consequence",
				  "they go to the backends' own addresses");
	}
	if (was == (ret != 0))
		return;
	for (uint32_t id = 1; id <= manager->dp->sizes.backends; id++) {
		if (manager->runs[id].used)
			run_check_anew(manager, &manager->runs[id]);
	}
}

static void tell(struct manager *manager)
{
	struct ways *ways = &manager->ways;
	struct error err = {.message = ""};
	int ret;

	ways->told = true;
	ways->broken = false;
	ret = manager->dp->ops->probe_follow(manager->dp, ways->devices, ways->device_count, &err);
	note_refusal(manager, ret, &err);
}

void ways_begin(struct manager *manager)
{
	manager->ways.stale = true;
	manager->ways.awaits = 1;
	ways_follow(manager);
}

void ways_follow(struct manager *manager)
{
	struct ways *ways = &manager->ways;
	uint32_t devices[WAYS_DEVICES_MAX];
	size_t count;

	if (!ways->stale || awaits_routes(manager))
		return;
	ways->stale = false;
	count = gather_devices(manager, devices);
	if (ways->told && count == ways->device_count &&
	    memcmp(devices, ways->devices, count * sizeof(*devices)) == 0)
		return;
	memcpy(ways->devices, devices, count * sizeof(*devices));
	ways->device_count = count;
	tell(manager);
}

void ways_refresh(struct manager *manager)
{
	if (manager->ways.device_count)
		tell(manager);
}

void ways_tick(struct manager *manager)
{
	struct ways *ways = &manager->ways;

	if ((ways->broken || ways->refused[0]) && uv_now(manager->loop) >= ways->again_ms)
		tell(manager);
}
