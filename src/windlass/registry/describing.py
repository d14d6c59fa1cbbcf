"""What a model that somebody else trained takes and answers, as far as it tells or shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from windlass.errors import RegistryError
from windlass.product.contract.types import Kind
from windlass.product.contract.types import describe as type_of
from windlass.product.model.transformers import (
    TEXT,
    count_of,
    dropped_columns,
    known_columns,
    names_of,
    nan_columns,
    parts_of,
    strangers_in,
    takers_of,
    takes_text,
)
from windlass.product.task import TaskKind
from windlass.records.bundle import Column
from windlass.registry.native import NativeModel
from windlass.registry.probing import probe
from windlass.registry.thresholds import threshold_of

Label = bool | int | str
_MOST_NAMES = 8
"""Columns that a message lists."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """What is known of a fitted model."""

    kind: TaskKind
    classes: tuple[Label, ...]
    columns: tuple[Column, ...]
    """Without those that the model drops itself."""
    threshold: float | None
    """The probability from which the model calls a row positive, where it has chosen one."""
    doubt: str
    """Why the model answered no plain row, so that nobody knows which columns take gaps; empty when it did."""
    assumed: str
    """What of the columns was taken to be so, since nobody says it; empty for nothing."""


def describe(
    model: Any,
    *,
    where: str,
    declared: Mapping[str, pl.DataType] | None = None,
    rows: pl.DataFrame | None = None,
    roles: Collection[str] = (),
) -> Described:
    """Kind of task, classes and columns of a fitted model; raises RegistryError when it does not tell them.

    The columns are those of what gets the rows first. Where that does not name them, they are those of `rows`,
    as requests bring them, and the `declared` ones, without `roles`, such as the key; else those of a later step.
    The type of a column is the `declared` one, else what the model's encoders know, else text or a moment if it is that
    in `rows`; else a number.

    The model is marked with what it must be given (`windlass_input`, `windlass_nan`).
    """
    kind, classes = _kind_and_classes(model, where)
    told = [*dict.fromkeys(([] if rows is None else rows.columns) + [*(declared or {})])]
    names, assumed = _names(model, where, [name for name in told if name not in roles])
    known = model.known_columns if isinstance(model, NativeModel) else known_columns(model, names)
    dropped = dropped_columns(model, names)
    gaps = _takes_gaps(model)
    types = {} if rows is None or isinstance(model, NativeModel) else _no_numbers(rows)
    types |= {name: (known[name].dtype, "") for name in known}
    types |= {name: type_of(name, dtype) for name, dtype in (declared or {}).items()}
    if not assumed and rows is None and (strangers := strangers_in(model)):
        assumed = _numbers_of([name for name in names if name not in types and name not in dropped], strangers[0])
    columns = [
        Column(name=name, dtype=kind, exact=exact, nullable=gaps)
        for name in names
        if name not in dropped
        for kind, exact in [types.get(name, ("float", ""))]
    ]
    if gaps_are_nan := nan_columns(model, names):
        model.windlass_nan = list(gaps_are_nan)
    probed = probe(model, columns, known, rows, kind=kind, classes=len(classes), where=where)
    return Described(
        kind=kind,
        classes=classes,
        columns=probed.columns,
        threshold=threshold_of(model, where),
        doubt=probed.doubt,
        assumed=assumed,
    )


def _no_numbers(rows: pl.DataFrame) -> dict[str, tuple[Kind, str]]:
    """The types of the columns that hold texts or moments. Rows do not tell if a number may have a point."""
    found = {
        name: type_of(name, dtype) for name, dtype in rows.schema.items() if dtype.is_temporal() or _is_text(dtype)
    }
    return {name: (kind, "" if kind == "str" else exact) for name, (kind, exact) in found.items()}


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def _kind_and_classes(model: Any, where: str) -> tuple[TaskKind, tuple[Label, ...]]:
    if getattr(model, "kind", None) == "regression" or not hasattr(model, "predict_proba"):
        if not hasattr(model, "predict"):
            raise RegistryError(
                f"a {type(model).__name__} has neither predict nor predict_proba",
                where=where,
                remedy="save the fitted model itself, not its parameters or a dictionary around it",
            )
        if _is_classifier(model):
            raise RegistryError(
                f"a {type(model).__name__} classifies, but has no predict_proba",
                where=where,
                remedy="wrap it in CalibratedClassifierCV, which gives probabilities",
            )
        return "regression", ()
    known: Any = getattr(model, "classes_", None)
    if known is None or np.ndim(known) != 1 or len(known) < 2:
        raise RegistryError(
            f"a {type(model).__name__} does not say what its classes are",
            where=where,
            remedy="save a fitted model with one output; `classes_` must list its labels",
        )
    classes = tuple(_label(value, where) for value in known)
    return ("binary" if len(classes) == 2 else "multiclass"), classes


def _label(value: Any, where: str) -> Label:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and plain.is_integer():
        return int(plain)
    if isinstance(plain, bool | int | str):
        return plain
    raise RegistryError(
        f"the class {plain!r} is no text, whole number or truth value", where=where, remedy="train it on such labels"
    )


def _names(model: Any, where: str, told: Sequence[str]) -> tuple[list[str], str]:
    """The names of the columns, and what is to be said of them where they are not the model's own word.

    `told` are the names that rows or a contract tell."""
    if takes_text(model):
        return [TEXT], ""
    first = [*takers_of(model)]
    names = next((found for part in first if (found := names_of(part)) is not None), None)
    if names is not None:
        return names, ""
    later = next((found for part in parts_of(model) if (found := names_of(part)) is not None), None)
    count = next((n for part in first if (n := count_of(part)) is not None), None)
    if count is not None:
        return later if later is not None and len(later) == count else _numbered(count), ""
    if told:
        return [*told], ""
    names = later
    if names is None:
        count = next((n for part in parts_of(model) if (n := count_of(part)) is not None), None)
        names = None if count is None else _numbered(count)
    if names is None:
        raise RegistryError(
            f"a {type(model).__name__} does not say what columns it takes",
            where=where,
            remedy="set its attribute `feature_names_in_` to their names before it is saved",
        )
    return names, (
        f"a {type(first[0]).__name__} gets the rows first and does not say which columns it takes; they were taken to "
        f"be those of a later step ({_listed(names)}), where rows (--data) or a contract would tell"
    )


def _numbers_of(names: Sequence[str], stranger: str) -> str:
    if not names:
        return ""
    return (
        f"columns of which only a {stranger} may know more are numbers ({_listed(names)}), where rows (--data) or a "
        "contract would tell"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")


def _numbered(count: int) -> list[str]:
    return [f"x{place}" for place in range(count)]


def _takes_gaps(model: Any) -> bool:
    """Whether missing values may come, by scikit-learn's tags; a pipeline answers for its first step."""
    from sklearn.utils import get_tags

    try:
        return bool(get_tags(next(iter(parts_of(model)))).input_tags.allow_nan)
    except (AttributeError, TypeError):  # a stranger without scikit-learn's tags
        return True


def _is_classifier(model: Any) -> bool:
    from sklearn.base import is_classifier

    try:
        return bool(is_classifier(model))
    except (AttributeError, TypeError):
        return False
