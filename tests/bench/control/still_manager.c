/* SPDX-License-Identifier: Apache-2.0 */
#include "still_manager.h"

const struct desired *manager_desired(const struct manager *manager)
{
	return manager->desired;
}

struct dataplane *manager_dataplane(const struct manager *manager)
{
	return &manager->fake->dp;
}

const struct flow_counts *manager_flows(const struct manager *manager)
{
	return &manager->flows;
}

struct service_load manager_load(const struct manager *manager, const struct service_spec *service)
{
	(void)manager;
	(void)service;
	return (struct service_load){0};
}

bool manager_panics(const struct manager *manager, const struct service_spec *service)
{
	(void)manager;
	(void)service;
	return false;
}

struct backend_view manager_backend(const struct manager *manager, const struct backend_spec *spec)
{
	(void)manager;
	return (struct backend_view){
		.status = BACKEND_UP,
		.reason = "",
		.check_via = "address",
		.check_via_reason = "",
		.share = 1.0 / 7,
		.weight = spec->weight,
		.active_flows = 100,
		.checks_passed = 1000,
	};
}

const char *backend_status_name(enum backend_status status)
{
	return status == BACKEND_UP ? "up" : "";
}

const struct lb_latency *manager_check_durations(const struct manager *manager,
						 const struct service_spec *service)
{
	(void)service;
	return &manager->checks;
}

const char *manager_out_of_sync(const struct manager *manager)
{
	(void)manager;
	return NULL;
}

double manager_build_seconds(const struct manager *manager)
{
	(void)manager;
	return 0.001;
}

double manager_sync_seconds(const struct manager *manager)
{
	(void)manager;
	return 0.01;
}

struct announce_view manager_announces(const struct manager *manager)
{
	(void)manager;
	return (struct announce_view){.state = "off", .reason = ""};
}

bool manager_route(const struct manager *manager, const struct vip *vip,
		   struct announced_route *ret_route)
{
	(void)manager;
	(void)vip;
	(void)ret_route;
	return false;
}

struct prefix announce_prefix(const struct vip *vip)
{
	return (struct prefix){vip->endpoint.address, address_bits(&vip->endpoint.address)};
}

uint64_t manager_table_digest(const struct manager *manager, const struct service_spec *service)
{
	(void)manager;
	return service->id;
}

uint64_t manager_config_digest(const struct manager *manager, const struct service_spec *service)
{
	(void)manager;
	return service->id;
}

uint64_t manager_seed_digest(const struct manager *manager)
{
	(void)manager;
	return 1;
}

size_t manager_sources(const struct manager *manager, const struct service_spec *service, bool deny)
{
	(void)manager;
	(void)service;
	(void)deny;
	return 0;
}

bool manager_sources_loading(const struct manager *manager, const struct service_spec *service)
{
	(void)manager;
	(void)service;
	return false;
}
