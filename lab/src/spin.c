// SPDX-License-Identifier: GPL-2.0-only
/*
 * spin: keep one CPU busy, cheaply for whoever emulates it.
 *
 * In virtual time one instruction is one nanosecond, whatever it does. A loop
 * of NOPs is what an emulator gets through fastest, so this keeps a CPU busy
 * for the least real time. The loop is short because a turn that ends within
 * it costs a translation of what was left, and only those of a short loop are
 * all found in the translator's cache. Class and affinity are for chrt(1) and
 * taskset(1).
 *
 *	spin [EVERY]
 *
 * EVERY: with a WFE after so many turns of that loop, as one has it who spins
 * for a lock.
 */
#include <stdlib.h>

static void turns(unsigned long n)
{
	while (n--)
		__asm__ volatile(".rept 63\n\tnop\n\t.endr" ::: "memory");
}

int main(int argc, char **argv)
{
	unsigned long every = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;

	for (;;) {
		turns(every ? every : 1000);
		if (every)
			/* The first one if an interrupt came lately is over at once. */
			__asm__ volatile("wfe\n\twfe" ::: "memory");
	}
}
