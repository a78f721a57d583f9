/* SPDX-License-Identifier: Apache-2.0 */
#include "match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- services --- */

static int compare_services(const void *a, const void *b)
{
	const struct service_match *left = a, *right = b;

	return strcmp((left->former ?: left->next)->name, (right->former ?: right->next)->name);
}

/* Sorted, a pair stands side by side: makes one of the two. Returns how many are left. */
static size_t join_services(struct service_match *matches, size_t count)
{
	size_t joined = 0;

	for (size_t i = 0; i < count; i++) {
		struct service_match *last = joined ? &matches[joined - 1] : NULL;

		if (last && compare_services(last, &matches[i]) == 0) {
			last->former = last->former ?: matches[i].former;
			last->next = last->next ?: matches[i].next;
		} else {
			matches[joined++] = matches[i];
		}
	}
	return joined;
}

int match_services(const struct desired *former, const struct desired *next,
		   struct service_match **ret_matches, size_t *ret_count)
{
	size_t count = former->service_count + next->service_count;
	struct service_match *matches = calloc(count + 1, sizeof(*matches));

	if (!matches)
		return -ENOMEM;
	for (size_t i = 0; i < former->service_count; i++)
		matches[i].former = &former->services[i];
	for (size_t i = 0; i < next->service_count; i++)
		matches[former->service_count + i].next = &next->services[i];
	qsort(matches, count, sizeof(*matches), compare_services);
	*ret_count = join_services(matches, count);
	*ret_matches = matches;
	return 0;
}

/* --- backends --- */

static int compare_backends(const void *a, const void *b)
{
	const struct backend_match *left = a, *right = b;

	return endpoint_order(&(left->former ?: left->next)->endpoint,
			      &(right->former ?: right->next)->endpoint);
}

static size_t join_backends(struct backend_match *matches, size_t count)
{
	size_t joined = 0;

	for (size_t i = 0; i < count; i++) {
		struct backend_match *last = joined ? &matches[joined - 1] : NULL;

		if (last && compare_backends(last, &matches[i]) == 0) {
			last->former = last->former ?: matches[i].former;
			last->next = last->next ?: matches[i].next;
		} else {
			matches[joined++] = matches[i];
		}
	}
	return joined;
}

int match_backends(const struct service_spec *former, const struct service_spec *next,
		   struct backend_match **ret_matches, size_t *ret_count)
{
	size_t before = former ? former->backend_count : 0;
	size_t count = before + (next ? next->backend_count : 0);
	struct backend_match *matches = calloc(count + 1, sizeof(*matches));

	if (!matches)
		return -ENOMEM;
	for (size_t i = 0; i < before; i++)
		matches[i].former = &former->backends[i];
	for (size_t i = before; i < count; i++)
		matches[i].next = &next->backends[i - before];
	qsort(matches, count, sizeof(*matches), compare_backends);
	*ret_count = join_backends(matches, count);
	*ret_matches = matches;
	return 0;
}
