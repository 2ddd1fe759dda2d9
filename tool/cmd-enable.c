// SPDX-License-Identifier: GPL-2.0-only
/* irqhop enable, irqhop disable */
#include <argp.h>
#include <errno.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "module.h"
#include "pick.h"
#include "settings.h"

/**
 * struct order - what is to be done to which VMs
 * @verb: "enable" or "disable"
 * @enable: which of the two
 * @settings: how, for enable
 * @pick: the VMs
 * @module: the module
 */
struct order {
	const char *verb;
	bool enable;
	struct settings settings;
	struct pick pick;
	struct module *module;
};

/* Enabled already: what was given is set, and that is said. */
static int order_set(const struct order *order, const struct vm *vm, int fd)
{
	char text[SETTINGS_TEXT_LEN];
	int err;

	err = module_vm_set(order->module, fd, &order->settings);
	if (err)
		return module_fail(order->module, err, "change", vm);
	settings_text(&order->settings, text);
	note("VM %d (%s) is already enabled; changed to %s", vm->pid,
	     vm->name, text);
	return STATUS_OK;
}

/* What is as it was to become is not an error, but said where it was named. */
static int order_same(const struct order *order, const struct vm *vm)
{
	if (!order->pick.all)
		note("VM %d (%s) is %s enabled", vm->pid, vm->name,
		     order->enable ? "already" : "not");
	return STATUS_OK;
}

static int order_fd(const struct order *order, const struct vm *vm, int fd)
{
	int err = order->enable ?
		module_vm_enable(order->module, fd, &order->settings) :
		module_vm_disable(order->module, fd);

	if (!err)
		return STATUS_OK;
	if (err == -EEXIST && order->enable)
		return settings_any(&order->settings) ?
			order_set(order, vm, fd) : order_same(order, vm);
	if (err == -ENOENT && !order->enable)
		return order_same(order, vm);
	return module_fail(order->module, err, order->verb, vm);
}

static int order_one(const struct order *order, struct vm *vm)
{
	int fd, status;

	status = pick_fd(&order->pick, vm, &fd);
	if (status || fd < 0)
		return status;
	status = order_fd(order, vm, fd);
	close(fd);
	return status;
}

/*
 * All names are looked up before anything is changed; then one that fails
 * does not keep the others from it. The status is that of the first.
 */
static int order_run(struct order *order)
{
	int status, one;
	size_t i;

	status = settings_check(order->module, &order->settings);
	if (status)
		return status;
	status = pick_vms(&order->pick);
	for (i = 0; i < order->pick.nr; i++) {
		one = order_one(order, order->pick.vm[i]);
		status = status ?: one;
	}
	pick_free(&order->pick);
	return status;
}

static int order_do(struct order *order)
{
	static struct module module;
	int status;

	order->module = &module;
	status = module_need(&module, order->verb);
	if (status)
		return status;
	status = order_run(order);
	module_close(&module);
	return status;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct order *order = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &order->pick;
		if (order->enable)
			state->child_inputs[1] = &order->settings;
		return 0;
	case 'p':
		order->settings.policy = settings_name("policy", arg, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option enable_options[] = {
	{ "policy", 'p', "NAME", 0, "How to choose among running vCPUs", 0 },
	{ 0 }
};

static const struct argp_child enable_children[] = {
	{ &pick_argp, 0, NULL, 0 },
	{ &settings_argp, 0, NULL, 0 },
	{ 0 }
};

static const struct argp enable_argp = {
	.options = enable_options,
	.parser = parse,
	.children = enable_children,
	.doc = "Redirects the interrupts of VMs. A VM is a pid or a name. For one that is enabled already, the options change how.",
};

static const struct argp_child disable_children[] = {
	{ &pick_argp, 0, NULL, 0 },
	{ 0 }
};

static const struct argp disable_argp = {
	.parser = parse,
	.children = disable_children,
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
