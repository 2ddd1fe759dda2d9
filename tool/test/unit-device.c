// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../device.h"

static void test_parse(void **state)
{
	static const struct {
		const char *actions;
		const char *address;	/* NULL: it is not VFIO's */
		const char *kind;
		int vector;
	} rows[] = {
		{ "vfio-msix[0](0000:00:05.0)\n", "0000:00:05.0", "msix", 0 },
		{ "vfio-msix[2047](10000:e1:1f.7)\n", "10000:e1:1f.7", "msix",
		  2047 },
		{ "vfio-msi[3](0000:00:05.0)\n", "0000:00:05.0", "msi", 3 },
		{ "vfio-intx(0000:00:05.0)\n", "0000:00:05.0", "intx", -1 },
		{ "vfio-msix[-1](0000:00:05.0)\n", NULL, NULL, 0 },
		{ "vfio-msix[1](0000:00:05.0", NULL, NULL, 0 },
		{ "vfio-msix[1]()\n", NULL, NULL, 0 },
		{ "vfio-msix[1](../../etc)\n", NULL, NULL, 0 },
		{ "vfio-ap\n", NULL, NULL, 0 },
		{ "nvme0q1\n", NULL, NULL, 0 },
		{ "\n", NULL, NULL, 0 },
		{ "", NULL, NULL, 0 },
	};
	struct device device;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (device_parse(&device, rows[i].actions) !=
		    !!rows[i].address)
			fail_msg("%s", rows[i].actions);
		if (!rows[i].address)
			continue;
		assert_string_equal(device.address, rows[i].address);
		assert_string_equal(device.kind, rows[i].kind);
		assert_int_equal(device.vector, rows[i].vector);
	}
}

static void test_class(void **state)
{
	static const struct {
		uint32_t class;
		const char *name;
	} rows[] = {
		{ 0x010802, "nvme" },
		{ 0x010801, "storage" },
		{ 0x010700, "sas" },
		{ 0x010601, "sata" },
		{ 0x010000, "scsi" },
		{ 0x020000, "ethernet" },
		{ 0x028000, "network" },
		{ 0x030200, "display" },
		{ 0x0c0330, "usb" },
		{ 0x120000, "accelerator" },
		{ 0xff0000, "device" },
		{ 0, "device" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(device_class_name(rows[i].class),
				    rows[i].name);
}

static void test_text(void **state)
{
	struct device device = {
		.address = "0000:00:05.0", .kind = "msix", .vector = 1,
		.class = 0x010802,
	}, intx = {
		.address = "0000:00:05.0", .kind = "intx", .vector = -1,
		.class = 0x020000,
	};
	char text[DEVICE_TEXT_LEN];

	(void)state;
	device_text(&device, text);
	assert_string_equal(text, "0000:00:05.0 nvme msix 1");
	device_text(&intx, text);
	assert_string_equal(text, "0000:00:05.0 ethernet intx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_class),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
