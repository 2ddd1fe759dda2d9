// SPDX-License-Identifier: GPL-2.0-only
/*
 * Made-up trace instances beneath the real tool: what the kernel makes and
 * removes when a folder of tracefs's is made and removed. See fake.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"
#include "wrap.h"

static int pipe_fd = -1;

static void file_put(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd < 0)
		abort();
	close(fd);
}

/* The pipe is held open, so that it does not end. */
static void pipe_put(const char *dir)
{
	char path[PATH_MAX], buf[4096];
	FILE *file = fopen(getenv("FAKE_TRACE") ?: "/dev/null", "r");
	size_t n;

	snprintf(path, sizeof(path), "%s/trace_pipe", dir);
	if (!file || mkfifo(path, 0600))
		exit(99);
	pipe_fd = open(path, O_RDWR);
	while ((n = fread(buf, 1, sizeof(buf), file)))
		if (write(pipe_fd, buf, n) != (ssize_t)n)
			exit(99);
	fclose(file);
}

/* What the kernel makes when a trace instance is made. */
static void instance_fill(const char *dir)
{
	static const char * const events[] = {
		"hop", "return", "stranded", "held_back", "in_handler",
		"let_go", "turn",
	};
	char path[PATH_MAX];
	size_t i;

	file_put(dir, "trace_clock");
	file_put(dir, "trace_options");
	file_put(dir, "tracing_on");
	pipe_put(dir);
	snprintf(path, sizeof(path), "%s/events", dir);
	__real_mkdir(path, 0700);
	if (!fake_number("FAKE_EVENTS", 1))
		return;
	snprintf(path, sizeof(path), "%s/events/irqhop", dir);
	__real_mkdir(path, 0700);
	for (i = 0; i < sizeof(events) / sizeof(*events) - fake_old(); i++) {
		snprintf(path, sizeof(path), "%s/events/irqhop/%s", dir,
			 events[i]);
		__real_mkdir(path, 0700);
		file_put(path, "enable");
		file_put(path, "filter");
	}
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	int ret = __real_mkdir(path, mode);

	if (!ret && strstr(path, "/instances/"))
		instance_fill(path);
	return ret;
}

/* Is anything of it open, but for the fake's own end of the pipe? */
static bool instance_busy(const char *dir)
{
	char link[64], path[PATH_MAX];
	ssize_t n;
	int fd;

	for (fd = 0; fd < 256; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = fd == pipe_fd ? -1 : readlink(link, path, sizeof(path));
		if (n > 0 && (size_t)n > strlen(dir) &&
		    !strncmp(path, dir, strlen(dir)))
			return true;
	}
	return false;
}

static int instance_drop(const char *path, const struct stat *st, int type,
			 struct FTW *ftw)
{
	char text[64] = "";
	FILE *file;

	(void)st;
	if (type == FTW_F && strcmp(path + ftw->base, "trace_pipe")) {
		file = fopen(path, "r");
		if (file && fgets(text, sizeof(text), file))
			fake_log("%s: %s\n", strstr(path, "/events/") ?
				 strstr(path, "/events/") : path + ftw->base,
				 text);
		if (file)
			fclose(file);
	}
	return remove(path);
}

int __wrap_rmdir(const char *path)
{
	if (!strstr(path, "/instances/"))
		return __real_rmdir(path);
	if (instance_busy(path)) {
		errno = EBUSY;
		return -1;
	}
	fake_log("removed\n");
	return nftw(path, instance_drop, 16, FTW_DEPTH | FTW_PHYS);
}
