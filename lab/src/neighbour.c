// SPDX-License-Identifier: GPL-2.0-only
/*
 * neighbour: whatever else competes for the guest's pCPUs. There is always one
 * task that never sleeps, and every now and then it is another one, as where
 * jobs come and go. One and the same task for ever falls into step with the
 * vCPUs at the host's tick, and then it is luck that is measured.
 *
 *	neighbour SEED
 */
#define _GNU_SOURCE
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long one task lasts, in ms. */
#define LIFE_MIN 100
#define LIFE_MAX 400

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
	/* The same loop as spin's, and for the same reasons. */
	for (;;)
		__asm__ volatile(".rept 63\n\tnop\n\t.endr" ::: "memory");
}

int main(int argc, char **argv)
{
	struct timespec life = { 0 };
	unsigned short seed[3] = { 0 };
	pid_t pid, next;

	if (argc != 2)
		errx(2, "usage: neighbour SEED");
	seed[0] = strtoul(argv[1], NULL, 10);
	for (pid = start();; pid = next) {
		life.tv_nsec = 1000000L * (LIFE_MIN +
			       nrand48(seed) % (LIFE_MAX - LIFE_MIN));
		nanosleep(&life, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		next = start();
	}
}
