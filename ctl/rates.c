/* SPDX-License-Identifier: Apache-2.0 */
#include "rates.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

/* The rows of counters that both looks have. */
struct pair {
	const cJSON *before; /* NULL: none */
	const cJSON *after;
	double seconds;
};

/* A counter that is less than it was began anew: its backend was removed and added again. */
static double rate_of(const struct pair *pair, const char *key)
{
	double now = answer_number(pair->after, key), then;

	if (pair->before == NULL || !(pair->seconds > 0))
		return NAN;
	then = answer_number(pair->before, key);
	return (now >= then ? now - then : now) / pair->seconds;
}

/* The object in array whose `key` is what that of `like` is. They mostly stand in the same order:
 * *hint is where to look first, and is moved on. */
static const cJSON *find_like(const cJSON *array, const char *key, const cJSON *like,
			      const cJSON **hint)
{
	const char *text = answer_text(like, key);
	const cJSON *item = *hint;

	if (item == NULL || strcmp(answer_text(item, key), text) != 0) {
		cJSON_ArrayForEach (item, array) {
			if (strcmp(answer_text(item, key), text) == 0)
				break;
		}
	}
	*hint = item != NULL ? item->next : NULL;
	return item;
}

/* --- rows --- */

static struct rate_row backend_row(const char *service, const struct pair *pair)
{
	return (struct rate_row){
		.service = service,
		.backend = answer_text(pair->after, "address"),
		.status = answer_text(pair->after, "status"),
		.reason = answer_text(pair->after, "reason"),
		.share = answer_number(pair->after, "share"),
		.new_flows = rate_of(pair, "new-flows"),
		.packets = rate_of(pair, "packets"),
		.bytes = rate_of(pair, "bytes"),
		.retransmits = rate_of(pair, "syn-retransmits"),
		.flows = answer_number(pair->after, "active-flows"),
	};
}

/* Adds what is known; a sum of nothing known is not known either. */
static void add_to(double *sum, double value)
{
	if (!isnan(value))
		*sum = isnan(*sum) ? value : *sum + value;
}

/* The sums of the rows behind it, and their parts of them. */
static void sum_up(struct rate_row *service, size_t count)
{
	service->share = 1;
	service->actual = service->new_flows = service->retransmits = NAN;
	for (size_t i = 1; i <= count; i++) {
		add_to(&service->new_flows, service[i].new_flows);
		add_to(&service->retransmits, service[i].retransmits);
		service->flows += service[i].flows;
		service->up += strcmp(service[i].status, "up") == 0;
	}
	service->backends = count;
	for (size_t i = 1; i <= count; i++)
		service[i].actual =
			service->new_flows > 0 ? service[i].new_flows / service->new_flows : NAN;
}

/* Puts a service's row and those of its backends at rows. Returns how many. */
static size_t put_service(struct rate_row *rows, const struct pair *pair)
{
	const char *name = answer_text(pair->after, "name");
	const cJSON *earlier = pair->before ? answer_item(pair->before, "backends") : NULL;
	const cJSON *hint = earlier != NULL ? earlier->child : NULL, *backend;
	size_t count = 0;

	rows[0] = (struct rate_row){.service = name,
				    .status = "",
				    .reason = "",
				    .packets = rate_of(pair, "packets"),
				    .bytes = rate_of(pair, "bytes")};
	cJSON_ArrayForEach (backend, answer_item(pair->after, "backends")) {
		const struct pair inner = {
			.before = find_like(earlier, "address", backend, &hint),
			.after = backend,
			.seconds = pair->seconds,
		};

		rows[++count] = backend_row(name, &inner);
	}
	sum_up(rows, count);
	return count + 1;
}

static size_t count_rows(const cJSON *services)
{
	const cJSON *service;
	size_t count = 0;

	cJSON_ArrayForEach (service, services)
		count += 1 + (size_t)cJSON_GetArraySize(answer_item(service, "backends"));
	return count;
}

static void put_rows(const struct rate_look *before, const struct rate_look *after,
		     struct rates *rates)
{
	const cJSON *earlier = before ? answer_item(before->services, "services") : NULL;
	const cJSON *hint = earlier != NULL ? earlier->child : NULL, *service;

	cJSON_ArrayForEach (service, answer_item(after->services, "services")) {
		const struct pair pair = {
			.before = find_like(earlier, "name", service, &hint),
			.after = service,
			.seconds = before ? after->seconds - before->seconds : 0,
		};

		rates->row_count += put_service(&rates->rows[rates->row_count], &pair);
	}
}

static void put_drops(const struct rate_look *before, const struct rate_look *after,
		      struct rates *rates)
{
	const struct pair pair = {
		.before = before ? answer_item(before->status, "drops") : NULL,
		.after = answer_item(after->status, "drops"),
		.seconds = before ? after->seconds - before->seconds : 0,
	};
	const cJSON *drop;

	cJSON_ArrayForEach (drop, pair.after) {
		double packets = rate_of(&pair, drop->string);

		if (packets > 0)
			rates->drops[rates->drop_count++] =
				(struct rate_drop){drop->string, packets};
	}
}

int rates_make(const struct rate_look *before, const struct rate_look *after,
	       struct rates *ret_rates, struct error *err)
{
	size_t rows = count_rows(answer_item(after->services, "services"));
	size_t drops = (size_t)cJSON_GetArraySize(answer_item(after->status, "drops"));
	struct rates rates = {
		.rows = calloc(rows + 1, sizeof(*rates.rows)),
		.drops = calloc(drops + 1, sizeof(*rates.drops)),
	};

	if (rates.rows == NULL || rates.drops == NULL) {
		rates_clear(&rates);
		return error_set(err, ENOMEM, "out of memory");
	}
	put_rows(before, after, &rates);
	put_drops(before, after, &rates);
	*ret_rates = rates;
	return 0;
}

void rates_clear(struct rates *rates)
{
	free(rates->rows);
	free(rates->drops);
	*rates = (struct rates){0};
}

/* --- order --- */

const char *rate_order_name(enum rate_order order)
{
	static const char *const names[RATE_ORDERS] = {
		[RATE_ORDER_GIVEN] = "as added",     [RATE_ORDER_NEW] = "new flows",
		[RATE_ORDER_PACKETS] = "packets",    [RATE_ORDER_BYTES] = "bytes",
		[RATE_ORDER_FLOWS] = "active flows", [RATE_ORDER_RETRANSMITS] = "SYN retransmits",
	};

	return names[order];
}

/* A service's rows, or one row, with what they are sorted by and where they stood. */
struct sortable {
	size_t first, count;
	double value;
};

static double value_of(const struct rate_row *row, enum rate_order order)
{
	const double values[RATE_ORDERS] = {
		[RATE_ORDER_NEW] = row->new_flows,
		[RATE_ORDER_PACKETS] = row->packets,
		[RATE_ORDER_BYTES] = row->bytes,
		[RATE_ORDER_FLOWS] = row->flows,
		[RATE_ORDER_RETRANSMITS] = row->retransmits,
	};

	return isnan(values[order]) ? -1 : values[order];
}

static int compare(const void *a, const void *b)
{
	const struct sortable *left = a, *right = b;

	if (left->value != right->value)
		return left->value > right->value ? -1 : 1;
	return left->first < right->first ? -1 : left->first > right->first;
}

static int compare_reversed(const void *a, const void *b)
{
	const struct sortable *left = a, *right = b;

	if (left->value != right->value)
		return left->value < right->value ? -1 : 1;
	return left->first < right->first ? -1 : left->first > right->first;
}

/* The next service's rows, or its next backend. */
static size_t block_length(const struct rates *rates, size_t first)
{
	return rates->rows[first].backend == NULL ? rates->rows[first].backends + 1 : 1;
}

/* Sorts the blocks that rows first to end (exclusive) are made of. */
static void sort_blocks(struct rates *rates, struct rate_row *scratch, struct sortable *blocks,
			size_t first, size_t end, enum rate_order order, bool reversed)
{
	size_t count = 0, at = first;

	for (size_t i = first; i < end; i += block_length(rates, i))
		blocks[count++] = (struct sortable){i, block_length(rates, i),
						    value_of(&rates->rows[i], order)};
	qsort(blocks, count, sizeof(*blocks), reversed ? compare_reversed : compare);
	memcpy(scratch, rates->rows, rates->row_count * sizeof(*scratch));
	for (size_t i = 0; i < count; i++) {
		memcpy(&rates->rows[at], &scratch[blocks[i].first],
		       blocks[i].count * sizeof(*scratch));
		at += blocks[i].count;
	}
}

void rates_sort(struct rates *rates, enum rate_order order, bool reversed)
{
	struct rate_row *scratch = calloc(rates->row_count + 1, sizeof(*scratch));
	struct sortable *blocks = calloc(rates->row_count + 1, sizeof(*blocks));

	/* Without memory they stay as they are, which is an order too. */
	if (scratch != NULL && blocks != NULL && order != RATE_ORDER_GIVEN) {
		sort_blocks(rates, scratch, blocks, 0, rates->row_count, order, reversed);
		for (size_t i = 0; i < rates->row_count; i += block_length(rates, i))
			sort_blocks(rates, scratch, blocks, i + 1, i + block_length(rates, i),
				    order, reversed);
	}
	free(scratch);
	free(blocks);
}

/* --- document --- */

/* What is not known is null. */
static bool add_rate(cJSON *json, const char *key, double rate)
{
	return isnan(rate) ? cJSON_AddNullToObject(json, key) != NULL
			   : cJSON_AddNumberToObject(json, key, rate) != NULL;
}

static bool add_row(cJSON *json, const struct rate_row *row)
{
	return add_rate(json, "new-flows-per-second", row->new_flows) &&
	       add_rate(json, "packets-per-second", row->packets) &&
	       add_rate(json, "bytes-per-second", row->bytes) &&
	       add_rate(json, "syn-retransmits-per-second", row->retransmits) &&
	       add_rate(json, "active-flows", row->flows);
}

static bool add_backend(cJSON *backends, const struct rate_row *row)
{
	cJSON *json = cJSON_CreateObject();

	return cJSON_AddItemToArray(backends, json) &&
	       cJSON_AddStringToObject(json, "address", row->backend) != NULL &&
	       cJSON_AddStringToObject(json, "status", row->status) != NULL &&
	       add_rate(json, "share", row->share) && add_rate(json, "actual-share", row->actual) &&
	       add_row(json, row);
}

static bool add_rows(cJSON *services, const struct rates *rates)
{
	cJSON *backends = NULL;
	bool whole = services != NULL;

	for (size_t i = 0; whole && i < rates->row_count; i++) {
		const struct rate_row *row = &rates->rows[i];
		cJSON *json;

		if (row->backend != NULL) {
			whole = add_backend(backends, row);
			continue;
		}
		json = cJSON_CreateObject();
		whole = cJSON_AddItemToArray(services, json) &&
			cJSON_AddStringToObject(json, "name", row->service) != NULL &&
			add_row(json, row);
		backends = whole ? cJSON_AddArrayToObject(json, "backends") : NULL;
		whole = backends != NULL;
	}
	return whole;
}

cJSON *rates_json(const struct rates *rates, double seconds)
{
	cJSON *json = cJSON_CreateObject(), *drops;
	bool whole = cJSON_AddNumberToObject(json, "seconds", seconds) != NULL &&
		     add_rows(cJSON_AddArrayToObject(json, "services"), rates);

	drops = whole ? cJSON_AddObjectToObject(json, "drops-per-second") : NULL;
	whole = drops != NULL;
	for (size_t i = 0; whole && i < rates->drop_count; i++)
		whole = add_rate(drops, rates->drops[i].reason, rates->drops[i].packets);
	if (whole)
		return json;
	cJSON_Delete(json);
	return NULL;
}
