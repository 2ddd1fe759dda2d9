/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's short names for what the compiler is to know. */
#ifndef IRQHOP_COMPILER_H
#define IRQHOP_COMPILER_H

#define __attr		__attribute__
#define __printf(a, b)	__attr((format(printf, a, b)))
#define __aligned(n)	__attr((aligned(n)))

#endif
