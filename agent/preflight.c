/* SPDX-License-Identifier: Apache-2.0 */
#include "preflight.h"

#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>

#include "dataplane_bpf.h"
#include "setup.h"
#include "store.h"

/* One line. The worst status is kept. */
__attribute__((format(printf, 4, 5))) static void say(enum preflight_status *worst,
						      enum preflight_status status,
						      const char *what, const char *format, ...)
{
	va_list args;

	printf("%-12s ", what);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	if (*worst != PREFLIGHT_REFUSED && status != PREFLIGHT_GOOD)
		*worst = status;
}

static void refuse(enum preflight_status *worst, const char *what, const struct error *err)
{
	say(worst, PREFLIGHT_REFUSED, what, "REFUSED: %s", err->message);
	if (err->hint[0])
		printf("%-12s try: %s\n", "", err->hint);
}

/* Returns the seed of the state; 0 if there is none. */
static uint64_t look_at_state(const struct options *options, enum preflight_status *worst)
{
	struct error warning = {0}, err = {0};
	enum store_found found = STORE_EMPTY;
	struct desired *desired = NULL;
	uint64_t seed;

	if (store_peek(options->state_dir, setup_accept_state, &desired, &found, &warning, &err)) {
		refuse(worst, "state", &err);
		return 0;
	}
	if (found == STORE_EMPTY || !desired) {
		say(worst, PREFLIGHT_GOOD, "state", "none: begins anew");
		return 0;
	}
	seed = desired->seed;
	say(worst, PREFLIGHT_GOOD, "state", "generation %llu, %zu services%s%s",
	    (unsigned long long)desired->generation, desired->service_count,
	    found == STORE_BACKUP ? "; " : "", found == STORE_BACKUP ? warning.message : "");
	desired_free(desired);
	return seed;
}

static void look_at_program(uint32_t mtu, enum preflight_status *worst)
{
	struct dataplane_selftest test;
	struct error err = {0};

	if (dataplane_bpf_selftest(mtu, &test, &err))
		refuse(worst, "self-test", &err);
	else
		say(worst, PREFLIGHT_GOOD, "self-test", "passed: %u cases, %u left out, %u ms",
		    test.cases, test.left_out, test.ms);
}

static void look_at_part(const struct carry *carry, enum carry_part part,
			 enum preflight_status *worst)
{
	const char *name = carry_part_name(part);

	if (carry->parts[part].way == CARRY_FORGOTTEN)
		say(worst, PREFLIGHT_LOSES, name, "FORGOTTEN: %s; %s", carry->parts[part].reason,
		    carry_consequence(part));
	else
		say(worst, PREFLIGHT_GOOD, name, "carried over");
}

static void look_at_maps(const struct dataplane_bpf_config *config, enum preflight_status *worst)
{
	struct error err = {0};
	enum carry_part part;
	struct carry carry;

	if (dataplane_bpf_examine(config, &carry, &err)) {
		refuse(worst, "maps", &err);
	} else if (!carry.former) {
		say(worst, PREFLIGHT_GOOD, "maps", "new: no former agent left any");
	} else if (carry.whole) {
		say(worst, PREFLIGHT_GOOD, "maps", "taken over as they are, with all flows");
	} else {
		say(worst, PREFLIGHT_GOOD, "maps", "new: %s; counters begin anew", carry.reason);
		for (part = 0; part < CARRY_PARTS; part++)
			look_at_part(&carry, part, worst);
	}
}

/* A bond's members are not looked at. */
static void look_at_interface(const struct options *options, const char *name,
			      enum preflight_status *worst)
{
	struct error err = {0};

	if (!if_nametoindex(name)) {
		say(worst, PREFLIGHT_REFUSED, name, "REFUSED: there is no such interface");
		return;
	}
	switch (dataplane_bpf_holder(options->bpffs, name, &err)) {
	case HOLDER_NONE:
		say(worst, PREFLIGHT_GOOD, name, "free: the program is attached");
		break;
	case HOLDER_US:
		say(worst, PREFLIGHT_GOOD, name, "ours: the program is swapped by one atomic step");
		break;
	case HOLDER_DISPATCHER:
		say(worst, PREFLIGHT_GOOD, name, "shared: the program joins the XDP dispatcher");
		break;
	case HOLDER_OTHER:
		refuse(worst, name, &err);
		break;
	}
}

enum preflight_status preflight(const struct options *options)
{
	enum preflight_status worst = PREFLIGHT_GOOD;
	struct dataplane_bpf_config config;
	struct error err = {0};
	uint64_t seed = look_at_state(options, &worst);
	size_t i;

	if (setup_seed(options, &seed, &err))
		refuse(&worst, "seed", &err);
	if (setup_dataplane(options, seed, &config, &err)) {
		refuse(&worst, "interfaces", &err);
		return worst;
	}
	look_at_program(config.mtu, &worst);
	look_at_maps(&config, &worst);
	for (i = 0; i < options->interface_count; i++)
		look_at_interface(options, options->interfaces[i], &worst);
	return worst;
}
