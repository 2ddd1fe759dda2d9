// SPDX-License-Identifier: GPL-2.0-only
/* One import that no kernel exports, one that the list does not have. */
void irqhop_bad(void);
void _printk(void);

void bad(void)
{
	irqhop_bad();
	_printk();
}
