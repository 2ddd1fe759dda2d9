// SPDX-License-Identifier: GPL-2.0-only
/*
 * clocks: one line with this kernel's clocks and the counter behind them, read
 * together, so that times noted in the host and in the guest can be put on one
 * axis: "COUNTER FREQUENCY MONOTONIC REALTIME" (ticks, Hz, ns, ns).
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t counter(void)
{
	uint64_t value;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value) : : "memory");
	return value;
}

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

int main(void)
{
	uint64_t before, after, mono, real, freq, best = UINT64_MAX;
	uint64_t counter_best = 0, mono_best = 0, real_best = 0;

	__asm__("mrs %0, cntfrq_el0" : "=r"(freq));
	for (int i = 0; i < 64; i++) {
		before = counter();
		mono = now(CLOCK_MONOTONIC);
		real = now(CLOCK_REALTIME);
		after = counter();
		/* The tightest of many: no preemption in between. */
		if (after - before < best) {
			best = after - before;
			counter_best = before + best / 2;
			mono_best = mono;
			real_best = real;
		}
	}
	printf("%ju %ju %ju %ju\n", (uintmax_t)counter_best, (uintmax_t)freq,
	       (uintmax_t)mono_best, (uintmax_t)real_best);
	return 0;
}
