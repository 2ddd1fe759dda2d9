// SPDX-License-Identifier: GPL-2.0-only
/* irqhop policy: how interrupts are redirected, or how they are to be. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "error.h"
#include "json.h"
#include "module.h"
#include "pick.h"
#include "report.h"
#include "settings.h"

/**
 * struct question - what is asked for
 * @name: the VM as the user named it, or NULL
 * @json: as JSON
 * @settings: what is to be set
 * @module: the module
 */
struct question {
	const char *name;
	bool json;
	struct settings settings;
	struct module *module;
};

static void names_print(const char *what, const struct names *names)
{
	size_t i;

	printf("%-9s", what);
	for (i = 0; i < names->nr; i++)
		printf("%s%s", i ? " " : "", names->name[i]);
	puts(names->nr ? "" : "-");
}

static json_t *names_json(const struct names *names)
{
	json_t *array = json_make("[]");
	size_t i;

	for (i = 0; i < names->nr; i++)
		json_add(array, json_text(names->name[i]));
	return array;
}

static json_t *offer_json(const struct module *module)
{
	return json_make("{s:o, s:o, s:o, s:I}",
			 "policies", names_json(&module->policies),
			 "returns", names_json(&module->returns),
			 "halted", names_json(&module->halted),
			 "max_hops", (json_int_t)module->max_hops);
}

/* The first policy is the default; each has rules of its own. */
static int offer_print(const struct question *question)
{
	const struct module *module = question->module;

	if (question->json) {
		json_document(offer_json(module));
		return STATUS_OK;
	}
	names_print("policy", &module->policies);
	names_print("return", &module->returns);
	names_print("halted", &module->halted);
	printf("max-hops %u\n", module->max_hops);
	return STATUS_OK;
}

static json_t *report_json(const struct vm *vm, const struct report *report)
{
	return json_make("{s:i, s:o, s:o, s:o, s:o, s:I}", "pid", vm->pid,
			 "name", json_text(vm->name),
			 "policy", json_text(report->policy),
			 "return", json_text(report->rule),
			 "halted", json_text(report_halted(report)),
			 "max_hops", (json_int_t)report->max_hops);
}

static void report_print(const struct question *question, const struct vm *vm,
			 const struct report *report)
{
	if (question->json)
		json_document(report_json(vm, report));
	else
		printf("policy   %s\nreturn   %s\nhalted   %s\nmax-hops %u\n",
		       report->policy, report->rule,
		       report_halted(report) ?: "-", report->max_hops);
}

static int vm_print(const struct question *question, const struct vm *vm,
		    int fd)
{
	struct report report;
	int err = report_read(question->module, fd, &report);

	if (err)
		return report_fail(question->module, err, vm);
	report_print(question, vm, &report);
	report_free(&report);
	return STATUS_OK;
}

static int vm_set(const struct question *question, const struct vm *vm, int fd)
{
	int err = module_vm_set(question->module, fd, &question->settings);

	if (err == -ENOENT)
		return report_fail(question->module, err, vm);
	return err ? module_fail(question->module, err, "change", vm) :
		     STATUS_OK;
}

static int vm_do(const struct question *question)
{
	struct vm_list host;
	struct vm *vm;
	int fd, status;

	status = pick_host(&host);
	if (status)
		return status;
	status = pick_one(&host, question->name, &vm, &fd);
	if (!status) {
		status = settings_any(&question->settings) ?
			vm_set(question, vm, fd) : vm_print(question, vm, fd);
		close(fd);
	}
	vm_list_free(&host);
	return status;
}

static int question_do(const struct question *question)
{
	int status;

	if (!question->name)
		return offer_print(question);
	status = settings_check(question->module, &question->settings);
	return status ?: vm_do(question);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct question *question = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &question->settings;
		return 0;
	case 'j':
		question->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!question->name)
			question->name = arg;
		else if (!question->settings.policy)
			question->settings.policy =
				settings_name("policy", arg, state);
		else
			return ARGP_ERR_UNKNOWN;
		return 0;
	case ARGP_KEY_END:
		if (!question->name && settings_any(&question->settings))
			argp_error(state, "name a VM");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	JSON_OPTION,
	{ 0 }
};

static const struct argp_child children[] = {
	{ &settings_argp, 0, NULL, 0 },
	{ 0 }
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[VM [POLICY]]",
	.children = children,
	.doc = "Shows how the interrupts of a VM (a pid or a name) are redirected, or with a POLICY or options changes it. Without a VM: what the module offers, and its defaults.",
};

int cmd_policy(int argc, char **argv)
{
	static struct module module;
	struct question question = { .module = &module };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &question);
	status = module_need(&module, "show policies");
	if (status)
		return status;
	status = question_do(&question);
	module_close(&module);
	return status;
}
