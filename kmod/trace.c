// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: the trace events' one definition.
 */
#include <linux/types.h>

#define CREATE_TRACE_POINTS
#include "trace.h"
