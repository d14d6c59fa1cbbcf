"""A cell of a CSV file as JSON would have it, so that a row is checked in the same terms wherever it comes from."""

from __future__ import annotations

import math
import re
from typing import Any

from windlass.records.bundle import Column

_WORDS = {"true": True, "false": False}
_TRUTH = {**_WORDS, "1": True, "0": False}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""`nan` and `inf` are none: JSON, in whose terms a row is checked, would carry them as null."""
_WHOLE = re.compile(r"[+-]?[0-9]+")


def value_of_cell(text: str, column: Column | None) -> Any:
    """The cell's value for `column` (None: the product does not know it); what does not fit stays text, and is refused
    as such."""
    if column is None or text == "":
        return None if text == "" else text
    if column.dtype == "bool":
        return _TRUTH.get(text.lower(), text)
    if column.dtype not in ("int", "float"):
        return text
    if _NUMBER.fullmatch(text) is None:
        knows_no_more = column.dtype == "float" and not column.exact  # than that a number is wanted
        return _WORDS.get(text.lower(), text) if knows_no_more else text
    number = int(text) if len(text) < 20 and _WHOLE.fullmatch(text) else float(text)
    return number if math.isfinite(number) else text
