// SPDX-License-Identifier: GPL-2.0-only
/* irqhop enable, irqhop disable */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "module.h"
#include "vm.h"

/**
 * struct order - what is to be done to which VMs
 * @verb: "enable" or "disable"
 * @enable: which of the two
 * @all: every VM
 * @policy: or NULL
 * @name: VMs as the user named them
 * @nr: number of them
 * @module: the module
 * @vm: the same VMs, each once
 * @nr_vms: number of them
 */
struct order {
	const char *verb;
	bool enable;
	bool all;
	const char *policy;
	char **name;
	size_t nr;
	struct module *module;
	struct vm **vm;
	size_t nr_vms;
};

static int policy_check(const struct order *order)
{
	const struct module *module = order->module;
	char names[MODULE_POLICIES * (IRQHOP_POLICY_LEN + 1)] = "";
	size_t i;

	if (!order->policy || module_has_policy(module, order->policy))
		return STATUS_OK;
	for (i = 0; i < module->nr_policies; i++) {
		strcat(names, " ");
		strcat(names, module->policy[i]);
	}
	return fail(STATUS_USAGE, "no policy '%s'; the module has:%s",
		    order->policy, names);
}

static void order_add(struct order *order, struct vm *vm)
{
	size_t i;

	for (i = 0; i < order->nr_vms; i++)
		if (order->vm[i] == vm)
			return;
	order->vm[order->nr_vms++] = vm;
}

static int order_all(struct order *order, const struct vm_list *vms)
{
	size_t i;

	for (i = 0; i < vms->nr; i++)
		order_add(order, &vms->vm[i]);
	if (!vms->nr)
		note("no VM on this host");
	return STATUS_OK;
}

/* Each bad name is said, not only the first. */
static int order_named(struct order *order, const struct vm_list *vms)
{
	int status = STATUS_OK, one, err;
	struct vm *vm;
	size_t i;

	for (i = 0; i < order->nr; i++) {
		one = vm_list_find(vms, order->name[i], &vm);
		if (!one) {
			err = vm_hold(vm);
			one = err ? vm_fail(vm, err) : STATUS_OK;
		}
		if (!one)
			order_add(order, vm);
		status = status ?: one;
	}
	return status;
}

/* What is as it was to become is not an error, but said where it was named. */
static int order_result(const struct order *order, const struct vm *vm, int err)
{
	if (err == (order->enable ? -EEXIST : -ENOENT)) {
		if (!order->all)
			note("VM %d (%s) is %s enabled", vm->pid, vm->name,
			     order->enable ? "already" : "not");
		return STATUS_OK;
	}
	return err ? module_fail(order->module, err, order->verb, vm) :
		     STATUS_OK;
}

static int order_one(const struct order *order, struct vm *vm)
{
	int fd, err;

	err = vm_hold(vm);
	fd = err ?: vm_fd(vm);
	/* With --all nobody named it; it may end when it likes. */
	if (order->all && (fd == -ESRCH || fd == -EBADF || fd == -ENOENT))
		return STATUS_OK;
	if (fd < 0)
		return vm_fail(vm, fd);
	err = order->enable ?
		module_vm_enable(order->module, fd, order->policy) :
		module_vm_disable(order->module, fd);
	close(fd);
	return order_result(order, vm, err);
}

/*
 * All names are looked up before anything is changed; then one that fails
 * does not keep the others from it. The status is that of the first.
 */
static int order_run(struct order *order, const struct vm_list *vms)
{
	int status, one;
	size_t i;

	order->vm = calloc(vms->nr + 1, sizeof(*order->vm));
	if (!order->vm)
		return fail(STATUS_FAILED, "%s", strerror(ENOMEM));
	status = order->all ? order_all(order, vms) : order_named(order, vms);
	if (status)
		order->nr_vms = 0;
	for (i = 0; i < order->nr_vms; i++) {
		one = order_one(order, order->vm[i]);
		status = status ?: one;
	}
	free(order->vm);
	return status;
}

static int order_do(struct order *order)
{
	static struct module module;
	struct vm_list vms;
	int err, status;

	order->module = &module;
	status = module_need(&module, order->verb);
	if (status)
		return status;
	status = policy_check(order);
	if (!status) {
		err = vm_list_read(&vms);
		if (err) {
			status = fail(STATUS_FAILED, "cannot read /proc: %s",
				      strerror(-err));
		} else {
			status = order_run(order, &vms);
			vm_list_free(&vms);
		}
	}
	module_close(&module);
	return status;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct order *order = state->input;

	switch (key) {
	case 'a':
		order->all = true;
		return 0;
	case 'p':
		if (!*arg || strlen(arg) >= IRQHOP_POLICY_LEN)
			argp_error(state, "no policy '%s'", arg);
		order->policy = arg;
		return 0;
	case ARGP_KEY_ARGS:
		order->name = state->argv + state->next;
		order->nr = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!order->all && !order->nr)
			argp_error(state, "name a VM, or give --all");
		if (order->all && order->nr)
			argp_error(state, "give either VMs or --all");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option enable_options[] = {
	{ "policy", 'p', "NAME", 0, "How to choose among running vCPUs", 0 },
	{ "all", 'a', NULL, 0, "Every VM of this host", 0 },
	{ 0 }
};

static const struct argp enable_argp = {
	.options = enable_options,
	.parser = parse,
	.args_doc = "VM...\n--all",
	.doc = "Redirects the interrupts of VMs. A VM is a pid or a name. For one that is enabled already, --policy changes the policy.",
};

static const struct argp_option disable_options[] = {
	{ "all", 'a', NULL, 0, "Every VM of this host", 0 },
	{ 0 }
};

static const struct argp disable_argp = {
	.options = disable_options,
	.parser = parse,
	.args_doc = "VM...\n--all",
	.doc = "Sends the interrupts of VMs home and leaves them there. A VM is a pid or a name.",
};

int cmd_enable(int argc, char **argv)
{
	struct order order = { .verb = "enable", .enable = true };

	argp_parse(&enable_argp, argc, argv, 0, NULL, &order);
	return order_do(&order);
}

int cmd_disable(int argc, char **argv)
{
	struct order order = { .verb = "disable" };

	argp_parse(&disable_argp, argc, argv, 0, NULL, &order);
	return order_do(&order);
}
