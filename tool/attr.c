// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"

int attr_u32(const struct nlattr *attr, uint32_t *value)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return -EBADMSG;
	*value = mnl_attr_get_u32(attr);
	return 0;
}

int attr_u64(const struct nlattr *attr, uint64_t *value)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U64) < 0)
		return -EBADMSG;
	*value = mnl_attr_get_u64(attr);
	return 0;
}

int attr_string(const struct nlattr *attr, char *text, size_t size)
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
		return -EBADMSG;
	snprintf(text, size, "%s", mnl_attr_get_str(attr));
	return 0;
}

int attr_binary(const struct nlattr *attr, void *data, size_t size)
{
	if (mnl_attr_get_payload_len(attr) != size)
		return -EBADMSG;
	memcpy(data, mnl_attr_get_payload(attr), size);
	return 0;
}

void *array_more(void *array, size_t nr, size_t size)
{
	return nr & (nr - 1) ? array : realloc(array, (nr ? nr * 2 : 1) * size);
}
