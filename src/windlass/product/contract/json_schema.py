"""JSON Schema of a request row, for OpenAPI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from windlass.product.contract.constraints import Rule
from windlass.product.contract.schema import name_of


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
    schema: dict[str, Any] = msgspec.json.schema(rule.nullable_type)
    if rule.checks:
        schema["description"] = "Also checked: " + ", ".join(name_of(check) for check in rule.checks)
    if rule.default is not None:
        schema["description"] = f"{schema.get('description', '')} Null stands for {rule.default!r}.".strip()
    return schema
