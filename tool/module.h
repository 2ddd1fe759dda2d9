/* SPDX-License-Identifier: GPL-2.0-only */
/* The module: how it is asked, and what it offers. */
#ifndef IRQHOP_MODULE_H
#define IRQHOP_MODULE_H

#include <linux/irqhop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "genl.h"
#include "vm.h"

#define MODULE_NAMES		16
#define MODULE_MESSAGE_LEN	256

/**
 * struct names - what may be named
 * @nr: how many
 * @name: the names
 */
struct names {
	size_t nr;
	char name[MODULE_NAMES][IRQHOP_POLICY_LEN];
};

/**
 * struct module - the module
 * @genl: the socket
 * @family: its family's number
 * @family_version: its family's version; known without privilege
 * @group: number of the multicast group of its notifications, 0: none
 * @unloaded: it answered once, but is gone
 * @version: its version, "" if it was not asked
 * @abi: its %IRQHOP_GENL_VERSION
 * @caps: bits of &enum irqhop_caps
 * @policies: the default first
 * @returns: return rules
 * @halted: halted rules; an older module has none
 * @max_hops: most hops per second by default, 0 for no bound
 */
struct module {
	struct genl genl;
	uint16_t family;
	uint32_t family_version;
	uint32_t group;
	bool unloaded;
	char version[64];
	uint32_t abi;
	uint32_t caps;
	struct names policies;
	struct names returns;
	struct names halted;
	uint32_t max_hops;
};

/**
 * struct settings - how the interrupts of a VM are to be redirected
 * @policy: or NULL: as it is
 * @rule: return rule, or NULL: as it is
 * @halted: halted rule, or NULL: as it is
 * @bounded: @max_hops was given
 * @max_hops: most hops per second, 0 for no bound
 */
struct settings {
	const char *policy;
	const char *rule;
	const char *halted;
	bool bounded;
	uint32_t max_hops;
};

/*
 * All return 0 or a negative errno and print nothing; module_fail() says
 * what went wrong. -ENODEV: not loaded, or not any more; -EPROTO: not this
 * tool's version.
 */
int module_open(struct module *module);
void module_close(struct module *module);
/* "enable VM 12 (l2)", say: @doing, and after it the VM if there is one. */
int module_fail(const struct module *module, int err, const char *doing,
		const struct vm *vm);

/* Opens it, and says what is wrong if that fails: an exit status. */
int module_need(struct module *module, const char *doing);

/* A request, to which attributes are added and which module_talk() sends. */
struct nlmsghdr *module_request(struct module *module, uint8_t cmd,
				uint16_t flags);
struct nlmsghdr *module_request_vm(struct module *module, uint8_t cmd,
				   uint16_t flags, int fd);
int module_talk(struct module *module, const struct nlmsghdr *request,
		int (*answer)(const struct nlmsghdr *nlh, void *data),
		void *data);
/* The same for a dump that can be begun anew: -EINTR if it always changed. */
int module_dump(struct module *module, const struct nlmsghdr *request,
		int (*answer)(const struct nlmsghdr *nlh, void *data),
		void (*again)(void *data), void *data);

int module_vm_enable(struct module *module, int fd,
		     const struct settings *settings);
int module_vm_set(struct module *module, int fd,
		  const struct settings *settings);
int module_vm_disable(struct module *module, int fd);
/* @message: what contradicts what in the module's tables; "": nothing. */
int module_vm_check(struct module *module, int fd,
		    char message[MODULE_MESSAGE_LEN]);

#endif
