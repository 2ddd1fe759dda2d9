// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>

#include "attr.h"
#include "lpi.h"

bool lpi_direct(const struct lpi *lpi)
{
	return lpi->flags & IRQHOP_IRQ_F_DIRECT;
}

const char *lpi_delivery(const struct lpi *lpi)
{
	return lpi_direct(lpi) ? "direct" : "injected";
}

static int lpi_attr(const struct nlattr *attr, struct lpi *lpi)
{
	switch (mnl_attr_get_type(attr)) {
	case IRQHOP_IRQ_INTID:
		return attr_u32(attr, &lpi->intid);
	case IRQHOP_IRQ_HOME:
		return attr_u32(attr, &lpi->home);
	case IRQHOP_IRQ_TARGET:
		return attr_u32(attr, &lpi->target);
	case IRQHOP_IRQ_HOST_IRQ:
		return attr_u32(attr, &lpi->host_irq);
	case IRQHOP_IRQ_FLAGS:
		return attr_u32(attr, &lpi->flags);
	case IRQHOP_IRQ_ENGINE_HOME:
		return attr_u32(attr, &lpi->engine_home);
	case IRQHOP_IRQ_ENGINE_TARGET:
		return attr_u32(attr, &lpi->engine_target);
	}
	return 0;
}

static int lpi_list_add(const struct nlattr *nest, struct lpi_list *list)
{
	struct lpi lpi = {
		.home = LPI_NO_VCPU,
		.target = LPI_NO_VCPU,
		.engine_home = LPI_NO_VCPU,
		.engine_target = LPI_NO_VCPU,
	};
	const struct nlattr *attr;
	struct lpi *more;
	int err;

	mnl_attr_for_each_nested(attr, nest) {
		err = lpi_attr(attr, &lpi);
		if (err)
			return err;
	}
	more = array_more(list->lpi, list->nr, sizeof(*more));
	if (!more)
		return -ENOMEM;
	list->lpi = more;
	list->lpi[list->nr++] = lpi;
	return 0;
}

/* Any number of LPIs in a message, any number of messages. */
static int lpis_read(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	int err;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != IRQHOP_A_IRQ)
			continue;
		err = lpi_list_add(attr, data);
		if (err)
			return err;
	}
	return 0;
}

static int lpi_compare(const void *a, const void *b)
{
	const struct lpi *x = a, *y = b;

	return x->intid < y->intid ? -1 : x->intid > y->intid;
}

static void list_again(void *data)
{
	lpi_list_free(data);
}

int lpi_list_read(struct module *module, int fd, struct lpi_list *list)
{
	int err;

	*list = (struct lpi_list){ 0 };
	err = module_dump(module, module_request_vm(module, IRQHOP_CMD_IRQ_GET,
						    NLM_F_DUMP, fd),
			  lpis_read, list_again, list);
	if (err)
		lpi_list_free(list);
	else if (list->nr)
		qsort(list->lpi, list->nr, sizeof(*list->lpi), lpi_compare);
	return err;
}

void lpi_list_free(struct lpi_list *list)
{
	free(list->lpi);
	list->lpi = NULL;
	list->nr = 0;
}
