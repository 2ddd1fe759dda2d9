/* SPDX-License-Identifier: GPL-2.0-only */
/* JSON, as docs/json.md describes it. */
#ifndef IRQHOP_JSON_H
#define IRQHOP_JSON_H

#include <jansson.h>
#include <stdint.h>

/* What is to be printed can be made only if there is memory: else they exit. */

/* A string; what is no UTF-8 in it becomes '?'. NULL: null. */
json_t *json_text(const char *text);
/* A number; null if it is @none. */
json_t *json_number(uint32_t value, uint32_t none);
/* json_pack(), which has to succeed. */
json_t *json_make(const char *fmt, ...);
/* Puts @value at the end of @array, or as @key into @object. */
void json_add(json_t *array, json_t *value);
void json_put(json_t *object, const char *key, json_t *value);

/* Both print @root and free it: over several lines, or on one. */
void json_document(json_t *root);
void json_line(json_t *root);

/* What a command does with --json: one document, or line by line. */
#define JSON_OPTION \
	{ "json", 'j', NULL, 0, "As JSON, for programs", 0 }
#define JSON_LINES_OPTION \
	{ "json", 'j', NULL, 0, "As JSON, an object per line", 0 }

#endif
