// SPDX-License-Identifier: GPL-2.0-only
/*
 * vectors: a driver for any PCI device with MSI-X that does nothing but ask
 * for interrupts, and spreads their homes over the CPUs. Nothing ever raises
 * them: they are there to be moved.
 *
 * Bind it with driver_override; "nr" is read whenever it is bound.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/pci.h>

static unsigned int vectors_nr = 1;
module_param_named(nr, vectors_nr, uint, 0644);
MODULE_PARM_DESC(nr, "how many interrupts to ask for (default 1)");

static irqreturn_t vectors_handler(int irq, void *unused)
{
	return IRQ_HANDLED;
}

static void vectors_free(struct pci_dev *pdev, int from, int to)
{
	int i;

	for (i = from; i < to; i++) {
		irq_set_affinity_and_hint(pci_irq_vector(pdev, i), NULL);
		free_irq(pci_irq_vector(pdev, i), pdev);
	}
	pci_free_irq_vectors(pdev);
}

static int vectors_request(struct pci_dev *pdev, int i)
{
	int irq = pci_irq_vector(pdev, i);
	unsigned int cpu = cpumask_nth(i % num_online_cpus(), cpu_online_mask);
	int ret;

	ret = request_irq(irq, vectors_handler, 0, "vector", pdev);
	if (ret)
		return ret;
	ret = irq_set_affinity_and_hint(irq, cpumask_of(cpu));
	if (ret)
		free_irq(irq, pdev);
	return ret;
}

static int vectors_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int nr, i, ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	nr = pci_alloc_irq_vectors(pdev, vectors_nr, vectors_nr, PCI_IRQ_MSIX);
	if (nr < 0)
		return nr;
	/*
	 * The last one first: a VMM sets up all that it has had so far anew when
	 * a higher one comes.
	 */
	for (i = nr - 1; i >= 0; i--) {
		ret = vectors_request(pdev, i);
		if (ret) {
			vectors_free(pdev, i + 1, nr);
			return ret;
		}
	}
	pci_set_drvdata(pdev, (void *)(long)nr);
	pci_info(pdev, "%d vectors\n", nr);
	return 0;
}

static void vectors_remove(struct pci_dev *pdev)
{
	vectors_free(pdev, 0, (long)pci_get_drvdata(pdev));
}

static struct pci_driver vectors_driver = {
	.name		= "vectors",
	.probe		= vectors_probe,
	.remove		= vectors_remove,
};
module_pci_driver(vectors_driver);

MODULE_DESCRIPTION("Asks for a PCI device's interrupts and does nothing with them");
MODULE_LICENSE("GPL");
