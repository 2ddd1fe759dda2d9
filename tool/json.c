// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "json.h"

static json_t *json_need(json_t *value)
{
	if (!value)
		exit(fail(STATUS_FAILED, "%s", strerror(ENOMEM)));
	return value;
}

json_t *json_text(const char *text)
{
	char *copy, *c;
	json_t *value;

	if (!text)
		return json_null();
	value = json_string(text);
	if (value)
		return value;
	copy = strdup(text);
	for (c = copy; c && *c; c++)
		if (*c & 0x80)
			*c = '?';
	value = copy ? json_string(copy) : NULL;
	free(copy);
	return json_need(value);
}

json_t *json_number(uint32_t value, uint32_t none)
{
	return value == none ? json_null() : json_need(json_integer(value));
}

json_t *json_make(const char *fmt, ...)
{
	json_t *value;
	va_list ap;

	va_start(ap, fmt);
	value = json_vpack_ex(NULL, 0, fmt, ap);
	va_end(ap);
	return json_need(value);
}

void json_add(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		json_need(NULL);
}

void json_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		json_need(NULL);
}

static void json_print(json_t *root, size_t flags)
{
	json_dumpf(root, stdout, flags);
	putchar('\n');
	json_decref(root);
}

void json_document(json_t *root)
{
	json_print(root, JSON_INDENT(2));
}

void json_line(json_t *root)
{
	json_print(root, JSON_COMPACT);
}
