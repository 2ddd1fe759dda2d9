/* SPDX-License-Identifier: GPL-2.0-only */
/* The module, and what it says about itself and the VMs. */
#ifndef IRQHOP_MODULE_H
#define IRQHOP_MODULE_H

#include <linux/irqhop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "genl.h"
#include "stat.h"
#include "vm.h"

#define MODULE_POLICIES	16

/**
 * struct module - the module
 * @genl: the socket
 * @family: its family's number
 * @family_version: its family's version; known without privilege
 * @version: its version, "" if it was not asked
 * @abi: its %IRQHOP_GENL_VERSION
 * @caps: bits of &enum irqhop_caps
 * @nr_policies: how many policies may be named
 * @policy: their names
 */
struct module {
	struct genl genl;
	uint16_t family;
	uint32_t family_version;
	char version[64];
	uint32_t abi;
	uint32_t caps;
	size_t nr_policies;
	char policy[MODULE_POLICIES][IRQHOP_POLICY_LEN];
};

struct vcpu {
	uint32_t id;
	uint32_t state;
};

/* What the module says about a VM that is enabled. */
struct report {
	pid_t pid;
	char policy[IRQHOP_POLICY_LEN];
	struct stat_vm stat;
	size_t nr_vcpus;
	struct vcpu *vcpu;
};

struct report_list {
	size_t nr;
	struct report *report;
};

#define LPI_NO_VCPU	UINT32_MAX

struct lpi {
	uint32_t intid;
	uint32_t home;		/* LPI_NO_VCPU: not said */
	uint32_t target;	/* LPI_NO_VCPU: not said */
	uint32_t host_irq;	/* 0: none */
	uint32_t flags;		/* enum irqhop_irq_flags */
};

struct lpi_list {
	size_t nr;
	struct lpi *lpi;
};

/*
 * All return 0 or a negative errno and print nothing; module_fail() says
 * what went wrong. -ENODEV: not loaded; -EPROTO: not this tool's version.
 */
int module_open(struct module *module);
void module_close(struct module *module);
/* "enable VM 12 (l2)", say: @doing, and after it the VM if there is one. */
int module_fail(const struct module *module, int err, const char *doing,
		const struct vm *vm);

/* Opens it, and says what is wrong if that fails: an exit status. */
int module_need(struct module *module, const char *doing);

bool module_has_policy(const struct module *module, const char *policy);

int module_vm_enable(struct module *module, int fd, const char *policy);
int module_vm_disable(struct module *module, int fd);
int module_vm_get(struct module *module, int fd, struct report *report);
int module_vm_list(struct module *module, struct report_list *list);
int module_irq_list(struct module *module, int fd, struct lpi_list *list);

void report_free(struct report *report);
void report_list_free(struct report_list *list);
void lpi_list_free(struct lpi_list *list);

#endif
