// SPDX-License-Identifier: GPL-2.0-only
/* irqhop monitor: VMs that are enabled and disabled, as it happens. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "cmd.h"
#include "error.h"
#include "json.h"
#include "notice.h"
#include "stop.h"

/**
 * struct monitor - what is to be shown
 * @json: as JSON
 * @stop: when to stop
 * @module: the module
 */
struct monitor {
	bool json;
	struct stop stop;
	struct module *module;
};

static void notice_print(const struct notice *notice)
{
	/* It may have ended, and its name with it. */
	char name[NAME_LEN], when[32];
	time_t now = time(NULL);

	strftime(when, sizeof(when), "%F %T", localtime(&now));
	printf("%s  VM %d (%s) ", when, notice->pid,
	       vm_name(notice->pid, name) ?: "?");
	if (notice->kind == NOTICE_ENABLED) {
		printf("enabled, policy %s\n", notice->policy);
		return;
	}
	printf("disabled: %s", notice_reason_text(notice->reason));
	if (*notice->message)
		printf(": %s", notice->message);
	if (notice->not_home)
		printf("; %u interrupts could not be sent home",
		       notice->not_home);
	putchar('\n');
}

static void notice_json(const struct notice *notice)
{
	bool enabled = notice->kind == NOTICE_ENABLED;
	char name[NAME_LEN];
	struct timespec now;
	json_t *value;

	clock_gettime(CLOCK_REALTIME, &now);
	value = json_make("{s:s, s:I, s:i, s:o}",
			  "event", enabled ? "enabled" : "disabled",
			  "time_ns", (json_int_t)now.tv_sec * 1000000000 +
			  now.tv_nsec, "pid", notice->pid,
			  "name", json_text(vm_name(notice->pid, name)));
	if (enabled) {
		json_put(value, "policy", json_text(notice->policy));
	} else {
		json_put(value, "reason",
			 json_text(notice_reason_name(notice->reason)));
		json_put(value, "not_home",
			 json_make("I", (json_int_t)notice->not_home));
		json_put(value, "message", json_text(*notice->message ?
						     notice->message : NULL));
	}
	json_line(value);
}

static int notified(const struct nlmsghdr *nlh, void *data)
{
	struct monitor *monitor = data;
	struct notice notice;
	int err;

	err = notice_read(monitor->module, nlh, &notice);
	if (err)
		return err;
	if (notice.kind == NOTICE_UNLOADED)
		monitor->module->unloaded = true;
	if (notice.kind != NOTICE_ENABLED && notice.kind != NOTICE_DISABLED)
		return 0;
	(monitor->json ? notice_json : notice_print)(&notice);
	monitor->stop.done++;
	return 0;
}

static void lost_show(const struct monitor *monitor)
{
	if (monitor->json)
		json_line(json_make("{s:s}", "event", "lost"));
	else
		note("notifications were lost: see 'irqhop list'");
}

static int listen_once(struct monitor *monitor)
{
	int err = genl_listen(&monitor->module->genl, notified, monitor);

	if (err == -ENOBUFS)
		lost_show(monitor);
	else if (err && err != -EINTR && err != -EAGAIN)
		return module_fail(monitor->module, err, "listen", NULL);
	if (fflush(stdout) && !stop_signalled())
		return fail_write();
	return monitor->module->unloaded ?
		module_fail(monitor->module, -ENODEV, "listen", NULL) :
		STATUS_OK;
}

static int monitor_run(struct monitor *monitor)
{
	int status = STATUS_OK;
	int fd, err;

	err = notice_join(monitor->module);
	if (err)
		return module_fail(monitor->module, err,
				   "listen to notifications", NULL);
	fd = genl_fd(&monitor->module->genl);
	stop_begin(&monitor->stop);
	while (!status && !stop_now(&monitor->stop))
		if (stop_wait(&monitor->stop, fd))
			status = listen_once(monitor);
	return status;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct monitor *monitor = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &monitor->stop;
		return 0;
	case 'j':
		monitor->json = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	JSON_LINES_OPTION,
	{ 0 }
};

static const struct argp_child children[] = {
	{ &stop_argp, 0, NULL, 0 },
	{ 0 }
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.children = children,
	.doc = "Says when a VM is enabled, and when it is not any more and why, as it happens.",
};

int cmd_monitor(int argc, char **argv)
{
	static struct module module;
	struct monitor monitor = { .module = &module };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &monitor);
	status = module_need(&module, "listen");
	if (status)
		return status;
	status = monitor_run(&monitor);
	module_close(&module);
	return status;
}
