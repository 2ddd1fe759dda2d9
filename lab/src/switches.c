// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a context switch costs: two threads of real-time priority yield to each
 * other on one pCPU. Prints the least and the median time of a switch over
 * ROUNDS, in ps of the monotonic clock; under -icount that is instructions
 * times 1000 as long as all other pCPUs are idle.
 *
 * switches PCPU SWITCHES ROUNDS
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static atomic_bool done;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void *other(void *unused)
{
	(void)unused;
	while (!done)
		sched_yield();
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
	const struct sched_param first = { .sched_priority = 50 };
	unsigned int switches, rounds, i, j;
	uint64_t *ps;
	pthread_t thread;
	cpu_set_t set;

	if (argc != 4) {
		fprintf(stderr, "usage: switches PCPU SWITCHES ROUNDS\n");
		return 2;
	}
	switches = atoi(argv[2]);
	rounds = atoi(argv[3]);
	ps = calloc(rounds, sizeof(*ps));
	CPU_ZERO(&set);
	CPU_SET(atoi(argv[1]), &set);
	if (!ps || !switches || !rounds)
		return 2;
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		fail("sched_setscheduler");
	if (pthread_create(&thread, NULL, other, NULL))
		fail("pthread_create");

	for (i = 0; i < rounds; i++) {
		uint64_t begun = now();

		for (j = 0; j < switches; j++)
			sched_yield();
		/* There and back. */
		ps[i] = (now() - begun) * 1000 / (2ull * switches);
	}
	done = true;
	pthread_join(thread, NULL);
	qsort(ps, rounds, sizeof(*ps), compare);
	printf("least=%llu median=%llu\n", (unsigned long long)ps[0],
	       (unsigned long long)ps[rounds / 2]);
	return 0;
}
