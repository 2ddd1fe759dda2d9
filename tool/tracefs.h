/* SPDX-License-Identifier: GPL-2.0-only */
/* A trace instance of this process's own, with the module's events. */
#ifndef IRQHOP_TRACEFS_H
#define IRQHOP_TRACEFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * struct tracefs - an instance
 * @path: its directory
 * @made: it has been made
 * @fd: its trace_pipe, not blocking; -1 if it is not open
 */
struct tracefs {
	char path[PATH_MAX];
	bool made;
	int fd;
};

/*
 * Makes it, after it has removed those that processes left behind which are
 * no more. Returns an exit status, and has printed what is wrong.
 */
int tracefs_open(struct tracefs *tracefs);

/* Switches one event on, for all VMs or (@vm > 0) for one. An exit status. */
int tracefs_event(const struct tracefs *tracefs, const char *event, pid_t vm);

/* Opens the pipe, and has all that is on recorded from now on. An exit status. */
int tracefs_start(struct tracefs *tracefs);

/* Does the module still have its events? */
bool tracefs_alive(const struct tracefs *tracefs);

void tracefs_close(struct tracefs *tracefs);

#endif
