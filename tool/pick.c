// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "pick.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct pick *pick = state->input;

	(void)arg;
	switch (key) {
	case 'a':
		pick->all = true;
		return 0;
	case ARGP_KEY_ARGS:
		pick->name = state->argv + state->next;
		pick->nr_names = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!pick->all && !pick->nr_names)
			argp_error(state, "name a VM, or give --all");
		if (pick->all && pick->nr_names)
			argp_error(state, "give either VMs or --all");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "all", 'a', NULL, 0, "Every VM of this host", 0 },
	{ 0 }
};

const struct argp pick_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "VM...\n--all",
};

static void pick_add(struct pick *pick, struct vm *vm)
{
	size_t i;

	for (i = 0; i < pick->nr; i++)
		if (pick->vm[i] == vm)
			return;
	pick->vm[pick->nr++] = vm;
}

static int pick_named(struct pick *pick)
{
	int status = STATUS_OK, one, err;
	struct vm *vm;
	size_t i;

	for (i = 0; i < pick->nr_names; i++) {
		one = vm_list_find(&pick->host, pick->name[i], &vm);
		if (!one) {
			err = vm_hold(vm);
			one = err ? vm_fail(vm, err) : STATUS_OK;
		}
		if (!one)
			pick_add(pick, vm);
		status = status ?: one;
	}
	if (status)
		pick->nr = 0;
	return status;
}

int pick_vms(struct pick *pick)
{
	int status = pick_host(&pick->host);
	size_t i;

	if (status)
		return status;
	pick->vm = calloc(pick->host.nr + 1, sizeof(*pick->vm));
	if (!pick->vm)
		return fail(STATUS_FAILED, "%s", strerror(ENOMEM));
	if (!pick->all)
		return pick_named(pick);
	for (i = 0; i < pick->host.nr; i++)
		pick_add(pick, &pick->host.vm[i]);
	if (!pick->nr)
		note("no VM on this host");
	return STATUS_OK;
}

void pick_free(struct pick *pick)
{
	free(pick->vm);
	vm_list_free(&pick->host);
}

int pick_fd(const struct pick *pick, struct vm *vm, int *fd)
{
	int err = vm_hold(vm);

	*fd = err ?: vm_fd(vm);
	/* With --all nobody named it; it may end when it likes. */
	if (pick->all && (*fd == -ESRCH || *fd == -EBADF || *fd == -ENOENT))
		return STATUS_OK;
	return *fd < 0 ? vm_fail(vm, *fd) : STATUS_OK;
}

int pick_host(struct vm_list *host)
{
	int err = vm_list_read(host);

	return err ? fail(STATUS_FAILED, "cannot read /proc: %s",
			  strerror(-err)) : STATUS_OK;
}

int pick_one(const struct vm_list *host, const char *name, struct vm **vm,
	     int *fd)
{
	int status = vm_list_find(host, name, vm);

	if (status)
		return status;
	*fd = vm_hold(*vm);
	*fd = *fd ?: vm_fd(*vm);
	return *fd < 0 ? vm_fail(*vm, *fd) : STATUS_OK;
}
