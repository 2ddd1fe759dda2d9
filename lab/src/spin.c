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
 */
int main(void)
{
	for (;;)
		__asm__ volatile(".rept 63\n\tnop\n\t.endr" ::: "memory");
}
