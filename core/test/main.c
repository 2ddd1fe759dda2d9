// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: the engine's tests, all of them.
 */
#include "fixture.h"

int main(void)
{
	int failed = 0;

	failed += policy_tests();
	failed += decide_tests();
	failed += event_tests();
	failed += bound_tests();
	failed += check_tests();
	failed += property_tests();
	return failed != 0;
}
