/* SPDX-License-Identifier: GPL-2.0-only */
/* The module's notifications. */
#ifndef IRQHOP_NOTICE_H
#define IRQHOP_NOTICE_H

#include "module.h"

/**
 * enum notice_kind - what is notified
 * @NOTICE_OTHER: nothing that this tool knows
 * @NOTICE_ENABLED: a VM was enabled
 * @NOTICE_DISABLED: a VM is not enabled any more
 * @NOTICE_UNLOADED: the module is gone
 */
enum notice_kind {
	NOTICE_OTHER,
	NOTICE_ENABLED,
	NOTICE_DISABLED,
	NOTICE_UNLOADED,
};

/**
 * struct notice - a notification
 * @kind: of what
 * @pid: the process that made the VM
 * @policy: enabled: the policy
 * @reason: disabled: &enum irqhop_reason
 * @not_home: disabled: interrupts that could not be sent home
 * @message: disabled: more about the reason, or ""
 */
struct notice {
	enum notice_kind kind;
	pid_t pid;
	char policy[IRQHOP_POLICY_LEN];
	uint32_t reason;
	uint32_t not_home;
	char message[MODULE_MESSAGE_LEN];
};

/*
 * From here on @module is only for genl_listen(). 0 or a negative errno;
 * -EPROTO: the module notifies nobody.
 */
int notice_join(struct module *module);

/* 0 or -EBADMSG. */
int notice_read(const struct module *module, const struct nlmsghdr *nlh,
		struct notice *notice);

/* A reason in a word, and in words; "?" for those not known. */
const char *notice_reason_name(uint32_t reason);
const char *notice_reason_text(uint32_t reason);

#endif
