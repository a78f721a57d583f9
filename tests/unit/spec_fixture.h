/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SPEC_FIXTURE_H
#define SLUICE_SPEC_FIXTURE_H

/* Services for tests of pure modules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "desired.h"

static inline void add_vip(struct service_spec *spec, const char *text)
{
	struct error err;

	spec->vips = reallocarray(spec->vips, spec->vip_count + 1, sizeof(*spec->vips));
	assert_non_null(spec->vips);
	spec->vips[spec->vip_count] = (struct vip_spec){0};
	assert_int_equal(parse_vip(text, &spec->vips[spec->vip_count].vip, &err), 0);
	spec->vip_count++;
}

static inline struct service_spec make_service(const char *name, const char *vip)
{
	struct service_spec spec;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "%s", name);
	if (vip)
		add_vip(&spec, vip);
	return spec;
}

#endif
