// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "host.h"

/* By the PCI Code and ID Assignment Specification; the first that fits. */
static const struct {
	uint32_t class;
	uint32_t mask;
	const char *name;
} classes[] = {
	{ 0x010000, 0xffff00, "scsi" },
	{ 0x010400, 0xffff00, "raid" },
	{ 0x010600, 0xffff00, "sata" },
	{ 0x010700, 0xffff00, "sas" },
	{ 0x010802, 0xffffff, "nvme" },
	{ 0x010000, 0xff0000, "storage" },
	{ 0x020000, 0xffff00, "ethernet" },
	{ 0x020700, 0xffff00, "infiniband" },
	{ 0x020000, 0xff0000, "network" },
	{ 0x030000, 0xff0000, "display" },
	{ 0x040000, 0xff0000, "multimedia" },
	{ 0x0c0300, 0xffff00, "usb" },
	{ 0x0c0400, 0xffff00, "fibre-channel" },
	{ 0x100000, 0xff0000, "crypto" },
	{ 0x120000, 0xff0000, "accelerator" },
};

bool device_parse(struct device *device, const char *actions)
{
	int end = 0;

	*device = (struct device){ .vector = -1 };
	if (sscanf(actions, "vfio-%7[a-z][%d](%31[0-9a-f:.])%n",
		   device->kind, &device->vector, device->address, &end) == 3 &&
	    end && device->vector >= 0)
		return true;
	end = 0;
	device->vector = -1;
	return sscanf(actions, "vfio-%7[a-z](%31[0-9a-f:.])%n", device->kind,
		      device->address, &end) == 2 && end;
}

const char *device_class_name(uint32_t class)
{
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if ((class & classes[i].mask) == classes[i].class)
			return classes[i].name;
	return "device";
}

/* One of the device's files with a hexadecimal number; 0 if there is none. */
static uint32_t id_read(const struct device *device, const char *file)
{
	char *text = host_read(NULL, "/sys/bus/pci/devices/%s/%s",
			       device->address, file);
	uint32_t id = text ? strtoul(text, NULL, 16) : 0;

	free(text);
	return id;
}

bool device_read(struct device *device, uint32_t host_irq)
{
	char *actions = host_read(NULL, "/sys/kernel/irq/%u/actions",
				  host_irq);
	bool found = actions && device_parse(device, actions);

	free(actions);
	if (!found)
		return false;
	device->class = id_read(device, "class");
	device->vendor = id_read(device, "vendor");
	device->device = id_read(device, "device");
	return true;
}

void device_text(const struct device *device, char text[DEVICE_TEXT_LEN])
{
	int n = snprintf(text, DEVICE_TEXT_LEN, "%s %s %s", device->address,
			 device_class_name(device->class), device->kind);

	if (device->vector >= 0)
		snprintf(text + n, DEVICE_TEXT_LEN - n, " %d", device->vector);
}
