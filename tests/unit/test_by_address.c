/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "by_address.h"

#define LARGEST   60
#define ADDRESSES 7

static struct address address_of(unsigned int number)
{
	struct address address = {.ip.s6_addr = {[0] = 0x20, [1] = 1, [2] = 0xd, [3] = 0xb8}};

	address.ip.s6_addr[15] = (uint8_t)number;
	return address;
}

/* Beside a plain list of who is where: each is found, once, and nobody else. */
static void test_any_history(void **state)
{
	struct by_address *index = by_address_new(LARGEST);
	unsigned int at[LARGEST + 1] = {0}; /* address + 1; 0: not in it */
	unsigned int seed = 1;

	(void)state;
	assert_non_null(index);
	for (int round = 0; round < 20000; round++) {
		uint16_t id = (uint16_t)(1 + (unsigned int)rand_r(&seed) % LARGEST);
		unsigned int number = (unsigned int)rand_r(&seed) % ADDRESSES, wanted = 0;
		struct address address = address_of(number);

		if (at[id] || round % 50 == 0) {
			by_address_remove(index, id);
			at[id] = 0;
		} else {
			by_address_add(index, &address, id);
			at[id] = number + 1;
		}
		for (unsigned int i = 1; i <= LARGEST; i++)
			wanted += at[i] == number + 1;
		for (id = by_address_first(index, &address); id; id = by_address_next(index, id)) {
			assert_int_equal(at[id], number + 1);
			wanted--;
		}
		assert_int_equal(wanted, 0);
	}
	by_address_free(index);
}

static void test_nobody(void **state)
{
	struct by_address *index = by_address_new(1);
	struct address address = address_of(1);

	(void)state;
	assert_int_equal(by_address_first(index, &address), 0);
	by_address_remove(index, 1);
	by_address_add(index, &address, 1);
	assert_int_equal(by_address_first(index, &address), 1);
	assert_int_equal(by_address_next(index, 1), 0);
	by_address_free(index);
	by_address_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_history),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests_name("by_address", tests, NULL, NULL);
}
