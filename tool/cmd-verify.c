// SPDX-License-Identifier: GPL-2.0-only
/* irqhop verify: whether all records of where interrupts point agree. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "drift.h"
#include "error.h"
#include "json.h"
#include "pick.h"
#include "report.h"

/*
 * Records that are read while the guest changes its mind may differ for a
 * moment, and the module finds a new LPI within 2 s. So what differs counts
 * only if it does so, unchanged, in this many looks over 3 s.
 */
#define LOOKS		5
#define LOOK_APART_MS	750

/**
 * struct inquiry - what is to be verified
 * @pick: the VMs
 * @json: as JSON
 * @vms: what goes into it
 * @module: the module
 */
struct inquiry {
	struct pick pick;
	bool json;
	json_t *vms;
	struct module *module;
};

/**
 * struct verdict - about one VM
 * @vm: the VM
 * @enabled: as of the last look
 * @message: what contradicts what in the module's tables, "": nothing
 * @drift: what differed in all looks
 * @count: its interrupts as of the last look
 * @looks: how many there were
 */
struct verdict {
	const struct vm *vm;
	bool enabled;
	char message[MODULE_MESSAGE_LEN];
	struct drift_list drift;
	struct drift_count count;
	unsigned int looks;
};

static bool verdict_ok(const struct verdict *verdict)
{
	return !verdict->drift.nr && !*verdict->message;
}

/*
 * The module answers under one lock, so a contradiction in its own tables is
 * none of the moment. -ENOENT: the VM is not enabled.
 */
static int check_own(struct inquiry *inquiry, struct verdict *verdict, int fd)
{
	char message[MODULE_MESSAGE_LEN];
	int err = module_vm_check(inquiry->module, fd, message);

	verdict->enabled = !err;
	if (!err && *message)
		memcpy(verdict->message, message, sizeof(message));
	return err == -ENOENT ? 0 : err;
}

static int look(struct inquiry *inquiry, struct verdict *verdict, int fd)
{
	struct drift_list now;
	struct lpi_list lpis;
	int err;

	err = check_own(inquiry, verdict, fd);
	if (!err)
		err = lpi_list_read(inquiry->module, fd, &lpis);
	if (err)
		return err;
	err = drift_find(&now, &lpis, verdict->enabled);
	verdict->count = drift_count(&lpis);
	lpi_list_free(&lpis);
	if (err)
		return err;
	if (!verdict->looks++) {
		verdict->drift = now;
		return 0;
	}
	drift_keep(&verdict->drift, &now);
	drift_free(&now);
	return 0;
}

static void look_wait(void)
{
	struct timespec left = { .tv_nsec = LOOK_APART_MS * 1000000 };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static void verdict_print(const struct verdict *verdict)
{
	const struct drift_count *count = &verdict->count;
	const struct vm *vm = verdict->vm;
	char text[DRIFT_TEXT_LEN];
	size_t i;

	if (verdict_ok(verdict))
		printf("VM %d (%s): ok: %zu interrupts (%zu direct, %zu injected; %zu away, %zu stranded)\n",
		       vm->pid, vm->name, count->all, count->direct,
		       count->injected, count->away, count->stranded);
	for (i = 0; i < verdict->drift.nr; i++) {
		drift_text(&verdict->drift.drift[i], text);
		printf("VM %d (%s): drift: %s\n", vm->pid, vm->name, text);
	}
	if (*verdict->message)
		printf("VM %d (%s): irqhop's tables contradict each other: %s\n",
		       vm->pid, vm->name, verdict->message);
}

static json_t *drift_json(const struct drift *drift)
{
	const struct lpi *lpi = &drift->lpi;

	return json_make("{s:I, s:s, s:s, s:o, s:o, s:o, s:o}",
			 "intid", (json_int_t)lpi->intid,
			 "delivery", lpi_delivery(lpi),
			 "kind", drift_kind_name(drift->kind),
			 "home", json_number(lpi->home, LPI_NO_VCPU),
			 "target", json_number(lpi->target, LPI_NO_VCPU),
			 "engine_home",
			 json_number(lpi->engine_home, LPI_NO_VCPU),
			 "engine_target",
			 json_number(lpi->engine_target, LPI_NO_VCPU));
}

static json_t *verdict_json(const struct verdict *verdict)
{
	const struct drift_count *count = &verdict->count;
	json_t *drift = json_make("[]"), *value;
	size_t i;

	for (i = 0; i < verdict->drift.nr; i++)
		json_add(drift, drift_json(&verdict->drift.drift[i]));
	value = json_make("{s:i, s:o, s:b, s:b, s:i}",
			  "pid", verdict->vm->pid,
			  "name", json_text(verdict->vm->name),
			  "enabled", verdict->enabled,
			  "ok", verdict_ok(verdict),
			  "looks", verdict->looks);
	json_put(value, "interrupts", json_make("I", (json_int_t)count->all));
	json_put(value, "direct", json_make("I", (json_int_t)count->direct));
	json_put(value, "injected",
		 json_make("I", (json_int_t)count->injected));
	json_put(value, "away", json_make("I", (json_int_t)count->away));
	json_put(value, "stranded",
		 json_make("I", (json_int_t)count->stranded));
	json_put(value, "message", json_text(*verdict->message ?
					     verdict->message : NULL));
	json_put(value, "drift", drift);
	return value;
}

static int inquire_fd(struct inquiry *inquiry, const struct vm *vm, int fd)
{
	struct verdict verdict = { .vm = vm };
	int err, status;

	err = look(inquiry, &verdict, fd);
	while (!err && verdict.drift.nr && verdict.looks < LOOKS) {
		look_wait();
		err = look(inquiry, &verdict, fd);
	}
	status = verdict_ok(&verdict) ? STATUS_OK : STATUS_DRIFT;
	if (err)
		status = module_fail(inquiry->module, err, "verify", vm);
	else if (inquiry->json)
		json_add(inquiry->vms, verdict_json(&verdict));
	else
		verdict_print(&verdict);
	drift_free(&verdict.drift);
	return status;
}

static int inquire_one(struct inquiry *inquiry, struct vm *vm)
{
	int fd, status;

	status = pick_fd(&inquiry->pick, vm, &fd);
	if (status || fd < 0)
		return status;
	status = inquire_fd(inquiry, vm, fd);
	close(fd);
	return status;
}

/* One VM that fails does not keep the others from it. */
static int inquire(struct inquiry *inquiry)
{
	int status, one;
	size_t i;

	if (inquiry->json)
		inquiry->vms = json_make("[]");
	status = pick_vms(&inquiry->pick);
	for (i = 0; i < inquiry->pick.nr; i++) {
		one = inquire_one(inquiry, inquiry->pick.vm[i]);
		status = status ?: one;
	}
	if (inquiry->json)
		json_document(json_make("{s:b, s:o}", "ok", !status,
					"vms", inquiry->vms));
	pick_free(&inquiry->pick);
	return status;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct inquiry *inquiry = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &inquiry->pick;
		return 0;
	case 'j':
		inquiry->json = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	JSON_OPTION,
	{ 0 }
};

static const struct argp_child children[] = {
	{ &pick_argp, 0, NULL, 0 },
	{ 0 }
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.children = children,
	.doc = "Compares what KVM, the host's ITS driver and irqhop each have on record about where the interrupts of VMs point. A VM is a pid or a name. Changes nothing. What differs for longer than 3 seconds is drift; then the exit status is 6.",
};

int cmd_verify(int argc, char **argv)
{
	static struct module module;
	struct inquiry inquiry = { .module = &module };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &inquiry);
	status = module_need(&module, "verify");
	if (status)
		return status;
	status = inquire(&inquiry);
	module_close(&module);
	return status;
}
