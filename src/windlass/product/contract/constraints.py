"""A pandera contract, taken apart: what a decoder can hold by itself, and what is left to ask pandera.

Checking a frame with pandera takes milliseconds whatever its size; the same bounds and choices, compiled into the types
that msgspec decodes into, cost nothing beside the decoding. This module imports no pandera: it reads the objects that
the user's contract is made of.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
import polars as pl

from windlass.product.contract.types import bounds_of, dtype_of
from windlass.records.bundle import Column

_BASE: dict[str, type] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "datetime": datetime,
    "date": date,
}
# pandera runs patterns in Rust, in linear time. Python reads the same text with other corners (flags, `\w`, `$` before
# a closing newline) and can be made to backtrack for ever. Only what both read alike and cannot run away is compiled.
_QUANTIFIER = r"(?:[?*+]|\{\d+(?:,\d*)?\})"
_ATOM = r"""(?:\\[.+*?()\[\]{}|^$/\\-]|\\d|\[\^?(?:[\w .,:@/+*]|-)+\]|[\w \-.,:;@#/%=<>!~'"])"""
_PORTABLE = re.compile(rf"\^?(?:{_ATOM}{_QUANTIFIER}?|\((?:\?:)?|\)\??|\|)*\$?", re.ASCII)
_UNBOUNDED = re.compile(r"(?<!\\)[*+]|,\}")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One column of a request, compiled."""

    column: Column
    type: Any
    """What msgspec decodes the value into, None apart."""
    allowed: tuple[Any, ...] | None = None
    """The only values there are, for messages."""
    default: Any = None
    """What stands in for a null."""
    checks: tuple[Any, ...] = ()
    """pandera checks that no type can express."""

    @property
    def accepts_null(self) -> bool:
        return self.column.nullable or self.default is not None

    @property
    def nullable_type(self) -> Any:
        return self.type | None if self.accepts_null else self.type

    @property
    def takes_truth(self) -> bool:
        """Whether true and false are taken as 1 and 0. An imported model seldom says which of its numbers were truth
        values in its training rows."""
        return self.column.dtype == "float" and not self.column.exact


@dataclass
class _Limits:
    """The narrowest of all bounds met so far."""

    low: tuple[float, bool] | None = None
    """The bound, and whether it is excluded itself."""
    high: tuple[float, bool] | None = None
    patterns: list[str] = field(default_factory=list)
    least: int = 0
    most: int | None = None

    def above(self, value: float, *, strict: bool) -> None:
        if self.low is None or (value, strict) > self.low:
            self.low = (value, strict)

    def below(self, value: float, *, strict: bool) -> None:
        if self.high is None or (-value, strict) > (-self.high[0], self.high[1]):
            self.high = (value, strict)

    def between(self, statistics: dict[str, Any]) -> None:
        self.above(statistics["min_value"], strict=not statistics.get("include_min", True))
        self.below(statistics["max_value"], strict=not statistics.get("include_max", True))

    def length(self, statistics: dict[str, Any]) -> None:
        exact = statistics.get("exact_value")
        least, most = (exact, exact) if exact is not None else (statistics["min_value"], statistics["max_value"])
        self.least = max(self.least, least or 0)
        if most is not None:
            self.most = most if self.most is None else min(self.most, most)


_NUMBER: dict[str, Callable[[_Limits, dict[str, Any]], None]] = {
    "greater_than_or_equal_to": lambda limits, given: limits.above(given["min_value"], strict=False),
    "greater_than": lambda limits, given: limits.above(given["min_value"], strict=True),
    "less_than_or_equal_to": lambda limits, given: limits.below(given["max_value"], strict=False),
    "less_than": lambda limits, given: limits.below(given["max_value"], strict=True),
    "in_range": lambda limits, given: limits.between(given),
    "equal_to": lambda limits, given: limits.between({"min_value": given["value"], "max_value": given["value"]}),
}
_TEXT: dict[str, Callable[[_Limits, dict[str, Any]], None]] = {
    "str_length": lambda limits, given: limits.length(given),
    "str_startswith": lambda limits, given: limits.patterns.append(f"^{_quoted(given['string'])}"),
    "str_endswith": lambda limits, given: limits.patterns.append(f"{_quoted(given['string'])}$"),
    "str_matches": lambda limits, given: limits.patterns.append(_anchored(given["pattern"])),
    "str_contains": lambda limits, given: limits.patterns.append(_text_of(given["pattern"])),
}
_CHOICE = {"isin": "allowed_values", "equal_to": "value"}


def compile_rule(column: Column, declared: Any | None) -> Rule:
    """`column` as a rule; `declared` is pandera's column of that name, or None without a contract."""
    checks = [check for check in getattr(declared, "checks", ()) if not check.raise_warning]
    default = getattr(declared, "default", None)
    choices = _choices(column, checks)
    if choices is not None:
        left, allowed = _narrow(column, checks, choices)
        return Rule(column=column, type=Literal[allowed], allowed=allowed, default=default, checks=tuple(left))
    limits, left = _limits(column, checks)
    return Rule(column=column, type=_annotated(column, limits), default=default, checks=tuple(left))


def _choices(column: Column, checks: Iterable[Any]) -> tuple[Any, ...] | None:
    """The values that the first check (or the type) allows, when they are text or whole numbers; else None."""
    dtype = dtype_of(column)
    if isinstance(dtype, pl.Enum):
        return tuple(dtype.categories) or None
    if column.dtype not in ("str", "int"):
        return None
    kind = _BASE[column.dtype]
    for check in checks:
        name = _CHOICE.get(check.name, "")
        if name in check.statistics and check.ignore_na:
            given = check.statistics[name]
            values = [given] if check.name == "equal_to" else list(given)
            exact = tuple(dict.fromkeys(value for value in values if type(value) is kind))
            if len(exact) == len(set(values) - {None}) and exact and _fits(column, exact):
                return exact
    return None


def _fits(column: Column, values: tuple[Any, ...]) -> bool:
    """Whether the type can hold the values at all; those it cannot would break the frame."""
    bounds = bounds_of(column)
    return bounds is None or all(bounds[0] <= value <= bounds[1] for value in values)


def _narrow(column: Column, checks: list[Any], choices: tuple[Any, ...]) -> tuple[list[Any], tuple[Any, ...]]:
    """Let the other built-in checks judge the choices now, once, instead of every row later."""
    left = [check for check in checks if not _is_builtin(check)]
    kept = choices
    for check in checks:
        if _is_builtin(check):
            frame = pl.DataFrame({column.name: list(kept)})
            passed = check(frame.lazy(), column.name).check_output.collect().to_series()
            survivors = tuple(value for value, fine in zip(kept, passed, strict=True) if fine)
            if not survivors:  # a contract that allows nothing: say so row by row, in pandera's words
                return checks, choices
            kept = survivors
    return left, kept


def _is_builtin(check: Any) -> bool:
    known = check.name in _NUMBER or check.name in _TEXT or check.name in ("isin", "notin", "not_equal_to")
    return bool(known and check.statistics and check.ignore_na)


def _limits(column: Column, checks: Iterable[Any]) -> tuple[_Limits, list[Any]]:
    limits, left = _Limits(), []
    table = _TEXT if column.dtype == "str" else _NUMBER if column.dtype in ("int", "float") else {}
    for check in checks:
        if not (_is_builtin(check) and check.name in table and _expressible(check)):
            left.append(check)
            continue
        table[check.name](limits, check.statistics)
    if bounds := bounds_of(column):
        limits.above(bounds[0], strict=False)
        limits.below(bounds[1], strict=False)
    return limits, left


def _expressible(check: Any) -> bool:
    """Whether bounds are finite numbers and a pattern means the same in both regular expression dialects."""
    given = check.statistics
    if "pattern" in given:
        pattern = _text_of(given["pattern"])
        return isinstance(given["pattern"], str) and _portable(
            _anchored(pattern) if check.name == "str_matches" else pattern
        )
    if "string" in given:
        return isinstance(given["string"], str)
    numbers = [
        value for name, value in given.items() if name in ("value", "min_value", "max_value") if value is not None
    ]
    return all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)


def _annotated(column: Column, limits: _Limits) -> Any:
    base = _BASE[column.dtype]
    meta: dict[str, Any] = {}
    if limits.low is not None:
        meta.update(_bound(limits.low, whole=base is int, lower=True))
    if limits.high is not None:
        meta.update(_bound(limits.high, whole=base is int, lower=False))
    if limits.least:
        meta["min_length"] = limits.least
    if limits.most is not None:
        meta["max_length"] = limits.most
    if limits.patterns:
        meta["pattern"] = _joined(limits.patterns)
    return Annotated[base, msgspec.Meta(**meta)] if meta else base


def _bound(limit: tuple[float, bool], *, whole: bool, lower: bool) -> dict[str, float | int]:
    value, strict = limit
    if not whole:
        return {("gt" if strict else "ge") if lower else ("lt" if strict else "le"): float(value)}
    if lower:
        return {"ge": max(-(2**63), math.floor(value) + 1 if strict else math.ceil(value))}
    return {"le": min(2**63 - 1, math.ceil(value) - 1 if strict else math.floor(value))}


def _portable(pattern: str) -> bool:
    """Whether Python matches the same text as Rust does, in time that grows with its length at most."""
    loops = len(_UNBOUNDED.findall(pattern))
    tame = loops == 0 or (loops == 1 and pattern.startswith("^") and "|" not in pattern)
    return tame and _PORTABLE.fullmatch(pattern) is not None


def _joined(patterns: list[str]) -> str:
    """One pattern that holds when all do. A `$` must not match before a closing newline, as it would in Python."""
    strict = [re.sub(r"(?<!\\)\$$", r"$(?!\\n)", pattern) for pattern in patterns]
    return strict[0] if len(strict) == 1 else "^" + "".join(rf"(?=[\s\S]*?(?:{pattern}))" for pattern in strict)


def _quoted(text: str) -> str:
    return re.sub(r"([.*+?^${}()|\[\]\\/])", r"\\\1", text)


def _text_of(pattern: Any) -> str:
    return pattern if isinstance(pattern, str) else str(pattern.pattern)


def _anchored(pattern: Any) -> str:
    text = _text_of(pattern)
    return text if text.startswith("^") else f"^{text}"
