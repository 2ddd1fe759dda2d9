/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM's LPIs, and what each record says of them. */
#ifndef IRQHOP_LPI_H
#define IRQHOP_LPI_H

#include "module.h"

#define LPI_NO_VCPU	UINT32_MAX

/**
 * struct lpi - an LPI; %LPI_NO_VCPU where a record does not say
 * @intid: the guest's number of it
 * @home: its home, by KVM's record
 * @target: its target, by the record of the host's ITS driver; of an injected
 *	one, by KVM's
 * @engine_home: its home, by the module's own record
 * @engine_target: its target, by the module's own record
 * @host_irq: the host's irq, 0: none
 * @flags: &enum irqhop_irq_flags
 */
struct lpi {
	uint32_t intid;
	uint32_t home;
	uint32_t target;
	uint32_t engine_home;
	uint32_t engine_target;
	uint32_t host_irq;
	uint32_t flags;
};

/* Is it delivered by the interrupt hardware without an exit? */
bool lpi_direct(const struct lpi *lpi);

/* "direct" or "injected" */
const char *lpi_delivery(const struct lpi *lpi);

/* Ascending by INTID. */
struct lpi_list {
	size_t nr;
	struct lpi *lpi;
};

/* 0 or a negative errno, as those of module.h. */
int lpi_list_read(struct module *module, int fd, struct lpi_list *list);
void lpi_list_free(struct lpi_list *list);

#endif
