/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_manager.h"

static void put_vip(struct service_spec *service, const char *text, uint16_t id)
{
	struct vip_spec *vip = &service->vips[service->vip_count++];
	struct error err;

	vip->id = id;
	assert_int_equal(parse_vip(text, &vip->vip, &err), 0);
}

static void put_backend(struct service_spec *service, const char *text, uint16_t id)
{
	struct backend_spec *backend = &service->backends[service->backend_count++];
	struct error err;

	*backend = (struct backend_spec){.id = id, .weight = (uint16_t)(10 * id)};
	assert_int_equal(parse_endpoint(text, 0, &backend->endpoint, &err), 0);
}

static struct service_spec *put_service(struct desired *desired, const char *name, uint16_t id)
{
	struct service_spec *service = &desired->services[desired->service_count++];

	service_spec_init(service);
	service->id = id;
	memcpy(service->name, name, strlen(name) + 1);
	service->vips = calloc(2, sizeof(*service->vips));
	service->backends = calloc(2, sizeof(*service->backends));
	assert_non_null(service->vips);
	assert_non_null(service->backends);
	return service;
}

static struct desired *make_desired(void)
{
	struct desired *desired = desired_new();
	struct service_spec *service;

	assert_non_null(desired);
	desired->generation = 17;
	desired->services = calloc(2, sizeof(*desired->services));
	assert_non_null(desired->services);
	service = put_service(desired, "web", 1);
	put_vip(service, "tcp://198.18.0.10:80", 1);
	put_vip(service, "udp://198.18.0.10:80", 2);
	put_backend(service, "198.18.1.11:80", 1);
	put_backend(service, "198.18.1.12:80", 2);
	service = put_service(desired, "six", 2);
	put_vip(service, "tcp://[2001:db8::10]:*", 3);
	put_backend(service, "2001:db8::11", 3);
	return desired;
}

static void fill_counters(struct fake_dataplane *fake)
{
	for (uint64_t id = 1; id <= 3; id++) {
		fake->vip_traffic[id] = (struct lb_traffic){100 * id, 1000 * id};
		fake->backend_counters[id] = (struct lb_backend_stats){
			.traffic = {200 * id, 2000 * id},
			.new_flows = 20 * id,
			.syn_retransmits = 2 * id,
		};
	}
	fake->dp.handshakes[1].sum_ns = 10000000;
	fake->dp.handshakes[1].buckets[2] = 2;
	fake->dp.handshakes[1].buckets[6] = 3;
	fake->runs = (struct dataplane_runs){.ns = 1500000000, .runs = 12000000};
	for (uint64_t verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
		fake->verdict_traffic[verdict] = (struct lb_traffic){7 * verdict, 70 * verdict};
	fake->service_drops.packets[LB_DENIED] = 5;
	for (uint64_t state = 0; state < LB_FLOW_STATES; state++)
		fake->flow_counters.evictions[state] = state ? 50 + state : 0;
}

struct manager *fake_manager_new(void)
{
	static const struct dataplane_sizes sizes = {
		.services = 4,
		.backends = FAKE_BACKENDS,
		.vips = 8,
		.flows = 1024,
		.nat_flows = 2048,
		.table_size = 251,
	};
	struct manager *manager = calloc(1, sizeof(*manager));

	assert_non_null(manager);
	manager->fake = fake_dataplane_new(&sizes);
	assert_non_null(manager->fake);
	fill_counters(manager->fake);
	manager->desired = make_desired();
	manager->views[1] = (struct backend_view){.status = BACKEND_UP,
						  .reason = "",
						  .check_via = "vip",
						  .check_via_reason = "",
						  .since_ms = 1795222923456,
						  .share = 1.0 / 3,
						  .weight = 2.5,
						  .suspect = true,
						  .ejections = 3,
						  .active_flows = 12,
						  .drained = true,
						  .checks_passed = 5,
						  .checks_failed = 1,
						  .load = {.asked = true,
							   .known = true,
							   .reading = {0.75, -1, 0.125},
							   .age_s = 1.5,
							   .pressure = 0.875,
							   .target = 0.5,
							   .next = 0.625,
							   .failures = 2,
							   .problem = "timed out"}};
	manager->views[2] = (struct backend_view){
		.status = BACKEND_DOWN,
		.reason = "HTTP status 503",
		.check_via = "address",
		.check_via_reason = "none",
		.weight = 20,
		.checks_failed = 6,
	};
	manager->views[3] = (struct backend_view){.status = BACKEND_UP,
						  .reason = "",
						  .check_via = "none",
						  .check_via_reason = "",
						  .share = 1,
						  .weight = 30};
	manager->checks.sum_ns = 4500000000;
	manager->checks.buckets[4] = 5;
	manager->checks.buckets[LB_LATENCY_BUCKETS - 1] = 1;
	manager->flows.by_state[LB_FLOW_EMBRYONIC] = 1;
	manager->flows.by_state[LB_FLOW_ESTABLISHED] = 20;
	manager->flows.by_state[LB_FLOW_CLOSING] = 300;
	manager->flows.nat = 9;
	return manager;
}

void fake_manager_free(struct manager *manager)
{
	desired_free(manager->desired);
	links_clear(&manager->links);
	fake_dataplane_free(manager->fake);
	free(manager);
}

/* --- manager.h --- */

const struct desired *manager_desired(const struct manager *manager)
{
	return manager->desired;
}

struct service_load manager_load(const struct manager *manager, const struct service_spec *service)
{
	(void)manager;
	return (struct service_load){.leads = true, .steps = service->id};
}

bool manager_panics(const struct manager *manager, const struct service_spec *service)
{
	(void)manager;
	return service->id == 2;
}

struct backend_view manager_backend(const struct manager *manager, const struct backend_spec *spec)
{
	struct backend_view view = manager->views[spec->id];

	if (!view.check_via)
		view.check_via = view.check_via_reason = "";
	return view;
}

const char *backend_status_name(enum backend_status status)
{
	return status == BACKEND_UP ? "up" : "down";
}

size_t manager_sources(const struct manager *manager, const struct service_spec *service, bool deny)
{
	(void)manager;
	return service ? 10 * service->id + deny : 7;
}

bool manager_sources_loading(const struct manager *manager, const struct service_spec *service)
{
	(void)manager;
	return service && service->id == 2;
}

const struct flow_counts *manager_flows(const struct manager *manager)
{
	return &manager->flows;
}

struct dataplane *manager_dataplane(const struct manager *manager)
{
	return &manager->fake->dp;
}

const struct links *manager_links(const struct manager *manager)
{
	return &manager->links;
}

const char *manager_out_of_sync(const struct manager *manager)
{
	return manager->out_of_sync;
}

struct announce_view manager_announces(const struct manager *manager)
{
	if (!manager->announce_table)
		return (struct announce_view){.state = "off", .reason = ""};
	return (struct announce_view){
		.table = manager->announce_table,
		.state = manager->desired->withdrawn ? "withdrawn" : "announcing",
		.reason = "",
		.withdrawn = manager->desired->withdrawn,
		.announced = 1,
		.routes = 2,
	};
}

/* That of VIPs of IPv4 is announced. */
bool manager_route(const struct manager *manager, const struct vip *vip,
		   struct announced_route *ret_route)
{
	bool ipv4 = address_is_ipv4(&vip->endpoint.address);

	if (!manager->announce_table)
		return false;
	*ret_route = (struct announced_route){
		.prefix = announce_prefix(vip),
		.announced = ipv4,
		.reason = ipv4 ? "" : "service six: 0 of 1 backends healthy, announce-min is 1",
		.since_ms = ipv4 ? 1795222923456 : 0,
	};
	return true;
}

struct prefix announce_prefix(const struct vip *vip)
{
	const struct address *address = &vip->endpoint.address;

	return (struct prefix){*address, (uint8_t)(address_bits(address) - vip->host_bits)};
}

uint64_t manager_table_digest(const struct manager *manager, const struct service_spec *service)
{
	(void)manager;
	return UINT64_C(0x1111111111110000) + service->id;
}

uint64_t manager_config_digest(const struct manager *manager, const struct service_spec *service)
{
	(void)manager;
	return UINT64_C(0x2222222222220000) + service->id;
}

uint64_t manager_seed_digest(const struct manager *manager)
{
	(void)manager;
	return UINT64_C(0x0123456789abcdef);
}

const struct lb_latency *manager_check_durations(const struct manager *manager,
						 const struct service_spec *service)
{
	return service->id == 1 ? &manager->checks : NULL;
}

double manager_build_seconds(const struct manager *manager)
{
	(void)manager;
	return 0.0125;
}

double manager_sync_seconds(const struct manager *manager)
{
	(void)manager;
	return 0.25;
}
