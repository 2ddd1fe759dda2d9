/* SPDX-License-Identifier: GPL-2.0-only */
/* When a command that goes on by itself is to stop. */
#ifndef IRQHOP_STOP_H
#define IRQHOP_STOP_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/**
 * struct stop - when to stop
 * @count: after so many; 0: never
 * @duration: after so many seconds; 0: never
 * @done: so many so far
 * @end: when @duration is over, by CLOCK_MONOTONIC
 */
struct stop {
	unsigned long count;
	double duration;
	unsigned long done;
	struct timespec end;
};

/* --count and --duration, to be a child of a parser; input: the stop. */
extern const struct argp stop_argp;

/* Numbers on a command line; what is none ends the program. */
double stop_seconds(const char *arg, struct argp_state *state);
unsigned long stop_count(const char *arg, struct argp_state *state);

/*
 * From now on SIGINT, SIGTERM, SIGHUP and SIGPIPE only make stop_now() true,
 * so that there is time to clear up; @duration begins.
 */
void stop_begin(struct stop *stop);
bool stop_now(const struct stop *stop);
/* Was there such a signal? */
bool stop_signalled(void);

/*
 * Waits until @fd can be read, and returns true; or for at most half a
 * second, so that the caller can look at whatever has no descriptor.
 */
bool stop_wait(const struct stop *stop, int fd);

#endif
