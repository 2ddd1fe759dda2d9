/* SPDX-License-Identifier: GPL-2.0-only */
/* This host's files, below /proc, /sys and /dev. */
#ifndef IRQHOP_HOST_H
#define IRQHOP_HOST_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

/* Put before every path. Empty but in tests. */
extern const char *host_root;

/* All of a file, NUL-terminated, to be freed; NULL and errno on error. */
char *host_read(size_t *len, const char *fmt, ...) __printf(2, 3);
/* Writes it all at once, as files below /sys want it; 0 or a negative errno. */
int host_write(const char *text, const char *fmt, ...) __printf(2, 3);
/* 0 or a negative errno. */
int host_mkdir(const char *fmt, ...) __printf(1, 2);
int host_rmdir(const char *fmt, ...) __printf(1, 2);
/* A symbolic link's text, cut to @size; 0 or a negative errno. */
int host_readlink(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
int host_open(int flags, const char *fmt, ...) __printf(2, 3);
DIR *host_opendir(const char *fmt, ...) __printf(1, 2);
bool host_exists(const char *fmt, ...) __printf(1, 2);

/* May this process do what needs CAP_SYS_ADMIN? */
bool host_admin(void);

#endif
