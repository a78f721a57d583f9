/* SPDX-License-Identifier: Apache-2.0 */

/* Every finding, on the fake manager's services and a machine made of plain fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "doctor.h"
#include "fake_manager.h"

/* --- a machine in good health --- */

struct patient {
	struct manager *manager;
	struct doctor_interface interfaces[2];
	struct doctor_address addresses[4];
	struct doctor_host host;
	struct doctor_report report;
};

static void add_address(struct patient *patient, const char *text, const char *network,
			const char *interface)
{
	struct doctor_address *place = &patient->addresses[patient->host.address_count++];
	struct error err;

	assert_int_equal(parse_address(text, &place->address, &err), 0);
	assert_int_equal(parse_prefix(network, &place->prefix, &err), 0);
	strcpy(place->interface, interface);
}

static void add_link(struct patient *patient, uint32_t ifindex, const char *name)
{
	struct rtnl_link link = {.ifindex = ifindex, .up = true, .mtu = 1500};

	strcpy(link.name, name);
	assert_int_equal(links_put(&patient->manager->links, &link), 1);
}

static int setup(void **state)
{
	static struct patient patient;
	struct lb_backend *backends;
	int i;

	patient = (struct patient){.manager = fake_manager_new()};
	patient.interfaces[0] = patient.interfaces[1] = (struct doctor_interface){
		.attached = {.name = "eth1", .ifindex = 7, .mode = "native", .attached_by = "link"},
		.driver = "ice",
		.up = true,
		.mtu = 1500,
	};
	strcpy(patient.interfaces[1].attached.name, "eth2");
	patient.interfaces[1].attached.ifindex = 8;
	patient.host = (struct doctor_host){
		.kernel = "6.1.0",
		.bpf_jit = 1,
		.interfaces = patient.interfaces,
		.interface_count = 2,
		.addresses = patient.addresses,
	};
	add_link(&patient, 7, "eth1");
	add_link(&patient, 8, "eth2");
	add_address(&patient, "198.18.0.1", "198.18.0.0/15", "eth1");
	add_address(&patient, "198.18.0.10", "198.18.0.10/32", "eth1");
	add_address(&patient, "2001:db8::10", "2001:db8::10/128", "eth1");
	patient.manager->fake->dp.mtu = 1500;
	patient.manager->views[2] = (struct backend_view){.status = BACKEND_UP, .reason = ""};
	backends = patient.manager->fake->dp.backends;
	for (i = 1; i <= FAKE_BACKENDS; i++)
		backends[i].hop =
			(struct lb_hop){.flags = LB_BACKEND_UP | LB_BACKEND_RESOLVED, .ifindex = 7};
	memset(patient.manager->fake->verdict_traffic, 0,
	       sizeof(patient.manager->fake->verdict_traffic));
	patient.manager->flows.nat = 0;
	patient.manager->desired->services[1].backends[0].weight = 1;
	*state = &patient;
	return 0;
}

static int teardown(void **state)
{
	struct patient *patient = *state;

	doctor_report_clear(&patient->report);
	fake_manager_free(patient->manager);
	return 0;
}

static void examine(struct patient *patient)
{
	doctor_report_clear(&patient->report);
	assert_int_equal(doctor_examine(patient->manager, &patient->host, &patient->report), 0);
}

/* Findings that are worse than a note. */
static size_t complaints(const struct patient *patient)
{
	size_t i, count = 0;

	for (i = 0; i < patient->report.count; i++)
		count += patient->report.findings[i].level >= DOCTOR_WARNING;
	return count;
}

/* Examines; the one complaint there is must be of this check and object and say and advise so. */
static void assert_complaint(struct patient *patient, enum doctor_level level, const char *check,
			     const char *object, const char *text, const char *advice)
{
	const struct doctor_finding *finding = NULL;
	size_t i;

	examine(patient);
	assert_int_equal(complaints(patient), 1);
	for (i = 0; i < patient->report.count; i++) {
		if (patient->report.findings[i].level >= DOCTOR_WARNING)
			finding = &patient->report.findings[i];
	}
	assert_non_null(finding);
	assert_int_equal(finding->level, level);
	assert_string_equal(finding->check, check);
	assert_string_equal(finding->object, object);
	assert_non_null(strstr(finding->text, text));
	assert_non_null(strstr(finding->advice, advice));
}

/* --- tests --- */

static void the_healthy_have_no_complaints(void **state)
{
	struct patient *patient = *state;

	patient->manager->fake->dp.sizes.backends = 100;
	examine(patient);
	assert_int_equal(complaints(patient), 0);
	assert_in_range(patient->report.count, 8, 40);
}

static void limits_that_are_nearly_reached(void **state)
{
	struct patient *patient = *state;

	/* The fake has room for as many backends as it has. */
	assert_complaint(patient, DOCTOR_WARNING, "limit", "backends", "3 of 3", "--max-backends");
	patient->manager->fake->dp.sizes.backends = 100;
	patient->manager->flows.nat = 2000;
	assert_complaint(patient, DOCTOR_WARNING, "limit", "nat-flows", "2000 of 2048",
			 "--nat-flows");
}

static int setup_roomy(void **state)
{
	int ret = setup(state);

	((struct patient *)*state)->manager->fake->dp.sizes.backends = 100;
	return ret;
}

static int teardown_roomy(void **state)
{
	((struct patient *)*state)->manager->fake->dp.sizes.backends = FAKE_BACKENDS;
	return teardown(state);
}

static void a_kernel_without_jit(void **state)
{
	struct patient *patient = *state;

	patient->host.bpf_jit = 0;
	assert_complaint(patient, DOCTOR_PROBLEM, "kernel", "", "interprets",
			 "net.core.bpf_jit_enable=1");
	patient->host.bpf_jit = DOCTOR_UNKNOWN;
	examine(patient);
	assert_int_equal(complaints(patient), 0);
}

static void out_of_sync(void **state)
{
	struct patient *patient = *state;

	patient->manager->out_of_sync = "map vips: full";
	assert_complaint(patient, DOCTOR_PROBLEM, "sync", "", "map vips: full", "log");
}

static void an_interface_that_is_down_or_slow(void **state)
{
	struct patient *patient = *state;

	patient->interfaces[0].up = false;
	assert_complaint(patient, DOCTOR_PROBLEM, "interface", "eth1", "down",
			 "ip link set dev eth1 up");
	patient->interfaces[0].up = true;
	patient->interfaces[1].attached.mode = "generic";
	assert_complaint(patient, DOCTOR_WARNING, "interface", "eth2", "slower", "native");
	patient->host.interface_count = 0;
	examine(patient);
	assert_true(complaints(patient) >= 1);
}

static void offloads_that_hurt(void **state)
{
	struct patient *patient = *state;
	struct doctor_interface *eth1 = &patient->interfaces[0];

	eth1->lro = 1;
	assert_complaint(patient, DOCTOR_PROBLEM, "offload", "eth1", "LRO",
			 "ethtool -K eth1 lro off");
	eth1->lro = 0;
	eth1->tx_checksum = 1; /* of a real NIC it helps */
	eth1->gro = 1;         /* behind native XDP it does no harm */
	eth1->rx_vlan = 1;     /* nor this, without VLANs */
	examine(patient);
	assert_int_equal(complaints(patient), 0);
	eth1->carries_vlans = true;
	assert_complaint(patient, DOCTOR_PROBLEM, "offload", "eth1", "VLAN", "rxvlan off");
	eth1->carries_vlans = false;
	strcpy(eth1->driver, "veth");
	assert_complaint(patient, DOCTOR_PROBLEM, "offload", "eth1", "checksum",
			 "ethtool -K eth1 tx off");
	eth1->tx_checksum = 0;
	eth1->attached.mode = "generic";
	examine(patient);
	assert_int_equal(complaints(patient), 2); /* slow, and merges */
}

static void vips_that_nobody_answers_for(void **state)
{
	struct patient *patient = *state;
	struct doctor_address *vip = &patient->addresses[1];
	struct error err;

	assert_int_equal(parse_address("198.18.0.3", &vip->address, &err), 0);
	examine(patient);
	assert_int_equal(complaints(patient), 2); /* tcp and udp */
	strcpy(vip->interface, "lo");
	assert_int_equal(parse_address("198.18.0.10", &vip->address, &err), 0);
	examine(patient);
	assert_int_equal(complaints(patient), 0);
	patient->interfaces[1].arp_ignore = 1;
	examine(patient);
	assert_int_equal(complaints(patient), 2);
}

static void a_vip_that_is_not_announced(void **state)
{
	struct patient *patient = *state;

	patient->manager->announce_table = 100;
	patient->host.address_count = 2; /* that of six is not ours */
	assert_complaint(patient, DOCTOR_WARNING, "vip", "tcp://[2001:db8::10]:*",
			 "not announced to routers: service six: 0 of 1", "");
	patient->manager->desired->withdrawn = true;
	assert_complaint(patient, DOCTOR_WARNING, "vip", "tcp://[2001:db8::10]:*", "not announced",
			 "lbctl announce");
}

static void a_vip_of_no_network_here_is_only_noted(void **state)
{
	struct patient *patient = *state;

	patient->host.address_count = 1;
	patient->addresses[0].prefix.length = 32;
	examine(patient);
	assert_int_equal(complaints(patient), 0);
}

static void backends_that_are_not_up(void **state)
{
	struct patient *patient = *state;
	struct lb_backend *record = &patient->manager->fake->dp.backends[2];

	patient->manager->views[2] =
		(struct backend_view){.status = BACKEND_DOWN, .reason = "HTTP status 503"};
	assert_complaint(patient, DOCTOR_PROBLEM, "backend", "web 198.18.1.12:80",
			 "down: HTTP status 503", "lbctl show web");
	record->hop.flags = 0;
	assert_complaint(patient, DOCTOR_PROBLEM, "backend", "web 198.18.1.12:80", "neighbour",
			 "ip neigh show to 198.18.1.12");
	patient->manager->views[2] = (struct backend_view){.status = BACKEND_NO_NEIGHBOUR,
							   .reason = "no route to 198.18.1.12"};
	assert_complaint(patient, DOCTOR_PROBLEM, "backend", "web 198.18.1.12:80", "no route",
			 "ip route get 198.18.1.12");
}

static void checks_that_go_another_way(void **state)
{
	struct patient *patient = *state;

	patient->manager->views[2] = (struct backend_view){.status = BACKEND_UP,
							   .reason = "",
							   .check_via = "address",
							   .check_via_reason = "no clsact"};
	assert_complaint(patient, DOCTOR_WARNING, "check", "web 198.18.1.12:80",
			 "not to the VIP as clients do: no clsact", "");
}

static void a_backend_on_the_balancer(void **state)
{
	struct patient *patient = *state;

	patient->manager->fake->dp.backends[3].hop =
		(struct lb_hop){.flags = LB_BACKEND_UP | LB_BACKEND_RESOLVED | LB_BACKEND_LOCAL};
	examine(patient);
	assert_int_equal(complaints(patient), 0);
}

static void a_service_without_backends_that_are_up(void **state)
{
	struct patient *patient = *state;

	patient->manager->views[3] = (struct backend_view){.status = BACKEND_MAINT, .reason = ""};
	assert_complaint(patient, DOCTOR_PROBLEM, "service", "six", "dropped", "lbctl show six");
	patient->manager->desired->services[1].backend_count = 0;
	assert_complaint(patient, DOCTOR_PROBLEM, "service", "six", "none of its 0",
			 "lbctl add backend six");
}

static void a_way_by_an_interface_without_the_program(void **state)
{
	struct patient *patient = *state;
	struct lb_hop *hop = &patient->manager->fake->dp.backends[3].hop;
	struct rtnl_link bond = {.ifindex = 10, .name = "bond0", .up = true, .mtu = 1500};
	struct rtnl_link member = {
		.ifindex = 7, .name = "eth1", .up = true, .mtu = 1500, .master = 10};

	add_link(patient, 9, "eth3");
	hop->ifindex = 9;
	assert_complaint(patient, DOCTOR_PROBLEM, "way", "six 2001:db8::11", "eth3",
			 "--interface eth3");
	links_put(&patient->manager->links, &bond);
	links_put(&patient->manager->links, &member);
	hop->ifindex = 10;
	examine(patient);
	assert_int_equal(complaints(patient), 0);
}

static void tunnels_that_packets_do_not_fit(void **state)
{
	struct patient *patient = *state;
	struct service_spec *web = &patient->manager->desired->services[0];
	struct lb_backend *backends = patient->manager->fake->dp.backends;

	web->mode = LB_MODE_GUE;
	backends[1].hop.mtu = 1600;
	backends[2].hop.mtu = 1500;
	examine(patient);
	assert_int_equal(complaints(patient), 0); /* senders are told */
	web->too_big = TOO_BIG_DROP;
	assert_complaint(patient, DOCTOR_PROBLEM, "mtu", "web", "more than 1468 bytes", "1532");
	backends[2].hop.mtu = 1532;
	examine(patient);
	assert_int_equal(complaints(patient), 0);
}

static void drops_that_clients_cannot_cause(void **state)
{
	struct patient *patient = *state;

	patient->manager->fake->verdict_traffic[LB_MALFORMED].packets = 5;
	examine(patient);
	assert_int_equal(complaints(patient), 0);
	patient->manager->fake->verdict_traffic[LB_NAT_PORTS].packets = 5;
	assert_complaint(patient, DOCTOR_WARNING, "drops", "nat_ports", "5 packets", "--nat-ports");
}

static void strict_filters_matter_with_two_interfaces(void **state)
{
	struct patient *patient = *state;
	size_t before;

	examine(patient);
	before = patient->report.count;
	patient->interfaces[0].rp_filter = 1;
	examine(patient);
	assert_int_equal(patient->report.count, before + 1);
	patient->host.interface_count = 1;
	examine(patient);
	assert_true(patient->report.count < before);
}

#define ROOMY(test) cmocka_unit_test_setup_teardown(test, setup_roomy, teardown_roomy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(limits_that_are_nearly_reached, setup,
						teardown_roomy),
		ROOMY(the_healthy_have_no_complaints),
		ROOMY(a_kernel_without_jit),
		ROOMY(out_of_sync),
		ROOMY(an_interface_that_is_down_or_slow),
		ROOMY(offloads_that_hurt),
		ROOMY(vips_that_nobody_answers_for),
		ROOMY(a_vip_of_no_network_here_is_only_noted),
		ROOMY(a_vip_that_is_not_announced),
		ROOMY(backends_that_are_not_up),
		ROOMY(checks_that_go_another_way),
		ROOMY(a_backend_on_the_balancer),
		ROOMY(a_service_without_backends_that_are_up),
		ROOMY(a_way_by_an_interface_without_the_program),
		ROOMY(tunnels_that_packets_do_not_fit),
		ROOMY(drops_that_clients_cannot_cause),
		ROOMY(strict_filters_matter_with_two_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
