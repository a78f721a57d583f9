/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Three things make a hop: the route to the address, the link it names, and the link-layer address
 * of the neighbour on it (a gateway, or the address itself). Links and neighbours in use are
 * mirrored here and kept true by events; routes are asked for, anew whenever they may have changed:
 * the kernel's route lookup is not for us to imitate. A route that changes can matter only to the
 * addresses in its prefix; these are found in an ordered array, so that a routing daemon's other
 * thousands cost next to nothing.
 */
#include "nexthop.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "rtnl.h"

/* How often a neighbour without a MAC is asked for, and how often one is looked at at all. */
#define ASK_MS      1000
/* How often one with a MAC is kept from going stale; the kernel holds it for true for 15 to 45 s.
 */
#define REFRESH_MS  12000
/* After a pass over routes, rest for so many times as long as it took, so that following them takes
 * a tenth of the time however fast they change; but not so long that a change is followed late. */
#define REST_FACTOR 9
#define REST_MAX_NS 50000000ULL

#define NUD_FIXED  (NUD_PERMANENT | NUD_NOARP)
#define NUD_USABLE (NUD_FIXED | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

LIST_HEAD(neighbour_list, neighbour);
LIST_HEAD(watched_list, watched);
TAILQ_HEAD(watched_queue, watched);

/* One neighbour that at least one watched address goes by. */
struct neighbour {
	uint32_t ifindex;
	struct address address;
	uint16_t state; /* the kernel's; NUD_NONE: it has no entry */
	bool has_mac;
	bool failed; /* asked for, and no answer came */
	uint8_t mac[6];
	int ask_error;        /* why it could not even be asked for; negative errno */
	uint64_t asked_at_ms; /* 0: never */
	struct watched_list users;
	LIST_ENTRY(neighbour) neighbours;
};

struct watched {
	struct address address;
	unsigned int watchers;
	/* The route: */
	struct neighbour *neighbour; /* NULL: local, or unroutable says why */
	bool local;
	bool on_link;
	struct address source;
	uint32_t route_mtu; /* 0: the route has none */
	char unroutable[sizeof(((struct nexthop *)NULL)->reason)];
	/* What the three make together, as last told: */
	struct nexthop hop;
	bool owed;     /* a callback, even if hop does not change */
	bool is_stale; /* its route may have changed */
	bool is_new;
	bool is_changed;
	LIST_ENTRY(watched) all;
	LIST_ENTRY(watched) users;    /* of neighbour */
	TAILQ_ENTRY(watched) fresh;   /* if is_new */
	TAILQ_ENTRY(watched) changed; /* if is_changed */
};

struct nexthop_table {
	uv_loop_t *loop;
	nexthop_callback callback;
	void *context;
	struct rtnl *rtnl;
	uv_poll_t events;
	uv_timer_t work;      /* for new addresses and for passes put off by REST_FACTOR */
	uv_timer_t tick;      /* to ask for neighbours again */
	unsigned int handles; /* still open */
	struct links links;
	struct rtnl_address *addresses;
	size_t address_count;
	void (*on_links)(void *context); /* NULL: nobody wants to know */
	void *on_links_context;
	void (*on_told)(void *context); /* NULL: likewise */
	void *on_told_context;
	bool links_changed; /* and on_links is owed a call */
	struct watched_list watched;
	struct neighbour_list neighbours;
	void *watched_tree;           /* the same by address (tsearch) */
	void *neighbour_tree;         /* by interface and address */
	struct watched_queue fresh;   /* not looked up yet */
	struct watched_queue changed; /* callback due */
	struct watched **ordered;     /* by address; NULL: to be made anew */
	size_t watched_count;
	bool routes_stale; /* any route may have changed */
	bool some_stale;   /* some are, each is marked */
	bool asks_due;     /* a neighbour may have to be asked for */
	bool lost;         /* links or neighbours are not mirrored in full */
	bool retry;        /* a route could not be asked for; that may pass */
	uint64_t rest_until_ns;
};

/* --- links --- */

static void on_link(struct nexthop_table *table, const struct rtnl_link *news)
{
	int changed = links_put(&table->links, news);

	if (changed < 0)
		table->lost = true;
	table->routes_stale |= changed != 0;
	table->links_changed |= changed != 0;
}

static void on_link_gone(struct nexthop_table *table, uint32_t ifindex)
{
	links_remove(&table->links, ifindex);
	table->routes_stale = true;
	table->links_changed = true;
}

const struct links *nexthop_links(const struct nexthop_table *table)
{
	return &table->links;
}

void nexthop_on_links(struct nexthop_table *table, void (*changed)(void *context), void *context)
{
	table->on_links = changed;
	table->on_links_context = context;
}

static void deliver_links(struct nexthop_table *table)
{
	if (!table->links_changed || table->lost || !table->on_links)
		return;
	table->links_changed = false;
	table->on_links(table->on_links_context);
}

/* --- what a hop is, from what is known --- */

static void say_unresolved(const struct neighbour *neighbour, const char *link, char *reason,
			   size_t size)
{
	bool ipv4 = address_is_ipv4(&neighbour->address);
	char address[ADDRESS_TEXT_MAX];

	format_address(&neighbour->address, address);
	if (neighbour->ask_error == -ENOBUFS)
		snprintf(reason, size,
			 "neighbour table full: raise net.%s.neigh.default.gc_thresh3",
			 ipv4 ? "ipv4" : "ipv6");
	else if (neighbour->ask_error)
		snprintf(reason, size, "cannot ask %s for %s: %s", link, address,
			 strerror(-neighbour->ask_error));
	else
		snprintf(reason, size, "no %s reply from %s on %s%s", ipv4 ? "ARP" : "NDP", address,
			 link, neighbour->failed ? "" : " yet");
}

/* The shorter of the route's MTU and that of its interface. */
static uint16_t path_mtu(const struct watched *watched, const struct rtnl_link *link)
{
	uint32_t mtu = link->mtu;

	if (watched->route_mtu && watched->route_mtu < mtu)
		mtu = watched->route_mtu;
	return mtu < UINT16_MAX ? (uint16_t)mtu : UINT16_MAX;
}

static struct nexthop describe(const struct nexthop_table *table, const struct watched *watched)
{
	const struct neighbour *neighbour = watched->neighbour;
	const struct rtnl_link *link;
	struct nexthop hop = {.resolved = false};
	struct links_way way;

	if (watched->local)
		return (struct nexthop){
			.resolved = true,
			.local = true,
			.on_link = true,
			.source = watched->address,
		};
	if (!neighbour) {
		memcpy(hop.reason, watched->unroutable, sizeof(hop.reason));
		return hop;
	}
	hop.device = neighbour->ifindex;
	if (links_way(&table->links, neighbour->ifindex, &way, hop.reason, sizeof(hop.reason)))
		return hop;
	link = links_find(&table->links, neighbour->ifindex);
	if (!neighbour->has_mac) {
		say_unresolved(neighbour, link->name, hop.reason, sizeof(hop.reason));
		return hop;
	}
	hop.resolved = true;
	hop.on_link = watched->on_link;
	hop.ifindex = way.ifindex;
	hop.vlan = way.vlan;
	hop.mtu = path_mtu(watched, link);
	memcpy(hop.dst_mac, neighbour->mac, 6);
	memcpy(hop.src_mac, link->mac, 6);
	hop.source = watched->source;
	return hop;
}

static bool hop_equal(const struct nexthop *a, const struct nexthop *b)
{
	return a->resolved == b->resolved && a->local == b->local && a->on_link == b->on_link &&
	       a->device == b->device && a->ifindex == b->ifindex && a->vlan == b->vlan &&
	       a->mtu == b->mtu && !memcmp(a->dst_mac, b->dst_mac, 6) &&
	       !memcmp(a->src_mac, b->src_mac, 6) && address_equal(&a->source, &b->source) &&
	       !strcmp(a->reason, b->reason);
}

/* Brings watched->hop up to date; the callback is called later, by deliver(). */
static void evaluate(struct nexthop_table *table, struct watched *watched)
{
	struct nexthop hop = describe(table, watched);

	if (!watched->owed && hop_equal(&hop, &watched->hop))
		return;
	watched->hop = hop;
	watched->owed = false;
	if (!watched->is_changed)
		TAILQ_INSERT_TAIL(&table->changed, watched, changed);
	watched->is_changed = true;
}

static void evaluate_users(struct nexthop_table *table, const struct neighbour *neighbour)
{
	struct watched *watched;

	for (watched = LIST_FIRST(&neighbour->users); watched; watched = LIST_NEXT(watched, users))
		evaluate(table, watched);
}

void nexthop_on_told(struct nexthop_table *table, void (*told)(void *context), void *context)
{
	table->on_told = told;
	table->on_told_context = context;
}

/* The callback may watch and unwatch: nothing here is held across it. */
static void deliver(struct nexthop_table *table)
{
	bool any = !TAILQ_EMPTY(&table->changed);
	struct watched *watched;

	while ((watched = TAILQ_FIRST(&table->changed))) {
		struct address address = watched->address;
		struct nexthop hop = watched->hop;

		TAILQ_REMOVE(&table->changed, watched, changed);
		watched->is_changed = false;
		table->callback(table->context, &address, &hop);
	}
	if (any && table->on_told)
		table->on_told(table->on_told_context);
}

/* --- neighbours --- */

static int compare_neighbours(const void *a, const void *b)
{
	const struct neighbour *left = a;
	const struct neighbour *right = b;

	if (left->ifindex != right->ifindex)
		return left->ifindex < right->ifindex ? -1 : 1;
	return memcmp(&left->address, &right->address, sizeof(left->address));
}

static struct neighbour *find_neighbour(const struct nexthop_table *table, uint32_t ifindex,
					const struct address *address)
{
	const struct neighbour key = {.ifindex = ifindex, .address = *address};
	struct neighbour *const *found = tfind(&key, &table->neighbour_tree, compare_neighbours);

	return found ? *found : NULL;
}

static void learn_neighbour(struct neighbour *neighbour, const struct rtnl_neighbour *news)
{
	neighbour->state = news->state;
	if (news->state & NUD_USABLE) {
		neighbour->failed = false;
		neighbour->has_mac = news->has_mac;
		memcpy(neighbour->mac, news->mac, 6);
	} else if (news->state & NUD_FAILED) {
		neighbour->failed = true;
		neighbour->has_mac = false;
	}
	/* Else it is being asked for; a MAC known from before stands until that fails. */
}

/* The kernel forgets neighbours that it sends nothing to, as when XDP does the sending. That is
 * no sign of a dead neighbour, so its MAC stands while it is asked for again. */
static void learn_neighbour_gone(struct neighbour *neighbour)
{
	neighbour->state = NUD_NONE;
}

/* Asks the kernel what it knows of the neighbour now. */
static void read_neighbour(struct nexthop_table *table, struct neighbour *neighbour)
{
	struct rtnl_neighbour news;
	int error = rtnl_get_neighbour(table->rtnl, neighbour->ifindex, &neighbour->address, &news);

	if (!error)
		learn_neighbour(neighbour, &news);
	else
		learn_neighbour_gone(neighbour);
}

/* Not all in the same second: the last byte tells neighbours apart well enough. */
static uint64_t ask_interval(const struct neighbour *neighbour)
{
	if (!(neighbour->state & NUD_USABLE))
		return ASK_MS;
	return REFRESH_MS + neighbour->address.ip.s6_addr[15] % 8U * 1000;
}

/*
 * Asks for the neighbour if it is time to. An entry that the operator or the interface gave
 * (NUD_FIXED) needs no asking and must not be touched, see rtnl_use_neighbour(); it is read
 * right before, because the event that tells of it may still be in the queue.
 */
static void ask_if_due(struct nexthop_table *table, struct neighbour *neighbour)
{
	uint64_t now = uv_now(table->loop);

	if (neighbour->state & NUD_FIXED)
		return;
	if (neighbour->asked_at_ms && now - neighbour->asked_at_ms < ask_interval(neighbour))
		return;
	neighbour->asked_at_ms = now;
	read_neighbour(table, neighbour);
	if (!(neighbour->state & NUD_FIXED))
		neighbour->ask_error =
			rtnl_use_neighbour(table->rtnl, neighbour->ifindex, &neighbour->address);
	evaluate_users(table, neighbour);
}

static void ask_all_due(struct nexthop_table *table)
{
	struct neighbour *neighbour;

	table->asks_due = false;
	for (neighbour = LIST_FIRST(&table->neighbours); neighbour;
	     neighbour = LIST_NEXT(neighbour, neighbours))
		ask_if_due(table, neighbour);
}

/* NULL: out of memory. */
static struct neighbour *neighbour_new(struct nexthop_table *table, uint32_t ifindex,
				       const struct address *address)
{
	struct neighbour *neighbour = calloc(1, sizeof(*neighbour));

	if (!neighbour)
		return NULL;
	neighbour->ifindex = ifindex;
	neighbour->address = *address;
	LIST_INIT(&neighbour->users);
	if (!tsearch(neighbour, &table->neighbour_tree, compare_neighbours)) {
		free(neighbour);
		return NULL;
	}
	LIST_INSERT_HEAD(&table->neighbours, neighbour, neighbours);
	ask_if_due(table, neighbour);
	return neighbour;
}

static void neighbour_free(struct nexthop_table *table, struct neighbour *neighbour)
{
	LIST_REMOVE(neighbour, neighbours);
	tdelete(neighbour, &table->neighbour_tree, compare_neighbours);
	free(neighbour);
}

/* Makes watched a user of neighbour (which may be NULL); frees the former one with its last user.
 */
static void set_neighbour(struct nexthop_table *table, struct watched *watched,
			  struct neighbour *neighbour)
{
	struct neighbour *former = watched->neighbour;

	if (former == neighbour)
		return;
	if (former)
		LIST_REMOVE(watched, users);
	watched->neighbour = neighbour;
	if (neighbour)
		LIST_INSERT_HEAD(&neighbour->users, watched, users);
	if (former && LIST_EMPTY(&former->users))
		neighbour_free(table, former);
}

/* --- routes --- */

/* Says in watched->unroutable why route leads nowhere. False: it is a way out. */
static bool refuse_route(struct watched *watched, const struct rtnl_route *route)
{
	char *reason = watched->unroutable;
	const size_t size = sizeof(watched->unroutable);
	char address[ADDRESS_TEXT_MAX];

	format_address(&watched->address, address);
	switch (route->type) {
	case RTN_UNICAST:
		if (route->has_source)
			return false;
		snprintf(reason, size, "no source address towards %s", address);
		return true;
	case RTN_BROADCAST:
	case RTN_MULTICAST:
	case RTN_ANYCAST:
		snprintf(reason, size, "%s is not a unicast address", address);
		return true;
	default:
		snprintf(reason, size, "no route to %s", address);
		return true;
	}
}

static void refuse_error(struct nexthop_table *table, struct watched *watched, int error)
{
	char address[ADDRESS_TEXT_MAX];

	format_address(&watched->address, address);
	switch (error) {
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EACCES:
	case -EINVAL:
		snprintf(watched->unroutable, sizeof(watched->unroutable), "no route to %s",
			 address);
		break;
	default:
		snprintf(watched->unroutable, sizeof(watched->unroutable), "route to %s: %s",
			 address, strerror(-error));
		table->retry = true;
	}
}

/* Asks for the route to a watched address. */
static void look_up(struct nexthop_table *table, struct watched *watched)
{
	struct neighbour *neighbour = NULL;
	struct rtnl_route route;
	int error = rtnl_get_route(table->rtnl, &watched->address, &route);

	watched->local = !error && route.type == RTN_LOCAL;
	if (error) {
		refuse_error(table, watched, error);
	} else if (!watched->local && !refuse_route(watched, &route)) {
		const struct address *via = route.has_gateway ? &route.gateway : &watched->address;
		neighbour = find_neighbour(table, route.ifindex, via);
		if (!neighbour)
			neighbour = neighbour_new(table, route.ifindex, via);
		if (!neighbour)
			refuse_error(table, watched, -ENOMEM);
		watched->on_link = !route.has_gateway;
		watched->source = route.source;
		watched->route_mtu = route.mtu;
	}
	set_neighbour(table, watched, neighbour);
	evaluate(table, watched);
}

static bool addresses_equal(const struct nexthop_table *table, const struct rtnl_address *news,
			    size_t count)
{
	const struct rtnl_address *known = table->addresses;
	size_t i;

	if (count != table->address_count)
		return false;
	for (i = 0; i < count; i++) {
		if (known[i].ifindex != news[i].ifindex || known[i].source != news[i].source ||
		    !address_equal(&known[i].address, &news[i].address))
			return false;
	}
	return true;
}

/* The machine's addresses, anew. */
static void read_addresses(struct nexthop_table *table)
{
	struct rtnl_address *addresses;
	struct watched *watched;
	size_t count;

	if (rtnl_get_addresses(table->rtnl, &addresses, &count)) {
		table->retry = true;
		return;
	}
	if (!addresses_equal(table, addresses, count)) {
		for (watched = LIST_FIRST(&table->watched); watched;
		     watched = LIST_NEXT(watched, all))
			watched->owed = true;
	}
	free(table->addresses);
	table->addresses = addresses;
	table->address_count = count;
}

static bool any_stale(const struct nexthop_table *table)
{
	return table->routes_stale || table->some_stale;
}

static void look_up_stale(struct nexthop_table *table)
{
	uint64_t start = uv_hrtime(), end, rest;
	bool all = table->routes_stale;
	struct watched *watched;

	table->routes_stale = table->some_stale = false;
	if (all)
		read_addresses(table);
	for (watched = LIST_FIRST(&table->watched); watched; watched = LIST_NEXT(watched, all)) {
		if (!all && !watched->is_stale)
			continue;
		watched->is_stale = false;
		look_up(table, watched);
	}
	end = uv_hrtime();
	rest = REST_FACTOR * (end - start);
	table->rest_until_ns = end + (rest < REST_MAX_NS ? rest : REST_MAX_NS);
}

static void look_up_new(struct nexthop_table *table)
{
	struct watched *watched;

	while ((watched = TAILQ_FIRST(&table->fresh))) {
		TAILQ_REMOVE(&table->fresh, watched, fresh);
		watched->is_new = false;
		look_up(table, watched);
	}
}

/* --- the loop --- */

static void on_work(uv_timer_t *timer);

/* Plans the next work() for what this one left. */
static void plan_work(struct nexthop_table *table)
{
	uint64_t now = uv_hrtime();
	uint64_t rest_ms = 0;

	if (TAILQ_EMPTY(&table->fresh) && !any_stale(table))
		return;
	if (TAILQ_EMPTY(&table->fresh) && now < table->rest_until_ns)
		rest_ms = (table->rest_until_ns - now) / 1000000 + 1;
	uv_timer_start(&table->work, on_work, rest_ms, 0);
}

static void work(struct nexthop_table *table)
{
	look_up_new(table);
	if (any_stale(table) && uv_hrtime() >= table->rest_until_ns)
		look_up_stale(table);
	if (table->asks_due)
		ask_all_due(table);
	deliver_links(table);
	deliver(table);
	plan_work(table);
}

static void on_work(uv_timer_t *timer)
{
	work(timer->data);
}

static void on_neighbour(struct nexthop_table *table, const struct rtnl_event *event)
{
	const struct rtnl_neighbour *news = &event->neighbour;
	struct neighbour *neighbour = find_neighbour(table, news->ifindex, &news->address);

	if (!neighbour)
		return;
	if (event->kind == RTNL_NEIGHBOUR)
		learn_neighbour(neighbour, news);
	else
		learn_neighbour_gone(neighbour);
	table->asks_due |= event->kind == RTNL_NEIGHBOUR_GONE;
	evaluate_users(table, neighbour);
}

static int compare_ordered(const void *a, const void *b)
{
	struct watched *const *left = a, *const *right = b;

	return memcmp(&(*left)->address, &(*right)->address, sizeof((*left)->address));
}

static void put_in_order(struct nexthop_table *table)
{
	struct watched *watched;
	size_t i = 0;

	table->ordered = calloc(table->watched_count, sizeof(struct watched *));
	if (!table->ordered)
		return;
	for (watched = LIST_FIRST(&table->watched); watched; watched = LIST_NEXT(watched, all))
		table->ordered[i++] = watched;
	qsort(table->ordered, i, sizeof(struct watched *), compare_ordered);
}

static bool is_in(const struct address *address, const struct prefix *prefix)
{
	const uint8_t *a = address->ip.s6_addr, *b = prefix->address.ip.s6_addr;
	unsigned int bits = prefix->length + 128U - address_bits(&prefix->address);
	unsigned int rest = bits % 8;

	return bits <= 128 && memcmp(a, b, bits / 8) == 0 &&
	       (rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0);
}

static void on_route(struct nexthop_table *table, const struct prefix *prefix)
{
	size_t low = 0, high = table->watched_count, middle;

	if (!table->ordered && table->watched_count)
		put_in_order(table);
	if (!table->ordered) {
		table->routes_stale |= table->watched_count != 0;
		return;
	}
	while (low < high) {
		middle = low + (high - low) / 2;
		if (memcmp(&table->ordered[middle]->address, &prefix->address,
			   sizeof(prefix->address)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < table->watched_count && is_in(&table->ordered[low]->address, prefix); low++)
		table->ordered[low]->is_stale = table->some_stale = true;
}

static void on_event(void *context, const struct rtnl_event *event)
{
	struct nexthop_table *table = context;

	switch (event->kind) {
	case RTNL_LINK:
		on_link(table, &event->link);
		break;
	case RTNL_LINK_GONE:
		on_link_gone(table, event->link.ifindex);
		break;
	case RTNL_NEIGHBOUR:
	case RTNL_NEIGHBOUR_GONE:
		on_neighbour(table, event);
		break;
	case RTNL_ROUTE:
		on_route(table, &event->prefix);
		break;
	case RTNL_ROUTING:
		table->routes_stale = true;
		break;
	}
}

/* Events were lost: everything that they could have told is read anew. */
static void resync(struct nexthop_table *table)
{
	struct neighbour *neighbour;

	links_clear(&table->links);
	table->links_changed = true;
	table->lost = rtnl_dump_links(table->rtnl, on_event, table) < 0;
	for (neighbour = LIST_FIRST(&table->neighbours); neighbour;
	     neighbour = LIST_NEXT(neighbour, neighbours))
		read_neighbour(table, neighbour);
	table->routes_stale = true;
}

static void on_tick(uv_timer_t *timer)
{
	struct nexthop_table *table = timer->data;

	if (table->lost)
		resync(table);
	table->routes_stale |= table->retry;
	table->retry = false;
	table->asks_due = true;
	work(table);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct nexthop_table *table = poll->data;

	(void)status; /* an error is met again, and told apart, by reading */
	(void)events;
	if (rtnl_read_events(table->rtnl, on_event, table) < 0)
		resync(table);
	work(table);
}

/* --- the table --- */

static int start_handles(struct nexthop_table *table)
{
	uv_loop_t *loop = table->loop;
	int error = uv_poll_init(loop, &table->events, rtnl_event_fd(table->rtnl));

	if (error)
		return error;
	uv_timer_init(loop, &table->work);
	uv_timer_init(loop, &table->tick);
	table->handles = 3;
	table->events.data = table->work.data = table->tick.data = table;
	uv_timer_start(&table->tick, on_tick, ASK_MS, ASK_MS);
	return uv_poll_start(&table->events, UV_READABLE, on_readable);
}

int nexthop_table_new(uv_loop_t *loop, nexthop_callback callback, void *context,
		      struct nexthop_table **ret_table, struct error *err)
{
	struct nexthop_table *table = calloc(1, sizeof(*table));
	int error;

	if (!table)
		return error_set(err, ENOMEM, "next hops: out of memory");
	table->loop = loop;
	table->callback = callback;
	table->context = context;
	TAILQ_INIT(&table->fresh);
	TAILQ_INIT(&table->changed);
	error = rtnl_open(&table->rtnl);
	if (!error)
		error = rtnl_dump_links(table->rtnl, on_event, table);
	if (!error)
		error = rtnl_get_addresses(table->rtnl, &table->addresses, &table->address_count);
	if (!error)
		error = start_handles(table);
	if (error) {
		nexthop_table_free(table);
		return error_set(err, -error, "next hops: rtnetlink: %s", strerror(-error));
	}
	*ret_table = table;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct nexthop_table *table = handle->data;

	if (--table->handles == 0)
		free(table);
}

static void watched_free(struct nexthop_table *table, struct watched *watched);

void nexthop_table_free(struct nexthop_table *table)
{
	if (!table)
		return;
	while (!LIST_EMPTY(&table->watched))
		watched_free(table, LIST_FIRST(&table->watched));
	links_clear(&table->links);
	free(table->addresses);
	if (table->handles) {
		uv_close((uv_handle_t *)&table->events, on_handle_closed);
		uv_close((uv_handle_t *)&table->work, on_handle_closed);
		uv_close((uv_handle_t *)&table->tick, on_handle_closed);
	}
	rtnl_close(table->rtnl);
	if (!table->handles)
		free(table);
}

/* --- watched addresses --- */

static int compare_watched(const void *a, const void *b)
{
	const struct watched *left = a;
	const struct watched *right = b;

	return memcmp(&left->address, &right->address, sizeof(left->address));
}

static struct watched *find_watched(const struct nexthop_table *table,
				    const struct address *address)
{
	const struct watched key = {.address = *address};
	struct watched *const *found = tfind(&key, &table->watched_tree, compare_watched);

	return found ? *found : NULL;
}

static void forget_order(struct nexthop_table *table)
{
	free(table->ordered);
	table->ordered = NULL;
}

static struct watched *watched_new(struct nexthop_table *table, const struct address *address)
{
	struct watched *watched = calloc(1, sizeof(*watched));

	if (!watched)
		return NULL;
	watched->address = *address;
	snprintf(watched->hop.reason, sizeof(watched->hop.reason), "not looked up yet");
	if (!tsearch(watched, &table->watched_tree, compare_watched)) {
		free(watched);
		return NULL;
	}
	LIST_INSERT_HEAD(&table->watched, watched, all);
	table->watched_count++;
	forget_order(table);
	return watched;
}

static void watched_free(struct nexthop_table *table, struct watched *watched)
{
	set_neighbour(table, watched, NULL);
	if (watched->is_new)
		TAILQ_REMOVE(&table->fresh, watched, fresh);
	if (watched->is_changed)
		TAILQ_REMOVE(&table->changed, watched, changed);
	LIST_REMOVE(watched, all);
	table->watched_count--;
	forget_order(table);
	tdelete(watched, &table->watched_tree, compare_watched);
	free(watched);
}

int nexthop_watch(struct nexthop_table *table, const struct address *address, struct error *err)
{
	struct watched *watched = find_watched(table, address);
	char text[ADDRESS_TEXT_MAX];

	if (!watched)
		watched = watched_new(table, address);
	if (!watched)
		return error_set(err, ENOMEM, "next hop of %s: out of memory",
				 format_address(address, text));
	watched->watchers++;
	watched->owed = true;
	if (!watched->is_new)
		TAILQ_INSERT_TAIL(&table->fresh, watched, fresh);
	watched->is_new = true;
	uv_timer_start(&table->work, on_work, 0, 0);
	return 0;
}

void nexthop_unwatch(struct nexthop_table *table, const struct address *address)
{
	struct watched *watched = find_watched(table, address);

	if (watched && --watched->watchers == 0)
		watched_free(table, watched);
}

const struct nexthop *nexthop_get(const struct nexthop_table *table, const struct address *address)
{
	const struct watched *watched = find_watched(table, address);

	return watched ? &watched->hop : NULL;
}

bool nexthop_source(struct nexthop_table *table, const struct address *address,
		    struct address *ret_source)
{
	const struct watched *watched = find_watched(table, address);
	struct rtnl_route route;

	if (watched && watched->neighbour) {
		*ret_source = watched->source;
		return true;
	}
	if (rtnl_get_route(table->rtnl, address, &route) < 0 || route.type != RTN_UNICAST ||
	    !route.has_source)
		return false;
	*ret_source = route.source;
	return true;
}

bool nexthop_is_own(struct nexthop_table *table, const struct address *address)
{
	struct rtnl_route route;

	return rtnl_get_route(table->rtnl, address, &route) == 0 && route.type == RTN_LOCAL;
}

const struct rtnl_address *nexthop_addresses(const struct nexthop_table *table, size_t *ret_count)
{
	*ret_count = table->address_count;
	return table->addresses;
}
