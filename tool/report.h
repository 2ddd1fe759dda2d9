/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module says about VMs that are enabled. */
#ifndef IRQHOP_REPORT_H
#define IRQHOP_REPORT_H

#include "module.h"
#include "stat.h"

/**
 * struct vcpu - a vCPU
 * @id: KVM's vcpu_id
 * @state: &enum irqhop_vcpu_state_uapi
 * @time: ns in each state since the VM was enabled
 */
struct vcpu {
	uint32_t id;
	uint32_t state;
	uint64_t time[IRQHOP_NR_VCPU_STATES];
};

/**
 * struct report - a VM
 * @pid: the process that made it
 * @maker: the same as the module has it: perhaps one thread of it
 * @policy: policy
 * @rule: return rule
 * @halted: halted rule, "" if the module has none: an older one
 * @max_hops: most hops per second, 0 for no bound
 * @stat: counters
 * @nr_vcpus: number of vCPUs
 * @vcpu: the vCPUs
 */
struct report {
	pid_t pid;
	pid_t maker;
	char policy[IRQHOP_POLICY_LEN];
	char rule[IRQHOP_POLICY_LEN];
	char halted[IRQHOP_POLICY_LEN];
	uint32_t max_hops;
	struct stat_vm stat;
	size_t nr_vcpus;
	struct vcpu *vcpu;
};

struct report_list {
	size_t nr;
	struct report *report;
};

/* 0 or a negative errno, as those of module.h; -ENOENT: it is not enabled. */
int report_read(struct module *module, int fd, struct report *report);
int report_list_read(struct module *module, struct report_list *list);

void report_free(struct report *report);
void report_list_free(struct report_list *list);

/* Its halted rule; NULL if there is none, or no @report. */
const char *report_halted(const struct report *report);

/* A state's name; "?" if this tool does not know it. */
const char *vcpu_state_name(uint32_t state);

/* In all states together, in ns: since the VM was enabled. */
uint64_t vcpu_time(const struct vcpu *vcpu);

/* Prints why report_read() of @vm failed; returns the exit status. */
int report_fail(const struct module *module, int err, const struct vm *vm);

#endif
