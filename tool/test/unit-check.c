// SPDX-License-Identifier: GPL-2.0-only
/* irqhop check, on hosts that are made up below a temporary directory. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../check.h"
#include "../host.h"
#include "wrap.h"

#define BOOT	"6,0,0,-;Booting Linux on physical CPU 0x0000000000\n"
#define BOOTED	"6,900,5,-;Something later\n"
#define ITS	"6,80,0,-;ITS: Enabling GICv4 support\n"
#define KVM_ON	"6,300,9,-;kvm [1]: GICv4 support enabled\n SUBSYSTEM=x\n"
#define KVM_OFF	"6,300,9,-;kvm [1]: GICv4 support disabled\n"
#define KVM_41	"6,300,9,-;kvm [1]: GICv4.1 support enabled\n"
#define LIE	"12,300,9,-;kvm [1]: GICv4 support enabled\n" \
		"12,301,9,-;ITS: Enabling GICv4 support\n"
#define TIMER	" 11:  9      GICv3  27 Level  arch_timer\n"
#define V4	"console=ttyAMA0 kvm-arm.vgic_v4_enable=1\n"

static char root[64];
static struct check check;
static int module_err;
static uint32_t module_caps;

#define set(array, text) snprintf(array, sizeof(array), "%s", text)

int __wrap_module_open(struct module *module)
{
	module->caps = module_err ? 0 : module_caps;
	set(module->version, "0.0");
	return module_err;
}

void __wrap_module_close(struct module *module)
{
	(void)module;
}

/* Makes a file and the directories that lead to it. */
static void put(const char *path, const char *text)
{
	char full[512], *slash;
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (slash = strchr(full + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0777);
		*slash = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void drop(const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(remove(full), 0);
}

static int drop_one(const char *path, const struct stat *st, int type,
		    struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(root, drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A host on which everything is as it has to be. */
static int setup(void **state)
{
	char link[512];

	(void)state;
	set(root, "/tmp/irqhop-check-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	host_root = root;
	set(check.uts.machine, "aarch64");
	set(check.uts.release, "6.12.38+deb12-arm64");
	set(check.uts.version, "#1 SMP Debian");
	module_err = 0;
	module_caps = IRQHOP_CAP_DIRECT | IRQHOP_CAP_INJECTED;
	put("/proc/cmdline", V4);
	put("/proc/interrupts", TIMER " 12:  0  ITS-MSI 3 Edge  vfio\n");
	put("/dev/kmsg", BOOT ITS KVM_ON);
	put("/sys/class/misc/kvm", "");
	put("/sys/class/iommu/smmu3.0x1", "");
	put("/sys/bus/pci/drivers/vfio-pci/bind", "");
	put("/sys/bus/pci/devices/0000:00:05.0/vendor", "");
	snprintf(link, sizeof(link), "%s%s", root,
		 "/sys/bus/pci/devices/0000:00:05.0/driver");
	return symlink("../../../bus/pci/drivers/vfio-pci", link);
}

/* Runs it; what it found about @what is @verdict, in words with @text. */
static void is(const char *what, enum check_verdict verdict, const char *text)
{
	size_t i;

	check_run(&check);
	for (i = 0; i < check.nr; i++) {
		if (strcmp(check.finding[i].what, what))
			continue;
		assert_int_equal(check.finding[i].verdict, verdict);
		if (!strstr(check.finding[i].text, text))
			fail_msg("'%s' not in '%s'", text,
				 check.finding[i].text);
		if (verdict > CHECK_NOTE)
			assert_false(check_passed(&check));
		return;
	}
	fail_msg("nothing about %s", what);
}

/*
 * What @what is about is not there, in words with @text: direct delivery is
 * lost, injected interrupts are not.
 */
static void is_note(const char *what, const char *text)
{
	const char *redirect;

	is(what, CHECK_NOTE, text);
	assert_true(check_passed(&check));
	assert_true(check.injected);
	assert_false(check.direct);
	redirect = check.finding[check.nr - 1].text;
	if (strncmp(redirect, "injected only", 13) || !strstr(redirect, what))
		fail_msg("%s is noted, but: %s", what, redirect);
}

static void test_all_there(void **state)
{
	size_t i;

	(void)state;
	is("redirect", CHECK_OK, "direct (GICv4) and injected");
	assert_true(check_passed(&check));
	assert_true(check.direct);
	assert_true(check.injected);
	for (i = 0; i < check.nr; i++)
		assert_int_equal(check.finding[i].verdict, CHECK_OK);
	assert_int_equal(check.nr, 11);
}

static void test_machine(void **state)
{
	(void)state;
	set(check.uts.machine, "x86_64");
	is("architecture", CHECK_NO, "aarch64 only");
	assert_int_equal(check.nr, 8);
}

static void test_kernel(void **state)
{
	(void)state;
	set(check.uts.release, "6.12");
	is("kernel", CHECK_OK, "6.12");
	set(check.uts.release, "6.12-rc1");
	is("kernel", CHECK_OK, "6.12");
	set(check.uts.release, "6.120.1");
	is("kernel", CHECK_NO, "untested");
	set(check.uts.release, "5.10.0-28-arm64");
	is("kernel", CHECK_NO, "boot a 6.");
	set(check.uts.release, "6.12.38");
	set(check.uts.version, "#1 SMP PREEMPT_RT Debian");
	is("kernel", CHECK_NO, "PREEMPT_RT");
	is("redirect", CHECK_NO, "see kernel");
}

static void test_kvm(void **state)
{
	(void)state;
	put("/proc/cmdline", "kvm-arm.mode=protected " V4);
	is("kvm", CHECK_NO, "protected");
	put("/proc/cmdline", V4);
	drop("/sys/class/misc/kvm");
	is("kvm", CHECK_MISSING, "EL2");
}

static void test_gicv3(void **state)
{
	(void)state;
	is("gicv3", CHECK_OK, "the module");
	module_err = -ENODEV;
	is("gicv3", CHECK_OK, "this host uses it");
	put("/proc/interrupts", " 11:  9      GICv2  27 Level  arch_timer\n");
	is("gicv3", CHECK_NO, "the module refuses it");
	drop("/proc/interrupts");
	is("gicv3", CHECK_UNKNOWN, "/proc/interrupts");
}

/* What the log says counts where the module is not loaded. */
static void gic_is(const char *log, enum check_verdict verdict,
		   const char *text)
{
	size_t i;

	put("/dev/kmsg", log);
	check_run(&check);
	assert_false(check_passed(&check));
	for (i = 0; i < check.nr; i++) {
		if (strcmp(check.finding[i].what, "gicv4"))
			continue;
		assert_int_equal(check.finding[i].verdict, verdict);
		assert_non_null(strstr(check.finding[i].text, text));
		return;
	}
	fail_msg("nothing about gicv4");
}

static void test_gic_log(void **state)
{
	(void)state;
	module_err = -ENODEV;
	gic_is(BOOT ITS KVM_ON, CHECK_OK, "log");
	gic_is(BOOT ITS KVM_OFF, CHECK_OK, "log");
	gic_is(BOOTED ITS KVM_ON, CHECK_OK, "log");
	gic_is(BOOT, CHECK_NOTE, "has none");
	gic_is(BOOT KVM_ON, CHECK_NOTE, "has none");
	gic_is(BOOT ITS, CHECK_NOTE, "KVM did not find it");
	gic_is(BOOT ITS KVM_41, CHECK_NO, "4.1");
	gic_is(BOOTED, CHECK_UNKNOWN, "boot log");
	gic_is(BOOTED KVM_ON, CHECK_UNKNOWN, "boot log");
	/* Written to the log by a user. */
	gic_is(BOOT LIE, CHECK_NOTE, "has none");
}

static void test_gic_no_log(void **state)
{
	(void)state;
	module_err = -ENODEV;
	gic_is("", CHECK_UNKNOWN, "root");
	put("/proc/interrupts", " 20:  0  GICv4-vpe 0 Edge  vcpu\n");
	gic_is("", CHECK_OK, "uses it");
	put("/proc/interrupts", " 20:  0  GICv4.1-vpe 0 Edge  vcpu\n");
	gic_is("", CHECK_NO, "4.1");
}

/* It knows better than a log that says nothing. */
static void test_gic_module(void **state)
{
	(void)state;
	module_caps = IRQHOP_CAP_INJECTED;
	put("/dev/kmsg", BOOTED);
	is_note("gicv4", "interrupts cost an exit");
	/* No advice to use what is not there. */
	is_note("kvm-gicv4", "no GICv4 to use");
	put("/proc/cmdline", "console=ttyAMA0\n");
	is_note("kvm-gicv4", "no GICv4 to use");
	is("redirect", CHECK_OK, "injected only (for direct see gicv4, kvm-gicv4)");
	module_caps |= IRQHOP_CAP_DIRECT;
	is("gicv4", CHECK_OK, "the module");
	is_note("kvm-gicv4", "boot with");
}

static void test_param(void **state)
{
	(void)state;
	/* The module's cap is the hardware's; what KVM was told counts. */
	put("/proc/cmdline", "console=ttyAMA0\n");
	put("/dev/kmsg", BOOT ITS KVM_OFF);
	is_note("kvm-gicv4", "boot with kvm-arm.vgic_v4_enable=1");
	put("/proc/cmdline", "kvm-arm.vgic_v4_enable=1 kvm-arm.vgic_v4_enable=0\n");
	is_note("kvm-gicv4", "interrupts cost an exit");
	drop("/proc/cmdline");
	is("kvm-gicv4", CHECK_UNKNOWN, "/proc/cmdline");
	is("redirect", CHECK_NO, "see kvm-gicv4");
}

/* What the module says that it can, with all else well. */
static void test_caps(void **state)
{
	(void)state;
	module_caps = 0;
	is("redirect", CHECK_NO, "cannot redirect injected interrupts; for direct see gicv4");
	assert_false(check_passed(&check));
	module_caps = IRQHOP_CAP_DIRECT;
	is("redirect", CHECK_OK, "direct (GICv4) only");
	assert_true(check_passed(&check));
	assert_false(check.injected);
	put("/proc/cmdline", "console=ttyAMA0\n");
	is("redirect", CHECK_NO, "cannot redirect injected interrupts; for direct see kvm-gicv4");
	assert_false(check.direct);
}

static void test_iommu(void **state)
{
	(void)state;
	drop("/sys/class/iommu/smmu3.0x1");
	is_note("iommu", "SMMU");
}

static void test_vfio(void **state)
{
	(void)state;
	drop("/sys/bus/pci/drivers/vfio-pci/bind");
	drop("/sys/bus/pci/drivers/vfio-pci");
	is_note("vfio-pci", "not installed");
	put("/lib/modules/6.12.38+deb12-arm64/modules.dep",
	    "kernel/drivers/vfio/pci/vfio-pci.ko.xz: x\n");
	is_note("vfio-pci", "modprobe vfio-pci");
}

static void test_devices(void **state)
{
	(void)state;
	is("devices", CHECK_OK, "0000:00:05.0");
	drop("/sys/bus/pci/devices/0000:00:05.0/driver");
	is_note("devices", "none");
	/* A variant driver. */
	put("/sys/bus/pci/devices/0000:00:06.0/vfio-dev/vfio0", "");
	is("devices", CHECK_OK, "1 with VFIO: 0000:00:06.0");
}

static void test_module(void **state)
{
	(void)state;
	is("module", CHECK_OK, "irqhop 0.0");
	module_err = -ENODEV;
	is("module", CHECK_MISSING, "modprobe irqhop");
	put("/sys/module/irqhop/version", "");
	is("module", CHECK_MISSING, "network namespace");
	module_err = -EPERM;
	is("module", CHECK_UNKNOWN, "root");
	module_err = -EPROTO;
	is("module", CHECK_NO, "same release");
	module_err = -EIO;
	is("module", CHECK_UNKNOWN, "cannot ask");
}

/* Of what the module needs nothing is lacking: it is only not loaded. */
static void test_not_loaded(void **state)
{
	size_t i;

	(void)state;
	module_err = -ENODEV;
	is("redirect", CHECK_NO, "not possible now: see module");
	assert_false(check.injected);
	for (i = 0; i + 2 < check.nr; i++)
		assert_int_equal(check.finding[i].verdict, CHECK_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_there),
		TEST(test_machine),
		TEST(test_kernel),
		TEST(test_kvm),
		TEST(test_gicv3),
		TEST(test_gic_log),
		TEST(test_gic_no_log),
		TEST(test_gic_module),
		TEST(test_param),
		TEST(test_caps),
		TEST(test_iommu),
		TEST(test_vfio),
		TEST(test_devices),
		TEST(test_module),
		TEST(test_not_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
