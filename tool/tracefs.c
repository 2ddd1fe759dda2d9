// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "host.h"
#include "tracefs.h"

#define PREFIX	"irqhop-"

/*
 * A new instance has the options of the main one, which may be anything:
 * what a line looks like is set here. Nothing is recorded before all events are
 * on, or a return would be missed of an interrupt whose hop is there.
 */
static const struct {
	const char *file;
	const char *text;
} setup[] = {
	{ "tracing_on", "0" },
	{ "trace_clock", "mono" },
	{ "trace_options", "context-info" },
	{ "trace_options", "irq-info" },
	{ "trace_options", "norecord-tgid" },
	{ "trace_options", "noraw" },
	{ "trace_options", "nohex" },
	{ "trace_options", "nobin" },
	{ "trace_options", "noblock" },
	{ "trace_options", "nofields" },
	{ "trace_options", "nolatency-format" },
};

/* Where tracefs is mounted; false if nowhere. */
static bool mount_find(char path[PATH_MAX])
{
	int fd = host_open(O_RDONLY, "/proc/self/mounts");
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	const struct mntent *entry;
	bool found = false;

	while (file && !found && (entry = getmntent(file))) {
		found = !strcmp(entry->mnt_type, "tracefs");
		if (found)
			snprintf(path, PATH_MAX, "%s", entry->mnt_dir);
	}
	if (file)
		fclose(file);
	return found;
}

/* One that is in use cannot be removed, and so is not. */
static void stale_remove(const char *mount)
{
	DIR *dir = host_opendir("%s/instances", mount);
	struct dirent *entry;
	int pid;

	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, PREFIX "%d", &pid) == 1 &&
		    (pid == getpid() || !host_exists("/proc/%d", pid)))
			host_rmdir("%s/instances/%s", mount, entry->d_name);
	if (dir)
		closedir(dir);
}

static int fail_trace(const char *what, const char *path, int err)
{
	if (err == -EACCES || err == -EPERM)
		return fail(STATUS_PERM, "no permission to %s %s: needs root, and a kernel that is not locked down",
			    what, path);
	return fail(STATUS_FAILED, "cannot %s %s: %s", what, path,
		    strerror(-err));
}

static int setup_write(const struct tracefs *tracefs)
{
	size_t i;
	int err;

	for (i = 0; i < sizeof(setup) / sizeof(*setup); i++) {
		err = host_write(setup[i].text, "%s/%s", tracefs->path,
				 setup[i].file);
		if (err)
			return fail_trace("set the options of", tracefs->path,
					  err);
	}
	return STATUS_OK;
}

int tracefs_open(struct tracefs *tracefs)
{
	char mount[PATH_MAX];
	int err;

	tracefs->made = false;
	tracefs->fd = -1;
	if (!mount_find(mount))
		return fail(STATUS_FAILED,
			    "tracefs is not mounted; mount it with 'mount -t tracefs nodev /sys/kernel/tracing'");
	stale_remove(mount);
	if (snprintf(tracefs->path, PATH_MAX, "%s/instances/" PREFIX "%d",
		     mount, getpid()) >= PATH_MAX)
		return fail(STATUS_FAILED, "%s: %s", mount,
			    strerror(ENAMETOOLONG));
	err = host_mkdir("%s", tracefs->path);
	if (err)
		return fail_trace("make", tracefs->path, err);
	tracefs->made = true;
	if (!tracefs_alive(tracefs))
		return fail(STATUS_MODULE,
			    "the kernel has no trace events of irqhop; tool and module have to be of the same release");
	return setup_write(tracefs);
}

int tracefs_event(const struct tracefs *tracefs, const char *event, pid_t vm)
{
	char filter[32];
	int err = 0;

	snprintf(filter, sizeof(filter), "vm == %d", vm);
	if (vm > 0)
		err = host_write(filter, "%s/events/irqhop/%s/filter",
				 tracefs->path, event);
	if (!err)
		err = host_write("1", "%s/events/irqhop/%s/enable",
				 tracefs->path, event);
	return err ? fail_trace("switch on trace event", event, err) :
		     STATUS_OK;
}

int tracefs_start(struct tracefs *tracefs)
{
	int err;

	tracefs->fd = host_open(O_RDONLY | O_NONBLOCK, "%s/trace_pipe",
				tracefs->path);
	if (tracefs->fd < 0)
		return fail_trace("read", tracefs->path, -errno);
	err = host_write("1", "%s/tracing_on", tracefs->path);
	return err ? fail_trace("start", tracefs->path, err) : STATUS_OK;
}

bool tracefs_alive(const struct tracefs *tracefs)
{
	return host_exists("%s/events/irqhop", tracefs->path);
}

void tracefs_close(struct tracefs *tracefs)
{
	int err = 0;

	/* While it is open, the instance cannot be removed. */
	if (tracefs->fd >= 0)
		close(tracefs->fd);
	if (tracefs->made)
		err = host_rmdir("%s", tracefs->path);
	if (err)
		note("cannot remove %s: %s", tracefs->path, strerror(-err));
}
