// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>

#include "attr.h"
#include "error.h"
#include "host.h"
#include "module.h"

#define DUMP_TRIES 5

static int name_read(const struct nlattr *attr, struct names *names)
{
	if (names->nr == MODULE_NAMES)
		return 0;
	return attr_string(attr, names->name[names->nr++], IRQHOP_POLICY_LEN);
}

static int info_attr(const struct nlattr *attr, struct module *module)
{
	switch (mnl_attr_get_type(attr)) {
	case IRQHOP_A_MODULE_VERSION:
		return attr_string(attr, module->version,
				   sizeof(module->version));
	case IRQHOP_A_ABI_VERSION:
		return attr_u32(attr, &module->abi);
	case IRQHOP_A_CAPS:
		return attr_u32(attr, &module->caps);
	case IRQHOP_A_POLICY:
		return name_read(attr, &module->policies);
	case IRQHOP_A_RETURN:
		return name_read(attr, &module->returns);
	case IRQHOP_A_HALTED:
		return name_read(attr, &module->halted);
	case IRQHOP_A_MAX_HOPS:
		return attr_u32(attr, &module->max_hops);
	}
	return 0;
}

static int info_read(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	int err;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		err = info_attr(attr, data);
		if (err)
			return err;
	}
	return 0;
}

static int family_get(struct module *module)
{
	struct genl_family family;
	int err;

	err = genl_family(&module->genl, IRQHOP_GENL_NAME, IRQHOP_GENL_GROUP,
			  &family);
	if (err)
		return err == -ENOENT ? -ENODEV : err;
	module->family = family.id;
	module->family_version = family.version;
	module->group = family.group;
	return 0;
}

struct nlmsghdr *module_request(struct module *module, uint8_t cmd,
				uint16_t flags)
{
	return genl_request(&module->genl, module->family, cmd,
			    IRQHOP_GENL_VERSION, flags);
}

struct nlmsghdr *module_request_vm(struct module *module, uint8_t cmd,
				   uint16_t flags, int fd)
{
	struct nlmsghdr *nlh = module_request(module, cmd, flags);

	mnl_attr_put_u32(nlh, IRQHOP_A_VM_FD, fd);
	return nlh;
}

/*
 * -ENOENT is the module's answer about a VM, but also the kernel's about a
 * module that is no more.
 */
static bool module_gone(struct module *module)
{
	char extack[GENL_EXTACK_LEN];
	struct genl_family family;
	int err;

	memcpy(extack, module->genl.extack, sizeof(extack));
	err = genl_family(&module->genl, IRQHOP_GENL_NAME, IRQHOP_GENL_GROUP,
			  &family);
	memcpy(module->genl.extack, extack, sizeof(extack));
	return err == -ENOENT || (!err && family.id != module->family);
}

static int talk_result(struct module *module, int err)
{
	if (err != -ENOENT || !module_gone(module))
		return err;
	module->unloaded = true;
	return -ENODEV;
}

int module_talk(struct module *module, const struct nlmsghdr *request,
		int (*answer)(const struct nlmsghdr *nlh, void *data),
		void *data)
{
	return talk_result(module, genl_talk(&module->genl, request, answer,
					     data));
}

int module_dump(struct module *module, const struct nlmsghdr *request,
		int (*answer)(const struct nlmsghdr *nlh, void *data),
		void (*again)(void *data), void *data)
{
	int tries = 0, err;

	do {
		again(data);
		err = genl_talk(&module->genl, request, answer, data);
	} while (err == -EINTR && ++tries < DUMP_TRIES);
	return talk_result(module, err);
}

/* Of another version it may refuse anything; so its version comes first. */
static int module_ask(struct module *module)
{
	int err = family_get(module);

	if (err)
		return err;
	err = module_talk(module, module_request(module, IRQHOP_CMD_INFO_GET,
						 NLM_F_ACK),
			  info_read, module);
	if (module->family_version != IRQHOP_GENL_VERSION)
		return -EPROTO;
	if (err)
		return err;
	return module->abi == IRQHOP_GENL_VERSION ? 0 : -EPROTO;
}

int module_open(struct module *module)
{
	int err;

	memset(module, 0, sizeof(*module));
	err = genl_open(&module->genl);
	if (err)
		return err;
	err = module_ask(module);
	if (err)
		genl_close(&module->genl);
	return err;
}

void module_close(struct module *module)
{
	genl_close(&module->genl);
}

static int fail_absent(const struct module *module)
{
	if (module->unloaded)
		return fail(STATUS_MODULE,
			    "the irqhop module was unloaded meanwhile; load it with 'modprobe irqhop'");
	if (host_exists("/sys/module/irqhop"))
		return fail(STATUS_MODULE,
			    "the irqhop module is loaded but does not answer; run irqhop in the initial network namespace");
	return fail(STATUS_MODULE,
		    "the irqhop module is not loaded; load it with 'modprobe irqhop'");
}

static int fail_version(const struct module *module)
{
	uint32_t version = module->family_version;

	if (version == IRQHOP_GENL_VERSION)
		version = module->abi;
	return fail(STATUS_MODULE,
		    "the module (%s) speaks version %u, this tool (%s) version %u; install both from the same release",
		    *module->version ? module->version : "irqhop", version,
		    IRQHOP_VERSION, IRQHOP_GENL_VERSION);
}

int module_fail(const struct module *module, int err, const char *doing,
		const struct vm *vm)
{
	const char *extack = module->genl.extack;
	char who[NAME_LEN + 32] = "";

	if (vm)
		snprintf(who, sizeof(who), " VM %d (%s)", vm->pid, vm->name);
	switch (-err) {
	case ENODEV:
		if (!module->family || module->unloaded)
			return fail_absent(module);
		break;
	case EPROTO:
		if (module->family_version != IRQHOP_GENL_VERSION ||
		    module->abi != IRQHOP_GENL_VERSION)
			return fail_version(module);
		break;
	case EPERM:
	case EACCES:
		return fail(STATUS_PERM,
			    "no permission to %s%s: %s", doing, who, *extack ?
			    extack : "needs root (CAP_SYS_ADMIN in the initial user namespace)");
	case EBADMSG:
		return fail(STATUS_FAILED,
			    "cannot %s%s: the module's answer makes no sense",
			    doing, who);
	}
	return fail(STATUS_FAILED, "cannot %s%s: %s", doing, who,
		    *extack ? extack : strerror(-err));
}

int module_need(struct module *module, const char *doing)
{
	int err;

	if (!host_admin())
		return fail(STATUS_PERM,
			    "no permission to %s: needs root (CAP_SYS_ADMIN)",
			    doing);
	err = module_open(module);
	return err ? module_fail(module, err, doing, NULL) : STATUS_OK;
}

static void settings_put(struct nlmsghdr *nlh, const struct settings *settings)
{
	if (settings->policy)
		mnl_attr_put_strz(nlh, IRQHOP_A_POLICY, settings->policy);
	if (settings->rule)
		mnl_attr_put_strz(nlh, IRQHOP_A_RETURN, settings->rule);
	if (settings->halted)
		mnl_attr_put_strz(nlh, IRQHOP_A_HALTED, settings->halted);
	if (settings->bounded)
		mnl_attr_put_u32(nlh, IRQHOP_A_MAX_HOPS, settings->max_hops);
}

int module_vm_enable(struct module *module, int fd,
		     const struct settings *settings)
{
	struct nlmsghdr *nlh;

	nlh = module_request_vm(module, IRQHOP_CMD_VM_ENABLE, NLM_F_ACK, fd);
	settings_put(nlh, settings);
	return module_talk(module, nlh, NULL, NULL);
}

int module_vm_set(struct module *module, int fd,
		  const struct settings *settings)
{
	struct nlmsghdr *nlh;

	nlh = module_request_vm(module, IRQHOP_CMD_VM_SET, NLM_F_ACK, fd);
	settings_put(nlh, settings);
	return module_talk(module, nlh, NULL, NULL);
}

int module_vm_disable(struct module *module, int fd)
{
	return module_talk(module,
			   module_request_vm(module, IRQHOP_CMD_VM_DISABLE,
					     NLM_F_ACK, fd),
			   NULL, NULL);
}

static int check_read(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == IRQHOP_A_MESSAGE)
			return attr_string(attr, data, MODULE_MESSAGE_LEN);
	return 0;
}

int module_vm_check(struct module *module, int fd,
		    char message[MODULE_MESSAGE_LEN])
{
	message[0] = '\0';
	return module_talk(module,
			   module_request_vm(module, IRQHOP_CMD_VM_CHECK,
					     NLM_F_ACK, fd),
			   check_read, message);
}
