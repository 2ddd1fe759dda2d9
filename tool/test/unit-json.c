// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../json.h"

static void is(json_t *value, const char *want)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	assert_string_equal(text, want);
	free(text);
	json_decref(value);
}

static void test_text(void **state)
{
	(void)state;
	is(json_text(NULL), "null");
	is(json_text(""), "\"\"");
	is(json_text("a \"b\" \\"), "\"a \\\"b\\\" \\\\\"");
	is(json_text("\xc3\xa4"), "\"\xc3\xa4\"");
	/* Not UTF-8: a name may be any bytes. */
	is(json_text("a\xffz\xc3"), "\"a?z?\"");
}

static void test_number(void **state)
{
	(void)state;
	is(json_number(0, UINT32_MAX), "0");
	is(json_number(UINT32_MAX, UINT32_MAX), "null");
	is(json_number(UINT32_MAX, 0), "4294967295");
	is(json_number(0, 0), "null");
}

/* Keys stay in the order in which they were put. */
static void test_order(void **state)
{
	json_t *array = json_make("[]"), *object;

	(void)state;
	json_add(array, json_make("i", 1));
	object = json_make("{s:i, s:o}", "z", 1, "a", array);
	json_put(object, "m", json_text("x"));
	is(object, "{\"z\":1,\"a\":[1],\"m\":\"x\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
