// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"

const char *host_root = "";

static void host_path(char path[PATH_MAX], const char *fmt, va_list ap)
{
	int n = snprintf(path, PATH_MAX, "%s", host_root);

	if (n < PATH_MAX)
		vsnprintf(path + n, PATH_MAX - n, fmt, ap);
}

static char *read_all(int fd, size_t *len)
{
	size_t size = 4096, have = 0;
	char *buf = malloc(size), *more;
	ssize_t n;

	while (buf && (n = read(fd, buf + have, size - have - 1)) > 0) {
		have += n;
		if (have + 1 < size)
			continue;
		size *= 2;
		more = realloc(buf, size);
		if (!more)
			free(buf);
		buf = more;
	}
	if (!buf)
		return NULL;
	if (n < 0) {
		free(buf);
		return NULL;
	}
	buf[have] = '\0';
	if (len)
		*len = have;
	return buf;
}

int host_open(int flags, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	host_path(path, fmt, ap);
	va_end(ap);
	return open(path, flags | O_CLOEXEC);
}

char *host_read(size_t *len, const char *fmt, ...)
{
	char path[PATH_MAX], *buf;
	int fd, saved;
	va_list ap;

	va_start(ap, fmt);
	host_path(path, fmt, ap);
	va_end(ap);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	buf = read_all(fd, len);
	saved = errno;
	close(fd);
	errno = saved;
	return buf;
}

int host_write(const char *text, const char *fmt, ...)
{
	size_t len = strlen(text);
	char path[PATH_MAX];
	int fd, err = 0;
	va_list ap;

	va_start(ap, fmt);
	host_path(path, fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = -errno;
	close(fd);
	return err;
}

int host_mkdir(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	host_path(path, fmt, ap);
	va_end(ap);
	return mkdir(path, 0700) ? -errno : 0;
}

int host_rmdir(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	host_path(path, fmt, ap);
	va_end(ap);
	return rmdir(path) ? -errno : 0;
}

int host_readlink(char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	ssize_t n;

	va_start(ap, fmt);
	host_path(path, fmt, ap);
	va_end(ap);
	n = readlink(path, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

DIR *host_opendir(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	host_path(path, fmt, ap);
	va_end(ap);
	return opendir(path);
}

bool host_exists(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	host_path(path, fmt, ap);
	va_end(ap);
	return !access(path, F_OK);
}

bool host_admin(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, data))
		return !geteuid();
	return data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &
	       CAP_TO_MASK(CAP_SYS_ADMIN);
}
