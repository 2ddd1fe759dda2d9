// SPDX-License-Identifier: GPL-2.0-only
/*
 * neighbour: whatever else competes for the guest's pCPUs.
 *
 *	neighbour SEED
 *
 * There is always one task that never sleeps, and every now and then it is
 * another one, as where jobs come and go. One and the same task for ever falls
 * into step with the vCPUs at the host's tick, and then it is luck that is
 * measured.
 *
 *	neighbour SEED LOG
 *
 * A server: it sleeps and works in turn, each for a random time, and appends
 * "WHEN LATENCY" to LOG for each time that it woke: when it wanted to, and how
 * long after that it ran, in ns of CLOCK_MONOTONIC.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long one task lasts, in ms. */
#define LIFE_MIN 100
#define LIFE_MAX 400
/* A server's work for a request, in ns of its own CPU time, and its sleep. */
#define WORK_MEAN 1000000
#define SLEEP_MEAN 1000000
#define SEC 1000000000LL

/* The same loop as spin's, and for the same reasons. */
static void nops(void)
{
	__asm__ volatile(".rept 63\n\tnop\n\t.endr" ::: "memory");
}

static int64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

static pid_t start(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Killed before that: nobody would ever end this one. */
	if (getppid() != parent)
		_exit(0);
	for (;;)
		nops();
}

static void jobs(unsigned short *seed)
{
	struct timespec life = { 0 };
	pid_t pid, next;

	for (pid = start();; pid = next) {
		life.tv_nsec = 1000000L * (LIFE_MIN +
			       nrand48(seed) % (LIFE_MAX - LIFE_MIN));
		nanosleep(&life, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		next = start();
	}
}

/* As requests come that know nothing of each other, but not without end. */
static int64_t random_ns(unsigned short *seed, int64_t mean)
{
	int64_t ns = -log(1 - erand48(seed)) * mean;

	return ns < 10 * mean ? ns : 10 * mean;
}

static void work(int64_t ns)
{
	int64_t end = now(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (now(CLOCK_THREAD_CPUTIME_ID) < end)
		for (int i = 0; i < 50; i++)
			nops();
}

static void serve(unsigned short *seed, const char *path)
{
	FILE *log = fopen(path, "a");

	if (!log)
		err(1, "%s", path);
	setlinebuf(log);
	for (;;) {
		int64_t when = now(CLOCK_MONOTONIC) +
			       random_ns(seed, SLEEP_MEAN);
		struct timespec ts = { when / SEC, when % SEC };

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts,
				       NULL) == EINTR)
			;
		fprintf(log, "%lld %lld\n", (long long)when,
			(long long)(now(CLOCK_MONOTONIC) - when));
		work(random_ns(seed, WORK_MEAN));
	}
}

int main(int argc, char **argv)
{
	unsigned short seed[3] = { 0 };

	if (argc != 2 && argc != 3)
		errx(2, "usage: neighbour SEED [LOG]");
	seed[0] = strtoul(argv[1], NULL, 10);
	if (argc == 3) {
		/* What it measures is the scheduler, not the timer's slack. */
		prctl(PR_SET_TIMERSLACK, 1);
		serve(seed, argv[2]);
	}
	jobs(seed);
}
