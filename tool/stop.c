// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

#include "stop.h"

#define SECONDS_MAX	86400
#define TICK		0.5	/* seconds */

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
static volatile sig_atomic_t signalled;

double stop_seconds(const char *arg, struct argp_state *state)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !(value > 0 && value <= SECONDS_MAX))
		argp_error(state, "not a number of seconds: '%s'", arg);
	return value;
}

unsigned long stop_count(const char *arg, struct argp_state *state)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(arg, &end, 10);
	if (errno || end == arg || *end || value <= 0)
		argp_error(state, "not a number of times: '%s'", arg);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct stop *stop = state->input;

	switch (key) {
	case 'n':
		stop->count = stop_count(arg, state);
		return 0;
	case 'd':
		stop->duration = stop_seconds(arg, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Stop after N", 0 },
	{ "duration", 'd', "SEC", 0, "Stop after SEC seconds", 0 },
	{ 0 }
};

const struct argp stop_argp = {
	.options = options,
	.parser = parse,
};

static void signal_note(int signal)
{
	(void)signal;
	signalled = 1;
}

void stop_begin(struct stop *stop)
{
	struct sigaction action = { .sa_handler = signal_note };
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
	clock_gettime(CLOCK_MONOTONIC, &stop->end);
	stop->end.tv_sec += stop->duration;
	stop->end.tv_nsec += (stop->duration - (long)stop->duration) * 1e9;
}

/* Seconds until the end, not below 0; @most if that is sooner. */
static double left(const struct stop *stop, double most)
{
	struct timespec now;
	double seconds;

	if (!stop->duration)
		return most;
	clock_gettime(CLOCK_MONOTONIC, &now);
	seconds = stop->end.tv_sec - now.tv_sec +
		  (stop->end.tv_nsec - now.tv_nsec) / 1e9;
	if (seconds < 0)
		return 0;
	return seconds < most ? seconds : most;
}

bool stop_signalled(void)
{
	return signalled;
}

bool stop_now(const struct stop *stop)
{
	return signalled || (stop->count && stop->done >= stop->count) ||
	       !left(stop, TICK);
}

bool stop_wait(const struct stop *stop, int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, left(stop, TICK) * 1e3 + 1) > 0;
}
