// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../name.h"

#define IS(cmdline, want) is(cmdline, sizeof(cmdline), want)

static void is(const char *cmdline, size_t len, const char *want)
{
	char name[NAME_LEN] = "untouched";

	assert_int_equal(name_from_cmdline(cmdline, len - 1, name), !!want);
	assert_string_equal(name, want ?: "untouched");
}

static void test_qemu(void **state)
{
	(void)state;
	IS("qemu\0-name\0l2\0-smp\0002\0", "l2");
	IS("qemu\0-name\0l2,debug-threads=on\0", "l2");
	IS("qemu\0-name\0guest=web 1,debug-threads=on\0", "web 1");
	IS("qemu\0-name\0debug-threads=on,guest=late\0", "late");
	IS("qemu\0-name\0l2,debug-threads\0", "l2");
	IS("qemu\0--name\0two\0", "two");
	IS("qemu\0-name\0process=p1\0", "p1");
	IS("qemu\0-name\0process=p1,guest=g1\0", "g1");
	IS("qemu\0-name\0a,,b,process=x\0", "a,b");
	IS("qemu\0-name\0a,,\0", "a,");
	IS("qemu\0-name\0one\0-name\0two\0", "two");
	IS("qemu\0-name\0one\0-name\0debug-threads=on\0", "one");
}

static void test_others(void **state)
{
	(void)state;
	IS("lkvm\0run\0--name=k1\0-c\0002\0", "k1");
	IS("lkvm\0run\0--name\0k2\0", "k2");
}

static void test_none(void **state)
{
	(void)state;
	IS("", NULL);
	IS("qemu\0-smp\0002\0", NULL);
	IS("qemu\0-name\0", NULL);
	IS("qemu\0-name\0\0", NULL);
	IS("qemu\0-name\0debug-threads=on\0", NULL);
	IS("qemu\0-names\0x\0", NULL);
	/* What follows the text is not looked at. */
	is("qemu\0-name\0x\0", sizeof("qemu\0-name"), NULL);
}

static void test_long(void **state)
{
	char cmdline[1024] = "-name", name[NAME_LEN];

	(void)state;
	memset(cmdline + 6, 'x', 1000);
	assert_true(name_from_cmdline(cmdline, 1007, name));
	assert_int_equal(strlen(name), NAME_LEN - 1);
}

static void test_clean(void **state)
{
	(void)state;
	IS("qemu\0-name\0a\033[2Jb\nc\177\0", "a?[2Jb?c?");
	IS("qemu\0-name\0b\303\274ro\0", "b\303\274ro");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qemu),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
