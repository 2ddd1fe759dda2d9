// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../kparam.h"

#define V4 "kvm-arm.vgic_v4_enable"

static bool on(const char *cmdline)
{
	return kparam_bool(cmdline, V4, false);
}

static void test_on(void **state)
{
	(void)state;
	assert_true(on(V4 "=1"));
	assert_true(on("quiet " V4 "=1\n"));
	assert_true(on("quiet " V4 "=y audit=0\n"));
	assert_true(on("kvm_arm.vgic-v4-enable=on"));
	assert_true(on(V4 "=0 " V4 "=1"));
	assert_true(on(V4 "=1 " V4 "=maybe"));
	assert_true(on("a=\"b c\" " V4 "=1"));
	assert_true(on(V4 "=\"1\""));
}

static void test_off(void **state)
{
	(void)state;
	assert_false(on(""));
	assert_false(on("\n"));
	assert_false(on(V4));
	assert_false(on(V4 "="));
	assert_false(on(V4 "=0"));
	assert_false(on(V4 "=1 " V4 "=off"));
	assert_false(on("x" V4 "=1"));
	assert_false(on(V4 "d=1"));
	assert_false(on("quiet -- " V4 "=1"));
	assert_false(on("a=\"b " V4 "=1\""));
	assert_true(kparam_bool("", V4, true));
}

static void test_value(void **state)
{
	char value[32];

	(void)state;
	assert_true(kparam_get("a kvm-arm.mode=none kvm_arm.mode=protected\n",
			       "kvm-arm.mode", value, sizeof(value)));
	assert_string_equal(value, "protected");
	assert_true(kparam_get("m=\"a b\" c", "m", value, sizeof(value)));
	assert_string_equal(value, "a b");
	assert_false(kparam_get("kvm-arm.modes=x", "kvm-arm.mode", value,
				sizeof(value)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_on),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
