// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/genetlink.h>

#include "attr.h"
#include "notice.h"

static const struct {
	const char *name;
	const char *text;
} reasons[] = {
	[IRQHOP_REASON_DISABLED] = {
		"disabled", "somebody asked for it",
	},
	[IRQHOP_REASON_UNLOAD] = {
		"unload", "the module is being unloaded",
	},
	[IRQHOP_REASON_GONE] = {
		"gone", "the VM has ended",
	},
	[IRQHOP_REASON_LET_GO] = {
		"let-go", "irqhop has let go of it",
	},
};

#define NR_REASONS	(sizeof(reasons) / sizeof(*reasons))

const char *notice_reason_name(uint32_t reason)
{
	return reason < NR_REASONS ? reasons[reason].name : "?";
}

const char *notice_reason_text(uint32_t reason)
{
	return reason < NR_REASONS ? reasons[reason].text : "?";
}

/* The kernel's own group says when a family, and with it the module, goes. */
int notice_join(struct module *module)
{
	int err;

	if (!module->group)
		return -EPROTO;
	err = genl_join(&module->genl, GENL_ID_CTRL);
	return err ?: genl_join(&module->genl, module->group);
}

static int pid_read(const struct nlattr *attr, struct notice *notice)
{
	uint32_t pid;
	int err = attr_u32(attr, &pid);

	if (!err)
		notice->pid = vm_tgid(pid);
	return err;
}

static int notice_attr(const struct nlattr *attr, struct notice *notice)
{
	switch (mnl_attr_get_type(attr)) {
	case IRQHOP_A_VM_PID:
		return pid_read(attr, notice);
	case IRQHOP_A_POLICY:
		return attr_string(attr, notice->policy,
				   sizeof(notice->policy));
	case IRQHOP_A_REASON:
		return attr_u32(attr, &notice->reason);
	case IRQHOP_A_NOT_HOME:
		return attr_u32(attr, &notice->not_home);
	case IRQHOP_A_MESSAGE:
		return attr_string(attr, notice->message,
				   sizeof(notice->message));
	}
	return 0;
}

static void family_gone(const struct module *module,
			const struct nlmsghdr *nlh, struct notice *notice)
{
	const struct genlmsghdr *head = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (head->cmd != CTRL_CMD_DELFAMILY)
		return;
	mnl_attr_for_each(attr, nlh, sizeof(*head))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    !mnl_attr_validate(attr, MNL_TYPE_U16) &&
		    mnl_attr_get_u16(attr) == module->family)
			notice->kind = NOTICE_UNLOADED;
}

int notice_read(const struct module *module, const struct nlmsghdr *nlh,
		struct notice *notice)
{
	const struct genlmsghdr *head = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	int err;

	*notice = (struct notice){ 0 };
	if (nlh->nlmsg_type == GENL_ID_CTRL)
		family_gone(module, nlh, notice);
	if (nlh->nlmsg_type != module->family)
		return 0;
	if (head->cmd == IRQHOP_CMD_VM_ENABLED)
		notice->kind = NOTICE_ENABLED;
	else if (head->cmd == IRQHOP_CMD_VM_DISABLED)
		notice->kind = NOTICE_DISABLED;
	mnl_attr_for_each(attr, nlh, sizeof(*head)) {
		err = notice_attr(attr, notice);
		if (err)
			return err;
	}
	return 0;
}
