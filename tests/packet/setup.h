/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_SETUP_H
#define SLUICE_PACKET_SETUP_H

/* The setup lines of a case: option, service, backend. */
#include "case.h"

void setup_defaults(struct test_case *test);

/* The line `word REST`. -EINVAL: err says why. */
int parse_setup(const char *word, const char *rest, struct test_case *test, struct error *err);

/* Reads key=value pairs into *backend up to the end. */
int parse_backend_pairs(const char *at, struct case_backend *backend, struct error *err);

int find_service(const struct test_case *test, const char *name, size_t *ret_index,
		 struct error *err);
int find_backend(const struct test_case *test, const char *name, size_t *ret_index,
		 struct error *err);

#endif
