/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_nexthop.h"

#define ADDRESSES_MAX 32

struct entry {
	struct address address;
	unsigned int watchers;
	bool routed;
	struct address source;
	struct nexthop hop;
};

struct nexthop_table {
	uv_loop_t *loop;
	nexthop_callback callback;
	void *context;
	struct entry entries[ADDRESSES_MAX];
	size_t count;
	void (*on_told)(void *context);
	void *on_told_context;
	void (*on_links)(void *context);
	void *on_links_context;
};

static const struct links no_links;
static struct nexthop_table table;

static struct entry *entry_of(const struct address *address)
{
	size_t i = 0;

	while (i < table.count && !address_equal(&table.entries[i].address, address))
		i++;
	if (i == table.count) {
		assert_true(table.count < ADDRESSES_MAX);
		table.entries[table.count++] = (struct entry){.address = *address};
	}
	return &table.entries[i];
}

static struct entry *entry_named(const char *text)
{
	struct address address;
	struct error err;

	assert_int_equal(parse_address(text, &address, &err), 0);
	return entry_of(&address);
}

/* --- for tests --- */

bool fake_nexthop_keep_routes;
struct rtnl_address fake_nexthop_addresses[FAKE_ADDRESSES];
size_t fake_nexthop_address_count;

void fake_nexthop_route(const char *address, const char *source)
{
	struct entry *entry = entry_named(address);
	struct error err;

	entry->routed = source != NULL;
	if (source)
		assert_int_equal(parse_address(source, &entry->source, &err), 0);
}

void fake_nexthop_note(const char *address, const struct nexthop *hop)
{
	struct entry *entry = entry_named(address);

	assert_true(entry->watchers > 0);
	entry->hop = *hop;
	table.callback(table.context, &entry->address, hop);
	table.on_told(table.on_told_context);
}

void fake_nexthop_tell(const char *address, const struct nexthop *hop)
{
	fake_nexthop_note(address, hop);
	uv_run(table.loop, UV_RUN_NOWAIT);
}

unsigned int fake_nexthop_watchers(const char *address)
{
	return entry_named(address)->watchers;
}

void fake_nexthop_tell_links(void)
{
	table.on_links(table.on_links_context);
	uv_run(table.loop, UV_RUN_NOWAIT);
}

/* --- nexthop.h --- */

const struct links *nexthop_links(const struct nexthop_table *asked)
{
	(void)asked;
	return &no_links;
}

void nexthop_on_told(struct nexthop_table *teller, void (*told)(void *context), void *context)
{
	teller->on_told = told;
	teller->on_told_context = context;
}

void nexthop_on_links(struct nexthop_table *told, void (*changed)(void *context), void *context)
{
	told->on_links = changed;
	told->on_links_context = context;
}

int nexthop_table_new(uv_loop_t *loop, nexthop_callback callback, void *context,
		      struct nexthop_table **ret_table, struct error *err)
{
	(void)err;
	if (!fake_nexthop_keep_routes)
		table = (struct nexthop_table){0};
	table.loop = loop;
	table.callback = callback;
	table.context = context;
	*ret_table = &table;
	return 0;
}

void nexthop_table_free(struct nexthop_table *freed)
{
	(void)freed;
}

int nexthop_watch(struct nexthop_table *watching, const struct address *address, struct error *err)
{
	(void)watching;
	(void)err;
	entry_of(address)->watchers++;
	return 0;
}

void nexthop_unwatch(struct nexthop_table *watching, const struct address *address)
{
	(void)watching;
	assert_true(entry_of(address)->watchers > 0);
	entry_of(address)->watchers--;
}

bool nexthop_source(struct nexthop_table *asked, const struct address *address,
		    struct address *ret_source)
{
	const struct entry *entry = entry_of(address);

	(void)asked;
	if (entry->routed)
		*ret_source = entry->source;
	return entry->routed;
}

const struct nexthop *nexthop_get(const struct nexthop_table *asked, const struct address *address)
{
	const struct entry *entry = entry_of(address);

	(void)asked;
	return entry->watchers ? &entry->hop : NULL;
}

bool nexthop_is_own(struct nexthop_table *asked, const struct address *address)
{
	size_t i;

	(void)asked;
	for (i = 0; i < fake_nexthop_address_count; i++) {
		if (address_equal(&fake_nexthop_addresses[i].address, address))
			return true;
	}
	return false;
}

const struct rtnl_address *nexthop_addresses(const struct nexthop_table *asked, size_t *ret_count)
{
	(void)asked;
	*ret_count = fake_nexthop_address_count;
	return fake_nexthop_addresses;
}
