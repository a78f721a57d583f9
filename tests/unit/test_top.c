/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl top's pure parts: rates from two looks, their order, and the picture of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../ctl/frame.h"
#include "../../ctl/rates.h"

/* A backend's counters; all others follow from `n`. */
#define BACKEND(address, status, share, n)                                                         \
	"{\"address\":\"" address "\",\"status\":\"" status "\",\"reason\":\"\",\"share\":" share  \
	",\"active-flows\":" n ",\"new-flows\":" n ",\"packets\":" n "0,\"bytes\":" n              \
	"00,\"syn-retransmits\":" n "}"
#define SERVICE(name, n, backends)                                                                 \
	"{\"name\":\"" name "\",\"packets\":" n "0,\"bytes\":" n "00,\"backends\":[" backends "]}"
#define STATUS(drops)                                                                              \
	"{\"version\":\"1\",\"uptime-seconds\":60,\"generation\":7,\"in-sync\":true,"              \
	"\"limits\":{\"flows\":1048576,\"nat-flows\":262144},"                                     \
	"\"used\":{\"flows\":20,\"nat-flows\":10},\"drops\":" drops "}"

static struct rate_look look(const char *services, const char *status, double seconds)
{
	struct rate_look look = {.services = cJSON_Parse(services),
				 .status = cJSON_Parse(status),
				 .seconds = seconds};

	assert_non_null(look.services);
	assert_non_null(look.status);
	return look;
}

static void forget(struct rate_look *look)
{
	cJSON_Delete(look->services);
	cJSON_Delete(look->status);
}

static const char before_text[] = "{\"services\":[" SERVICE(
	"web", "100",
	BACKEND("198.18.1.11:80", "up", "0.5", "100") "," BACKEND(
		"198.18.1.12:80", "up", "0.5", "100")) "," SERVICE("shop", "100",
								   BACKEND("198.18.1.13:80", "up",
									   "1", "100")) "]}";
static const char after_text[] = "{\"services\":[" SERVICE(
	"web", "160",
	BACKEND("198.18.1.11:80", "up", "0.5", "120") "," BACKEND(
		"198.18.1.12:80", "down", "0.5", "140")) "," SERVICE("shop", "300",
								     BACKEND("198.18.1.13:80", "up",
									     "1", "300")) "]}";

/* The rates of two looks, 2 s apart. */
static void make(const char *before_services, const char *after_services, struct rate_look looks[2],
		 struct rates *ret_rates)
{
	struct error err;

	looks[0] = look(before_services, STATUS("{\"no_backend\":5,\"ttl\":1}"), 10);
	looks[1] = look(after_services, STATUS("{\"no_backend\":15,\"ttl\":1}"), 12);
	assert_int_equal(rates_make(&looks[0], &looks[1], ret_rates, &err), 0);
}

static void done(struct rate_look looks[2], struct rates *rates)
{
	rates_clear(rates);
	forget(&looks[0]);
	forget(&looks[1]);
}

static void assert_is(double got, double expected)
{
	assert_true(fabs(got - expected) < 1e-9);
}

static void rates_are_a_second(void **state)
{
	struct rate_look looks[2];
	struct rates rates;

	(void)state;
	make(before_text, after_text, looks, &rates);
	assert_int_equal(rates.row_count, 5);
	assert_null(rates.rows[0].backend);
	assert_string_equal(rates.rows[0].service, "web");
	assert_is(rates.rows[0].packets, 300);
	assert_is(rates.rows[0].bytes, 3000);
	assert_is(rates.rows[0].new_flows, 30);
	assert_is(rates.rows[0].retransmits, 30);
	assert_is(rates.rows[0].flows, 260);
	assert_int_equal(rates.rows[0].backends, 2);
	assert_int_equal(rates.rows[0].up, 1);
	assert_string_equal(rates.rows[1].backend, "198.18.1.11:80");
	assert_is(rates.rows[1].new_flows, 10);
	assert_is(rates.rows[1].actual, 1.0 / 3);
	assert_is(rates.rows[1].share, 0.5);
	assert_is(rates.rows[2].actual, 2.0 / 3);
	assert_string_equal(rates.rows[3].service, "shop");
	assert_int_equal(rates.drop_count, 1);
	assert_string_equal(rates.drops[0].reason, "no_backend");
	assert_is(rates.drops[0].packets, 5);
	done(looks, &rates);
}

static void nothing_is_known_of_one_look(void **state)
{
	struct rate_look now = look(after_text, STATUS("{\"ttl\":1}"), 12);
	struct rates rates;
	struct error err;

	(void)state;
	assert_int_equal(rates_make(NULL, &now, &rates, &err), 0);
	assert_true(isnan(rates.rows[0].packets));
	assert_true(isnan(rates.rows[0].new_flows));
	assert_true(isnan(rates.rows[1].actual));
	assert_is(rates.rows[1].flows, 120);
	assert_int_equal(rates.drop_count, 0);
	rates_clear(&rates);
	forget(&now);
}

/* A backend that is new, one that began anew, others in another order, a service that has gone. */
static void what_changes_meanwhile(void **state)
{
	static const char after[] = "{\"services\":[" SERVICE(
		"web", "160",
		BACKEND("198.18.1.12:80", "up", "0.5", "120") "," BACKEND(
			"198.18.1.14:80", "up", "0.5", "50") "," BACKEND("198.18.1.11:80", "up",
									 "0.5", "20")) "]}";
	struct rate_look looks[2];
	struct rates rates;

	(void)state;
	make(before_text, after, looks, &rates);
	assert_int_equal(rates.row_count, 4);
	assert_is(rates.rows[1].new_flows, 10);
	assert_true(isnan(rates.rows[2].new_flows));
	assert_is(rates.rows[3].new_flows, 10);
	assert_is(rates.rows[0].new_flows, 20);
	done(looks, &rates);
}

static void no_flows_are_no_share(void **state)
{
	struct rate_look looks[2];
	struct rates rates;

	(void)state;
	make(before_text, before_text, looks, &rates);
	assert_is(rates.rows[1].new_flows, 0);
	assert_true(isnan(rates.rows[1].actual));
	done(looks, &rates);
}

static void assert_order(const struct rates *rates, const char *expected)
{
	char text[256] = "";

	for (size_t i = 0; i < rates->row_count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 rates->rows[i].backend ? strrchr(rates->rows[i].backend, '.') + 1
						: rates->rows[i].service);
	assert_string_equal(text, expected);
}

static void rows_are_sorted_within_theirs(void **state)
{
	struct rate_look looks[2];
	struct rates rates;

	(void)state;
	make(before_text, after_text, looks, &rates);
	rates_sort(&rates, RATE_ORDER_GIVEN, true);
	assert_order(&rates, "web 11:80 12:80 shop 13:80");
	rates_sort(&rates, RATE_ORDER_NEW, false);
	assert_order(&rates, "shop 13:80 web 12:80 11:80");
	rates_sort(&rates, RATE_ORDER_BYTES, true);
	assert_order(&rates, "web 11:80 12:80 shop 13:80");
	for (int order = 0; order < RATE_ORDERS; order++)
		assert_true(rate_order_name((enum rate_order)order)[0] != '\0');
	done(looks, &rates);
}

static void rates_have_a_document(void **state)
{
	struct rate_look looks[2];
	struct rates rates;
	cJSON *json;
	char *text;

	(void)state;
	make("{\"services\":[]}",
	     "{\"services\":[" SERVICE("web", "1", BACKEND("198.18.1.11:80", "up", "1", "7")) "]}",
	     looks, &rates);
	json = rates_json(&rates, 2);
	text = cJSON_PrintUnformatted(json);
	assert_string_equal(
		text,
		"{\"seconds\":2,\"services\":[{\"name\":\"web\",\"new-flows-per-second\":null,"
		"\"packets-per-second\":null,\"bytes-per-second\":null,"
		"\"syn-retransmits-per-second\":null,\"active-flows\":7,\"backends\":["
		"{\"address\":\"198.18.1.11:80\",\"status\":\"up\",\"share\":1,"
		"\"actual-share\":null,\"new-flows-per-second\":null,\"packets-per-second\":null,"
		"\"bytes-per-second\":null,\"syn-retransmits-per-second\":null,"
		"\"active-flows\":7}]}],\"drops-per-second\":{\"no_backend\":5}}");
	cJSON_free(text);
	cJSON_Delete(json);
	done(looks, &rates);
}

/* --- the picture --- */

static char *draw(const struct frame *frame, size_t *ret_rows)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	*ret_rows = frame_draw(out, frame);
	fclose(out);
	return text;
}

/* Characters of the widest line, and the lines. */
static void measure(const char *text, size_t *ret_width, size_t *ret_lines)
{
	size_t width = 0;

	*ret_width = *ret_lines = 0;
	for (; *text; text++) {
		if (*text == '\n') {
			(*ret_lines)++;
			width = 0;
		} else if (((unsigned char)*text & 0xc0) != 0x80 && ++width > *ret_width) {
			*ret_width = width;
		}
	}
}

static void pictures_fit_every_screen(void **state)
{
	struct rate_look looks[2];
	struct rates rates;
	size_t rows, width, lines;

	(void)state;
	make(before_text, after_text, looks, &rates);
	for (size_t columns = 50; columns < 200; columns += 7) {
		for (size_t height = 6; height < 20; height++) {
			const struct frame frame = {.status = looks[1].status,
						    .rates = &rates,
						    .clock = "01:02:03",
						    .live = true,
						    .columns = columns,
						    .rows = height};
			char *text = draw(&frame, &rows);

			measure(text, &width, &lines);
			assert_in_range(width, 1, columns);
			assert_int_equal(lines, height);
			assert_int_equal(rows, 5);
			free(text);
		}
	}
	done(looks, &rates);
}

static void a_picture_says_it(void **state)
{
	struct rate_look looks[2];
	struct rates rates;
	struct frame frame = {.rates = &rates, .clock = "01:02:03", .columns = 120};
	size_t rows;
	char *text;

	(void)state;
	make(before_text, after_text, looks, &rates);
	frame.status = looks[1].status;
	text = draw(&frame, &rows);
	assert_non_null(strstr(text, "generation 7  in sync  01:02:03\n"));
	assert_non_null(strstr(text, "flows 20 of 1.05M  nat-flows 10 of 262K\n"));
	assert_non_null(strstr(text, "\nweb                    1 of 2 up "));
	assert_non_null(strstr(text,
			       "\n  198.18.1.12:80       down          50.0%  66.7% ████████     "
			       "     20       200    2000 B "));
	assert_non_null(strstr(text, "\ndrops/s  no_backend 5 \n"));
	assert_null(strchr(text, '\033'));
	free(text);
	frame.only = "shop";
	frame.colour = true;
	text = draw(&frame, &rows);
	assert_int_equal(rows, 2);
	assert_null(strstr(text, "web"));
	assert_non_null(strchr(text, '\033'));
	free(text);
	done(looks, &rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_a_second),
		cmocka_unit_test(nothing_is_known_of_one_look),
		cmocka_unit_test(what_changes_meanwhile),
		cmocka_unit_test(no_flows_are_no_share),
		cmocka_unit_test(rows_are_sorted_within_theirs),
		cmocka_unit_test(rates_have_a_document),
		cmocka_unit_test(pictures_fit_every_screen),
		cmocka_unit_test(a_picture_says_it),
	};

	return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
