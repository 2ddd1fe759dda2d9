/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: the engine's integer types, in the kernel and outside of it.
 */
#ifndef _IRQHOP_CORE_TYPES_H
#define _IRQHOP_CORE_TYPES_H

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t s16;
typedef int64_t s64;

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define noinline	__attribute__((noinline))
#endif

#endif /* _IRQHOP_CORE_TYPES_H */
