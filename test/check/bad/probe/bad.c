// SPDX-License-Identifier: GPL-2.0-only
/* A probe that calls somebody each time. */
void irqhop_bad(unsigned long *word);

void watch_sched_switch(unsigned long *word);

void watch_sched_switch(unsigned long *word)
{
	irqhop_bad(word);
	if (word[0] | word[1] | word[2] | word[3] | word[4])
		irqhop_bad(word + 1);
}
