/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What user space can see of the GIC. A GICv3 is named in /proc/interrupts.
 * No file says whether there is GICv4. What there is: the kernel's log, if it
 * still goes back to boot and may be read; and /proc/interrupts while a VM has
 * a doorbell for each vCPU, which the ITS driver makes with GICv4 only.
 */
#ifndef IRQHOP_GIC_H
#define IRQHOP_GIC_H

#include <stdbool.h>

/**
 * struct gic - what was seen
 * @log_read: the log could be read
 * @log_whole: from its first record on
 * @log_its: "ITS: Enabling GICv4 support": redistributors and an ITS have it
 * @log_kvm: "GICv4 support enabled": KVM uses it
 * @log_kvm_off: "GICv4 support disabled": the GIC has it, KVM was not told to
 * @log_v4_1: "GICv4.1 support ...": as either of the two, but version 4.1
 * @interrupts: /proc/interrupts could be read
 * @v3: the host's own interrupts come from a GICv3, or a later one
 * @doorbell: a VM has doorbells
 * @doorbell_v4_1: of version 4.1
 */
struct gic {
	bool log_read;
	bool log_whole;
	bool log_its;
	bool log_kvm;
	bool log_kvm_off;
	bool log_v4_1;
	bool interrupts;
	bool v3;
	bool doorbell;
	bool doorbell_v4_1;
};

void gic_read(struct gic *gic);

#endif
