"""JSON Schema of a request row, for OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from windlass.product.contract.constraints import Rule
from windlass.product.contract.schema import name_of

_YEAR = "(?!0000)[0-9]{4}"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY = (
    f"(?:{_YEAR}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    f"|{_LEAP_YEAR}-02-29)"
)
_HOUR = "(?:[01][0-9]|2[0-3])"
MOMENT: Mapping[str, Any] = {
    "type": "string",
    "pattern": f"^{_DAY}[Tt ]{_HOUR}:[0-5][0-9]:[0-5][0-9](?:[.][0-9]+)?(?:[Zz]|[+-]{_HOUR}:?[0-5][0-9])?$",
    "description": "As in RFC 3339; UTC where it names no zone.",
}
"""A moment as msgspec reads it. A `format` of `date-time` would demand a zone."""


def row_schema(rules: Sequence[Rule], *, strict: bool) -> dict[str, Any]:
    """The schema of one row: types, bounds and choices as compiled; other checks are named in a description."""
    properties = {rule.column.name: _field(rule) for rule in rules}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [rule.column.name for rule in rules if rule.column.required]:
        schema["required"] = required
    if strict:
        schema["additionalProperties"] = False
    return schema


def _field(rule: Rule) -> dict[str, Any]:
    schema: dict[str, Any] = _type(rule)
    said = [schema["description"]] if "description" in schema else []
    if rule.checks:
        said.append("Also checked: " + ", ".join(name_of(check) for check in rule.checks) + ".")
    if rule.default is not None:
        said.append(f"Null stands for {rule.default!r}.")
    return {**schema, "description": " ".join(said)} if said else schema


def _type(rule: Rule) -> dict[str, Any]:
    if rule.column.dtype == "datetime":
        return nullable(MOMENT) if rule.accepts_null else dict(MOMENT)
    schema: dict[str, Any] = msgspec.json.schema(rule.nullable_type)
    if rule.takes_truth:
        return {"anyOf": [schema, {"type": "boolean"}]}
    return schema


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What fits `schema`, or null."""
    return {"anyOf": [dict(schema), {"type": "null"}]}
