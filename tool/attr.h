/* SPDX-License-Identifier: GPL-2.0-only */
/* Values of netlink attributes, and arrays that grow with them. */
#ifndef IRQHOP_ATTR_H
#define IRQHOP_ATTR_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

/* 0, or -EBADMSG if the attribute is of another kind. */
int attr_u32(const struct nlattr *attr, uint32_t *value);
int attr_u64(const struct nlattr *attr, uint64_t *value);
/* Cut to @size. */
int attr_string(const struct nlattr *attr, char *text, size_t size);
/* Exactly @size bytes. */
int attr_binary(const struct nlattr *attr, void *data, size_t size);

/* Room for one more after @nr of @size bytes; NULL if there is none. */
void *array_more(void *array, size_t nr, size_t size);

#endif
