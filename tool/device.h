/* SPDX-License-Identifier: GPL-2.0-only */
/* The device behind an irq of this host. */
#ifndef IRQHOP_DEVICE_H
#define IRQHOP_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_TEXT_LEN	96

/**
 * struct device - a PCI device and one of its interrupts
 * @address: domain:bus:device.function
 * @kind: "msix", "msi" or "intx"
 * @vector: which of the device's vectors; -1: intx
 * @class: PCI class, subclass and programming interface; 0: not known
 * @vendor: PCI vendor id
 * @device: PCI device id
 */
struct device {
	char address[32];
	char kind[8];
	int vector;
	uint32_t class;
	uint16_t vendor;
	uint16_t device;
};

/*
 * @actions: what /sys/kernel/irq/N/actions says of an irq that vfio-pci has,
 * as "vfio-msix[1](0000:00:05.0)". False if it is anything else.
 */
bool device_parse(struct device *device, const char *actions);

/* What a PCI class is called, in a word; "device" for those not known. */
const char *device_class_name(uint32_t class);

/* By host irq. False if it is none of VFIO's. */
bool device_read(struct device *device, uint32_t host_irq);

/* "0000:00:05.0 nvme msix 1" */
void device_text(const struct device *device, char text[DEVICE_TEXT_LEN]);

#endif
