// SPDX-License-Identifier: GPL-2.0-only
/*
 * lpis: /proc/lpis says which LPI each interrupt of the guest's PCI devices is,
 * and which CPU the guest has told its ITS to send it to. The kernel tells the
 * former nowhere. A line each: interrupt, LPI, CPU, the device's VENDOR:CLASS.
 */
#include <linux/cpumask.h>
#include <linux/irq.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static void vector_show(struct seq_file *file, const struct pci_dev *pdev,
			int irq)
{
	struct irq_data *data = irq_get_irq_data(irq);
	const struct cpumask *cpus = irq_data_get_effective_affinity_mask(data);

	/* Of a managed one whose CPUs are all off, the ITS knows nothing. */
	if (!irqd_is_activated(data))
		return;
	/* The interrupt controller's own number is at the bottom. */
	while (data->parent_data)
		data = data->parent_data;
	seq_printf(file, "%d %lu %u %04x:%06x\n", irq, data->hwirq,
		   cpumask_first(cpus), pdev->vendor, pdev->class);
}

static int lpis_show(struct seq_file *file, void *unused)
{
	struct pci_dev *pdev = NULL;
	int i, irq;

	for_each_pci_dev(pdev) {
		if (!pdev->msix_enabled)
			continue;
		for (i = 0; (irq = pci_irq_vector(pdev, i)) >= 0; i++)
			vector_show(file, pdev, irq);
	}
	return 0;
}

static int __init lpis_init(void)
{
	return proc_create_single("lpis", 0444, NULL, lpis_show) ? 0 : -ENOMEM;
}
module_init(lpis_init);

static void __exit lpis_exit(void)
{
	remove_proc_entry("lpis", NULL);
}
module_exit(lpis_exit);

MODULE_DESCRIPTION("Says which LPI each interrupt of a PCI device is");
MODULE_LICENSE("GPL");
