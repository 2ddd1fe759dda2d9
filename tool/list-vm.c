// SPDX-License-Identifier: GPL-2.0-only
/* irqhop list VM: its vCPUs, and the interrupts that it has mapped. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "device.h"
#include "error.h"
#include "json.h"
#include "lpi.h"
#include "pick.h"
#include "report.h"

/**
 * struct picture - all there is to be shown
 * @vm: the VM
 * @report: what the module says of it; NULL if it is not enabled
 * @lpis: its LPIs
 */
struct picture {
	const struct vm *vm;
	const struct report *report;
	struct lpi_list lpis;
};

/* The columns: each state, with a heading and as it stands in JSON. */
static const struct {
	uint32_t state;
	const char *head;
	const char *key;
} states[IRQHOP_NR_VCPU_STATES] = {
	{ IRQHOP_VCPU_STATE_RUNNING,	"RUNNING",	"running" },
	{ IRQHOP_VCPU_STATE_PREEMPTED,	"PREEMPTED",	"preempted" },
	{ IRQHOP_VCPU_STATE_IN_HANDLER,	"IN-HANDLER",	"in_handler" },
	{ IRQHOP_VCPU_STATE_HALTED,	"HALTED",	"halted" },
	{ IRQHOP_VCPU_STATE_BLOCKED,	"BLOCKED",	"blocked" },
	{ IRQHOP_VCPU_STATE_USER,	"USER",		"user" },
	{ IRQHOP_VCPU_STATE_OFF,	"OFF",		"off" },
	{ IRQHOP_VCPU_STATE_UNKNOWN,	"UNKNOWN",	"unknown" },
};

static void vcpu_print(const struct vcpu *vcpu)
{
	uint64_t sum = vcpu_time(vcpu), time;
	char share[16];
	size_t i;

	printf("%7u  %-10s", vcpu->id, vcpu_state_name(vcpu->state));
	for (i = 0; i < IRQHOP_NR_VCPU_STATES; i++) {
		time = vcpu->time[states[i].state];
		if (time)
			snprintf(share, sizeof(share), "%.1f%%",
				 100. * time / sum);
		printf("  %10s", time ? share : "-");
	}
	putchar('\n');
}

static void vcpus_print(const struct picture *picture)
{
	const struct report *report = picture->report;
	const struct vm *vm = picture->vm;
	size_t i;

	printf("\n%7s  %s", "VCPU", report ? "STATE     " : "STATE");
	for (i = 0; report && i < IRQHOP_NR_VCPU_STATES; i++)
		printf("  %10s", states[i].head);
	putchar('\n');
	for (i = 0; report && i < report->nr_vcpus; i++)
		vcpu_print(&report->vcpu[i]);
	for (i = 0; !report && i < vm->nr_vcpus; i++)
		printf("%7u  -\n", vm->vcpu[i]);
}

static const char *number(char buf[16], uint32_t value, uint32_t none)
{
	if (value == none)
		return "-";
	snprintf(buf, 16, "%u", value);
	return buf;
}

static const char *flags_text(char buf[32], uint32_t flags)
{
	snprintf(buf, 32, "%s%s%s",
		 flags & IRQHOP_IRQ_F_ENABLED ? "enabled" : "masked",
		 flags & IRQHOP_IRQ_F_PENDING ? ",pending" : "",
		 flags & IRQHOP_IRQ_F_STRANDED ? ",stranded" : "");
	return buf;
}

static void lpi_print(const struct lpi *lpi)
{
	char home[16], target[16], host_irq[16], flags[32];
	char text[DEVICE_TEXT_LEN] = "-";
	struct device device;

	if (lpi->host_irq && device_read(&device, lpi->host_irq))
		device_text(&device, text);
	printf("%7u  %5s  %6s  %-8s  %8s  %-16s  %s\n", lpi->intid,
	       number(home, lpi->home, LPI_NO_VCPU),
	       number(target, lpi->target, LPI_NO_VCPU), lpi_delivery(lpi),
	       number(host_irq, lpi->host_irq, 0),
	       flags_text(flags, lpi->flags), text);
}

static void picture_print(const struct picture *picture)
{
	const struct report *report = picture->report;
	const struct vm *vm = picture->vm;
	char max_hops[16] = "-";
	size_t i;

	printf("pid      %d\nname     %s\nvcpus    %zu\nenabled  %s\n",
	       vm->pid, vm->name, report ? report->nr_vcpus : vm->nr_vcpus,
	       report ? "yes" : "no");
	if (report)
		snprintf(max_hops, sizeof(max_hops), "%u", report->max_hops);
	printf("policy   %s\nreturn   %s\nhalted   %s\nmax-hops %s\n",
	       report ? report->policy : "-", report ? report->rule : "-",
	       report_halted(report) ?: "-", max_hops);
	vcpus_print(picture);
	printf("\n%7s  %5s  %6s  %-8s  %8s  %-16s  %s\n", "INTID", "HOME",
	       "TARGET", "DELIVERY", "HOST-IRQ", "FLAGS", "DEVICE");
	for (i = 0; i < picture->lpis.nr; i++)
		lpi_print(&picture->lpis.lpi[i]);
}

static json_t *vcpu_json(const struct vcpu *vcpu)
{
	json_t *time = json_make("{}");
	size_t i;

	for (i = 0; i < IRQHOP_NR_VCPU_STATES; i++)
		json_put(time, states[i].key,
			 json_make("I",
				   (json_int_t)vcpu->time[states[i].state]));
	return json_make("{s:I, s:s, s:o}", "id", (json_int_t)vcpu->id,
			 "state", vcpu_state_name(vcpu->state),
			 "time_ns", time);
}

static json_t *vcpus_json(const struct picture *picture)
{
	const struct report *report = picture->report;
	const struct vm *vm = picture->vm;
	json_t *array = json_make("[]");
	size_t i;

	for (i = 0; report && i < report->nr_vcpus; i++)
		json_add(array, vcpu_json(&report->vcpu[i]));
	for (i = 0; !report && i < vm->nr_vcpus; i++)
		json_add(array, json_make("{s:I, s:n, s:n}",
					  "id", (json_int_t)vm->vcpu[i],
					  "state", "time_ns"));
	return array;
}

static json_t *hex_json(unsigned int digits, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "0x%0*x", digits, value);
	return json_text(text);
}

static json_t *device_json(uint32_t host_irq)
{
	struct device device;

	if (!host_irq || !device_read(&device, host_irq))
		return json_null();
	return json_make("{s:s, s:s, s:o, s:o, s:o, s:s, s:o}",
			 "address", device.address,
			 "type", device_class_name(device.class),
			 "class", hex_json(6, device.class),
			 "vendor_id", hex_json(4, device.vendor),
			 "device_id", hex_json(4, device.device),
			 "interrupt", device.kind,
			 "vector", json_number(device.vector, -1));
}

static json_t *lpi_json(const struct lpi *lpi)
{
	json_t *value;

	value = json_make("{s:I, s:s, s:b, s:b, s:b}",
			  "intid", (json_int_t)lpi->intid,
			  "delivery", lpi_delivery(lpi),
			  "enabled", !!(lpi->flags & IRQHOP_IRQ_F_ENABLED),
			  "pending", !!(lpi->flags & IRQHOP_IRQ_F_PENDING),
			  "stranded", !!(lpi->flags & IRQHOP_IRQ_F_STRANDED));
	json_put(value, "home", json_number(lpi->home, LPI_NO_VCPU));
	json_put(value, "target", json_number(lpi->target, LPI_NO_VCPU));
	json_put(value, "engine_home",
		 json_number(lpi->engine_home, LPI_NO_VCPU));
	json_put(value, "engine_target",
		 json_number(lpi->engine_target, LPI_NO_VCPU));
	json_put(value, "host_irq", json_number(lpi->host_irq, 0));
	json_put(value, "device", device_json(lpi->host_irq));
	return value;
}

static void picture_json(const struct picture *picture)
{
	const struct report *report = picture->report;
	json_t *lpis = json_make("[]"), *root;
	size_t i;

	for (i = 0; i < picture->lpis.nr; i++)
		json_add(lpis, lpi_json(&picture->lpis.lpi[i]));
	root = json_make("{s:i, s:o, s:b}", "pid", picture->vm->pid,
			 "name", json_text(picture->vm->name),
			 "enabled", !!report);
	json_put(root, "policy", json_text(report ? report->policy : NULL));
	json_put(root, "return", json_text(report ? report->rule : NULL));
	json_put(root, "halted", json_text(report_halted(report)));
	json_put(root, "max_hops", report ?
		 json_make("I", (json_int_t)report->max_hops) : json_null());
	json_put(root, "vcpus", vcpus_json(picture));
	json_put(root, "interrupts", lpis);
	json_document(root);
}

static int vm_show(struct module *module, const struct vm *vm, int fd,
		   bool json)
{
	struct picture picture = { .vm = vm };
	struct report report;
	int err;

	err = report_read(module, fd, &report);
	if (!err)
		picture.report = &report;
	else if (err != -ENOENT)
		return module_fail(module, err, "look at", vm);
	err = lpi_list_read(module, fd, &picture.lpis);
	if (!err)
		(json ? picture_json : picture_print)(&picture);
	lpi_list_free(&picture.lpis);
	if (picture.report)
		report_free(&report);
	return err ? module_fail(module, err, "list the interrupts of", vm) :
		     STATUS_OK;
}

int list_vm(const struct vm_list *vms, const char *name, bool json)
{
	static struct module module;
	struct vm *vm;
	int fd, status;

	/* A name can be looked for by anyone, with or without the module. */
	status = vm_list_find(vms, name, &vm);
	if (status)
		return status;
	status = module_need(&module, "list interrupts");
	if (status)
		return status;
	status = pick_one(vms, name, &vm, &fd);
	if (!status) {
		status = vm_show(&module, vm, fd, json);
		close(fd);
	}
	module_close(&module);
	return status;
}
