# SPDX-License-Identifier: GPL-2.0-only
"""Check result.json against bench/result.schema.json, without a library.

Knows the part of JSON Schema that the file uses, and refuses a keyword that
it doesn't know rather than pass over it.  What a schema cannot say (sums,
order of percentiles) is checked after it.
"""

import json
import os

SCHEMA_FILE = os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "result.schema.json")

_TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: (isinstance(v, (int, float))
                         and not isinstance(v, bool)),
}
_SILENT = {"$schema", "$id", "title", "description"}


class SchemaError(Exception):
    """The result is not what the schema promises."""


def _fail(where, text):
    raise SchemaError("%s: %s" % (where or "result", text))


def _check_type(where, value, types):
    types = [types] if isinstance(types, str) else types
    if not any(_TYPES[name](value) for name in types):
        _fail(where, "%r is not %s" % (value, " or ".join(types)))


def _check_same(where, value, allowed):
    # 1 == True in Python, not in JSON.
    if not any(value == one and isinstance(value, bool) == isinstance(one, bool)
               for one in allowed):
        _fail(where, "%r is not one of %r" % (value, allowed))


def _check_object(where, value, schema):
    for name in schema.get("required", ()):
        if name not in value:
            _fail(where, "%s is missing" % name)
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            check(value[name], inner, "%s.%s" % (where, name))


def _list(value):
    """What rules for items are about: nothing, of what is no list."""
    return value if _TYPES["array"](value) else ()


def check(value, schema, where=""):
    """Raise SchemaError unless the value fits the schema."""
    for word, rule in schema.items():
        if word in _SILENT:
            continue
        if word == "type":
            _check_type(where, value, rule)
        elif word == "const":
            _check_same(where, value, [rule])
        elif word == "enum":
            _check_same(where, value, rule)
        elif word == "minimum":
            if _TYPES["number"](value) and value < rule:
                _fail(where, "%r is under %r" % (value, rule))
        elif word == "items":
            for index, item in enumerate(_list(value)):
                check(item, rule, "%s[%d]" % (where, index))
        elif word == "minItems":
            if _TYPES["array"](value) and len(value) < rule:
                _fail(where, "fewer than %d items" % rule)
        elif word not in ("required", "properties"):
            raise SchemaError("schema keyword %r is not known here" % word)
    if isinstance(value, dict):
        _check_object(where, value, schema)


def _check_sums(result):
    direct = result["direct"]
    if len(direct["guest_interrupts_by_vcpu"]) != result["vcpus"]:
        _fail("direct", "not one count per vCPU")
    if sum(direct["guest_interrupts_by_vcpu"]) != direct["guest_interrupts"]:
        _fail("direct", "the counts by vCPU do not add up")


def _check_cell(where, cell):
    order = [cell[k] for k in ("p50_us", "p90_us", "p99_us", "max_us")]
    if order != sorted(order) or cell["mean_us"] > cell["max_us"]:
        _fail(where, "percentiles, mean and maximum are not in order")
    slow = cell.get("slow")
    if slow and sum(slow[k] for k in ("stranded", "interrupt", "task",
                                      "unexplained")) != slow["count"]:
        _fail(where, "the slow operations do not add up")


def validate(result):
    """Raise SchemaError unless this is a right result.json."""
    with open(SCHEMA_FILE, encoding="utf-8") as file:
        check(result, json.load(file))
    _check_sums(result)
    keys = set()
    for index, cell in enumerate(result["cells"]):
        _check_cell("cells[%d]" % index, cell)
        key = (cell["work"], cell["overcommit"], cell["condition"])
        if key in keys:
            _fail("cells[%d]" % index, "a second cell %s-%d-%s" % key)
        keys.add(key)
