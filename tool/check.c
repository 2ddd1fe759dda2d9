// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "host.h"
#include "kparam.h"

#define V4_PARAM	"kvm-arm.vgic_v4_enable"
/* What is lost without GICv4. */
#define NO_V4		"so a passed-through device's interrupts cost an exit each"

/* The kernel series that the module is tested with. */
static const char * const kernels[] = { "6.1", "6.12", "7.2" };

#define NR_KERNELS	(sizeof(kernels) / sizeof(*kernels))

static void find(struct check *check, enum check_verdict verdict,
		 const char *what, const char *fmt, ...) __printf(4, 5);

static void find(struct check *check, enum check_verdict verdict,
		 const char *what, const char *fmt, ...)
{
	struct finding *finding = &check->finding[check->nr++];
	va_list ap;

	finding->verdict = verdict;
	finding->what = what;
	va_start(ap, fmt);
	vsnprintf(finding->text, sizeof(finding->text), fmt, ap);
	va_end(ap);
}

static bool is_arm64(const struct check *check)
{
	return !strcmp(check->uts.machine, "aarch64");
}

static void check_architecture(struct check *check)
{
	if (is_arm64(check))
		find(check, CHECK_OK, "architecture", "%s",
		     check->uts.machine);
	else
		find(check, CHECK_NO, "architecture",
		     "%s; irqhop redirects on aarch64 only",
		     check->uts.machine);
}

static bool kernel_tested(const char *release)
{
	size_t i, len;

	for (i = 0; i < NR_KERNELS; i++) {
		len = strlen(kernels[i]);
		if (!strncmp(release, kernels[i], len) &&
		    (!release[len] || strchr(".-+", release[len])))
			return true;
	}
	return false;
}

/* Adds a name to a list; what does not fit is cut off. */
static void name_add(char *list, size_t size, const char *between,
		     const char *name)
{
	size_t len = strlen(list);

	snprintf(list + len, size - len, "%s%s", len ? between : "", name);
}

static void check_kernel(struct check *check)
{
	const char *release = check->uts.release;
	char series[64] = "";
	size_t i;

	for (i = 0; i < NR_KERNELS; i++)
		name_add(series, sizeof(series), " or ", kernels[i]);
	if (!kernel_tested(release))
		find(check, CHECK_NO, "kernel",
		     "%s is untested and the module refuses it; boot a %s kernel",
		     release, series);
	else if (strstr(check->uts.version, "PREEMPT_RT"))
		find(check, CHECK_NO, "kernel",
		     "%s is a PREEMPT_RT kernel, which the module refuses; boot one without",
		     release);
	else
		find(check, CHECK_OK, "kernel", "%s", release);
}

static const char *kvm_advice(const struct check *check)
{
	if (is_arm64(check))
		return "start the kernel at EL2, with CONFIG_KVM and without kvm-arm.mode=none";
	return "enable virtualization in the firmware and load KVM's module";
}

static void check_kvm(struct check *check, const char *cmdline)
{
	char mode[32] = "";

	if (cmdline && is_arm64(check))
		kparam_get(cmdline, "kvm-arm.mode", mode, sizeof(mode));
	if (!host_exists("/sys/class/misc/kvm") && !host_exists("/dev/kvm"))
		find(check, CHECK_MISSING, "kvm", "no /dev/kvm; %s",
		     kvm_advice(check));
	else if (!strcmp(mode, "protected"))
		find(check, CHECK_NO, "kvm",
		     "protected KVM, which the module refuses; boot without kvm-arm.mode=protected");
	else
		find(check, CHECK_OK, "kvm", "present");
}

static void check_gicv3(struct check *check)
{
	const char *what = "gicv3";

	if (!check->module_err)
		find(check, CHECK_OK, what, "the module found it");
	else if (check->gic.v3)
		find(check, CHECK_OK, what, "this host uses it");
	else if (check->gic.interrupts)
		find(check, CHECK_NO, what,
		     "this host's interrupt controller is none, and the module refuses it");
	else
		find(check, CHECK_UNKNOWN, what, "cannot read /proc/interrupts");
}

/* The hardware, by the kernel's log. */
static void check_gicv4_log(struct check *check)
{
	const struct gic *gic = &check->gic;
	const char *what = "gicv4";

	if (gic->log_its && (gic->log_kvm || gic->log_kvm_off))
		find(check, CHECK_OK, what, "the kernel's log says so");
	else if (gic->log_whole && gic->log_its)
		find(check, CHECK_NOTE, what,
		     "the ITS has it, but KVM did not find it, " NO_V4);
	else if (gic->log_whole)
		find(check, CHECK_NOTE, what,
		     "the GIC or its ITS has none, by the kernel's log, " NO_V4);
	else if (gic->log_read)
		find(check, CHECK_UNKNOWN, what,
		     "the kernel's log no longer goes back to boot; look for 'ITS: Enabling GICv4 support' in the boot log, or load the module");
	else
		find(check, CHECK_UNKNOWN, what,
		     "the kernel's log cannot be read; run this as root");
}

/* The hardware. The module knows; otherwise the log or a VM's doorbells. */
static void check_gicv4(struct check *check)
{
	const struct gic *gic = &check->gic;
	const char *what = "gicv4";

	if (!check->module_err && check->module.caps & IRQHOP_CAP_DIRECT)
		find(check, CHECK_OK, what, "the module found it");
	else if (!check->module_err)
		find(check, CHECK_NOTE, what, "the module found none, " NO_V4);
	else if (gic->doorbell_v4_1 || gic->log_v4_1)
		find(check, CHECK_NO, what,
		     "the GIC is a GICv4.1, which the module does not know");
	else if (gic->doorbell)
		find(check, CHECK_OK, what, "a VM uses it now");
	else
		check_gicv4_log(check);
}

/*
 * What KVM was told, and whether it did so; follows check_gicv4(). The module
 * does not know: it finds out for one VM at a time.
 */
static void check_kvm_gicv4(struct check *check, const char *cmdline)
{
	bool none = check->finding[check->nr - 1].verdict == CHECK_NOTE;
	const struct gic *gic = &check->gic;
	const char *what = "kvm-gicv4";

	if (none)
		find(check, CHECK_NOTE, what, "KVM has no GICv4 to use");
	else if (gic->doorbell || gic->doorbell_v4_1)
		find(check, CHECK_OK, what, "KVM uses GICv4");
	else if (!cmdline)
		find(check, CHECK_UNKNOWN, what, "cannot read /proc/cmdline");
	else if (!kparam_bool(cmdline, V4_PARAM, false) || gic->log_kvm_off)
		find(check, CHECK_NOTE, what,
		     "KVM does not use GICv4, " NO_V4 "; for direct delivery boot with " V4_PARAM "=1");
	else
		find(check, CHECK_OK, what, "booted with " V4_PARAM "=1");
}

static bool dir_has(const char *path, const char *prefix)
{
	DIR *dir = host_opendir("%s", path);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' &&
			!strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(dir);
	return found;
}

static void check_iommu(struct check *check)
{
	if (dir_has("/sys/class/iommu", ""))
		find(check, CHECK_OK, "iommu", "present");
	else
		find(check, CHECK_NOTE, "iommu",
		     "none in use; to pass devices through, enable the %s in the firmware and in the kernel",
		     is_arm64(check) ? "SMMU" : "IOMMU");
}

/* As built-in or as a file that modprobe would find. */
static bool module_installed(const struct check *check, const char *file)
{
	static const char * const lists[] = {
		"modules.dep", "modules.builtin",
	};
	bool found = false;
	char *text;
	size_t i;

	for (i = 0; !found && i < sizeof(lists) / sizeof(*lists); i++) {
		text = host_read(NULL, "/lib/modules/%s/%s",
				 check->uts.release, lists[i]);
		found = text && strstr(text, file);
		free(text);
	}
	return found;
}

static void check_vfio(struct check *check)
{
	if (host_exists("/sys/bus/pci/drivers/vfio-pci"))
		find(check, CHECK_OK, "vfio-pci", "loaded");
	else if (module_installed(check, "/vfio-pci.ko"))
		find(check, CHECK_NOTE, "vfio-pci",
		     "not loaded; to pass devices through, load it with 'modprobe vfio-pci'");
	else
		find(check, CHECK_NOTE, "vfio-pci",
		     "not installed; to pass devices through, the kernel needs CONFIG_VFIO_PCI");
}

/* vfio-pci's and those of its variants, which are VFIO devices too. */
static bool device_is_vfio(const char *device)
{
	char link[256];
	const char *driver;

	if (host_exists("/sys/bus/pci/devices/%s/vfio-dev", device))
		return true;
	if (host_readlink(link, sizeof(link),
			  "/sys/bus/pci/devices/%s/driver", device))
		return false;
	driver = strrchr(link, '/');
	return driver && !strcmp(driver + 1, "vfio-pci");
}

static void check_devices(struct check *check)
{
	DIR *dir = host_opendir("/sys/bus/pci/devices");
	char names[CHECK_TEXT_LEN - 32] = "";
	struct dirent *entry;
	size_t n = 0, nr = 0;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !device_is_vfio(entry->d_name))
			continue;
		nr++;
		if (n < sizeof(names))
			n += snprintf(names + n, sizeof(names) - n, " %s",
				      entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (nr)
		find(check, CHECK_OK, "devices", "%zu with VFIO:%s", nr,
		     names);
	else
		find(check, CHECK_NOTE, "devices",
		     "none is bound to vfio-pci; to pass one through, bind it, for instance with 'driverctl set-override ADDRESS vfio-pci'");
}

static void check_module(struct check *check)
{
	const struct module *module = &check->module;

	switch (-check->module_err) {
	case 0:
		find(check, CHECK_OK, "module", "irqhop %s%s; this tool is %s",
		     module->version, module->caps & IRQHOP_CAP_TEST ?
		     " (test build)" : "", IRQHOP_VERSION);
		break;
	case EPERM:
	case EACCES:
		find(check, CHECK_UNKNOWN, "module",
		     "loaded; it answers only root: run this as root");
		break;
	case EPROTO:
		find(check, CHECK_NO, "module",
		     "irqhop %s is of another version than this tool (%s); install both from the same release",
		     *module->version ? module->version : "module",
		     IRQHOP_VERSION);
		break;
	case ENODEV:
		find(check, CHECK_MISSING, "module",
		     host_exists("/sys/module/irqhop") ?
		     "loaded but does not answer; run this in the initial network namespace" :
		     "not loaded; load it with 'modprobe irqhop'");
		break;
	default:
		find(check, CHECK_UNKNOWN, "module", "cannot ask it: %s",
		     strerror(-check->module_err));
	}
}

/*
 * Direct delivery takes all that is looked at. What KVM injects takes less. Only
 * what the module itself says counts as able.
 */
static void check_way(struct check *check)
{
	char stops[CHECK_TEXT_LEN / 2] = "", notes[CHECK_TEXT_LEN / 2] = "";
	const char *what = "redirect";
	size_t i;

	for (i = 0; i < check->nr; i++) {
		const struct finding *finding = &check->finding[i];

		if (finding->verdict == CHECK_NOTE)
			name_add(notes, sizeof(notes), ", ", finding->what);
		else if (finding->verdict != CHECK_OK)
			name_add(stops, sizeof(stops), ", ", finding->what);
	}
	check->direct = !*stops && !*notes;
	check->injected = !*stops &&
			  check->module.caps & IRQHOP_CAP_INJECTED;
	if (*stops)
		find(check, CHECK_NO, what, "not possible now: see %s", stops);
	else if (check->direct)
		find(check, CHECK_OK, what, "direct (GICv4) %s",
		     check->injected ? "and injected" : "only");
	else if (check->injected)
		find(check, CHECK_OK, what, "injected only (for direct see %s)",
		     notes);
	else
		find(check, CHECK_NO, what,
		     "not possible now: the module cannot redirect injected interrupts; for direct see %s",
		     notes);
}

void check_run(struct check *check)
{
	char *cmdline = host_read(NULL, "/proc/cmdline");

	check->nr = 0;
	check->module_err = module_open(&check->module);
	if (!check->module_err)
		module_close(&check->module);
	gic_read(&check->gic);

	check_architecture(check);
	check_kernel(check);
	check_kvm(check, cmdline);
	if (is_arm64(check)) {
		check_gicv3(check);
		check_gicv4(check);
		check_kvm_gicv4(check, cmdline);
	}
	check_iommu(check);
	check_vfio(check);
	check_devices(check);
	check_module(check);
	check_way(check);
	free(cmdline);
}

bool check_passed(const struct check *check)
{
	return check->direct || check->injected;
}
