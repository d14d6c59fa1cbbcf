"""Between labels as people write them and the numbers that models learn."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from windlass.errors import DataError
from windlass.product.task import BinaryClassification, Task, TaskKind

Label = bool | int | str
Scalar = bool | int | float | str | None
MOST_CLASSES = 1000
"""More distinct labels than this are taken for a mistake: a number or an identifier instead of a class."""
_TEXT_BOOLS = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True)
class LabelCodec:
    """The classes of a task in the order of their codes; for regression only the check that a label is a number.

    A label is recognised however it was carried: 1, 1.0, `True` and, from formats that know only text, "1" are the
    same class wherever no two classes would be confused by it.
    """

    kind: TaskKind
    classes: tuple[Label, ...] = ()
    """Code i stands for `classes[i]`; empty for regression. Of two classes the second is the positive one."""
    column: str = "target"
    """Where the labels come from, for messages."""

    @classmethod
    def learn(cls, target: pl.Series, task: Task) -> LabelCodec:
        """The codec for the labels of a column; nulls are passed over.

        Raises DataError when they cannot be the labels of such a task: too few or too many classes, fractions as
        classes, text as numbers, a `positive` that does not occur.
        """
        column = target.name or task.target
        known = _without_nan(target).drop_nulls()
        if task.kind == "regression":
            codec = cls(kind="regression", column=column)
            codec.encode(known)
            return codec
        classes = _classes_in(known, column)
        if isinstance(task, BinaryClassification):
            _check_two(classes, column)
            return cls(kind="binary", classes=_positive_last(classes, task.positive, column), column=column)
        _check_many(classes, column)
        return cls(kind="multiclass", classes=classes, column=column)

    @classmethod
    def from_manifest(cls, kind: TaskKind, classes: Iterable[Label], *, column: str = "target") -> LabelCodec:
        """The codec that a bundle's manifest wrote down."""
        return cls(kind=kind, classes=tuple(classes), column=column)

    def encode(self, labels: pl.Series) -> np.ndarray[Any, Any]:
        """n labels as (n,) int64 codes, or float64 for regression.

        Raises DataError, with the first row, for a null, a label that is not among the classes, or no finite number.
        """
        labels = _without_nan(labels)
        if labels.null_count():
            self._refuse("there is no label", labels.is_null())
        if self.kind == "regression":
            return self._numbers(labels)
        if not len(labels):
            return np.empty(0, np.int64)
        if labels.dtype.is_nested() or labels.dtype == pl.Object:
            self._refuse(f"a label of type {labels.dtype} is not one of {self._named()}", labels.is_not_null())
        plain = labels.cast(pl.String) if isinstance(labels.dtype, pl.Categorical | pl.Enum) else labels
        codes = {value: self._code(value) for value in plain.unique()}
        unknown = [value for value, code in codes.items() if code is None]
        if unknown:
            wrong = plain.is_in(unknown)
            self._refuse(f"the label {plain.filter(wrong)[0]!r} is not one of {self._named()}", wrong)
        return plain.replace_strict(list(codes), list(codes.values()), return_dtype=pl.Int64).to_numpy()

    def encode_values(self, values: Sequence[Scalar]) -> np.ndarray[Any, Any]:
        """The same for plain Python values, such as outcomes that came as JSON."""
        numbers = [self._number(value) if self.kind == "regression" else self._code(value) for value in values]
        for row, (value, number) in enumerate(zip(values, numbers, strict=True)):
            if number is None:
                raise self._impossible(value, f"column {self.column!r}, row {row}")
        return np.array(numbers, dtype=np.float64 if self.kind == "regression" else np.int64)

    def check_value(self, value: Scalar) -> None:
        """Raise DataError when `value` cannot be a label of this task."""
        found = self._number(value) if self.kind == "regression" else self._code(value)
        if found is None:
            raise self._impossible(value, f"column {self.column!r}")

    def decode(self, codes: np.ndarray[Any, Any] | Sequence[int]) -> list[Any]:
        """The labels behind codes; for regression the numbers themselves."""
        if self.kind == "regression":
            return [float(value) for value in codes]
        return [self.classes[int(code)] for code in codes]

    @functools.cached_property
    def _lookup(self) -> Mapping[object, int]:
        """Every form of a label that means just one class -> its code; numbers of any type compare equal."""
        forms: dict[object, int] = {label: code for code, label in enumerate(self.classes)}
        numbers = [_meaning(label) for label in self.classes]
        for code, number in enumerate(numbers):
            if number is not None and numbers.count(number) == 1:
                forms.setdefault(number, code)
        return forms

    @functools.cached_property
    def _yes_or_no(self) -> bool:
        """Whether the classes are 0 and 1 in any spelling; otherwise a truth value is no label, though True == 1."""
        return {_meaning(label) for label in self.classes} == {0.0, 1.0}

    def _code(self, value: object) -> int | None:
        if isinstance(value, bool):
            return self._lookup.get(value) if self._yes_or_no else None
        if isinstance(value, Decimal):
            value = float(value)
        if isinstance(value, int | float):
            return self._lookup.get(value)
        if not isinstance(value, str):
            return None
        if value in self._lookup or all(isinstance(label, str) for label in self.classes):
            return self._lookup.get(value)
        spelt = value.strip().lower()
        if spelt in _TEXT_BOOLS:
            return self._code(_TEXT_BOOLS[spelt])
        return self._lookup.get(_parsed(value))

    def _number(self, value: object) -> float | None:
        if isinstance(value, str):
            value = _parsed(value)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def _numbers(self, labels: pl.Series) -> np.ndarray[Any, Any]:
        dtype = labels.dtype
        if not dtype.is_numeric() and dtype != pl.Null:
            remedy = "declare BinaryClassification or MulticlassClassification" if dtype in _LABEL_TYPES else ""
            raise DataError(
                f"a regression learns numbers, and the target is of type {dtype}",
                where=f"column {self.column!r}",
                remedy=remedy or "turn it into a number in `extract`",
            )
        numbers = labels.cast(pl.Float64)
        if not numbers.is_finite().all():
            self._refuse("the label is not finite", ~numbers.is_finite())
        return numbers.to_numpy()

    def _refuse(self, what: str, rows: pl.Series) -> None:
        places = rows.arg_true()
        more = f" (and {len(places) - 1} more rows)" if len(places) > 1 else ""
        raise DataError(
            f"{what}{more}",
            where=f"column {self.column!r}, row {places[0]}",
            remedy="leave such rows out in `extract`, or correct their label",
        )

    def _impossible(self, value: object, where: str) -> DataError:
        wanted = "a finite number" if self.kind == "regression" else f"one of {self._named()}"
        return DataError(f"{value!r} cannot be a label: it must be {wanted}", where=where, remedy=f"send {wanted}")

    def _named(self) -> str:
        return _listed(self.classes)


_LABEL_TYPES = (pl.Boolean, pl.String, pl.Categorical, pl.Enum)


def _without_nan(labels: pl.Series) -> pl.Series:
    """NaN is how many a file spells a missing number."""
    return labels.fill_nan(None) if labels.dtype.is_float() else labels


def _classes_in(labels: pl.Series, column: str) -> tuple[Label, ...]:
    dtype = labels.dtype
    if dtype.is_float() or dtype.is_decimal():
        distinct = labels.cast(pl.Float64).unique()
        broken = distinct.filter(~distinct.is_finite() | (distinct != distinct.round()))
        if len(broken):
            raise DataError(
                f"the label {broken[0]} is a fraction, and classes are whole numbers, text or truth values",
                where=f"column {column!r}",
                remedy="declare wl.Regression if it is a quantity, or cut it into classes in `extract`",
            )
        return tuple(sorted(int(value) for value in distinct))
    if dtype not in _LABEL_TYPES and not dtype.is_integer() and dtype != pl.Null:
        raise DataError(
            f"values of type {dtype} cannot be classes",
            where=f"column {column!r}",
            remedy="turn them into text, whole numbers or truth values in `extract`",
        )
    plain = labels.cast(pl.String) if isinstance(dtype, pl.Categorical | pl.Enum) else labels
    return tuple(plain.unique().sort())


def _check_two(classes: Sequence[Label], column: str) -> None:
    where = f"column {column!r}"
    if len(classes) < 2:
        only = f"only the label {classes[0]!r}" if classes else "no label at all"
        raise DataError(
            f"there is {only}, and a binary task needs two",
            where=where,
            remedy="extract rows of both classes; rows whose outcome is not known yet may come along without a label",
        )
    if len(classes) > 2:
        numbers = all(isinstance(label, int) for label in classes) and len(classes) > 20
        other = "Regression" if numbers else "MulticlassClassification"
        raise DataError(
            f"there are {len(classes)} labels ({_listed(classes)}), and a binary task has two",
            where=where,
            remedy=f"declare wl.{other}, or make two of them in `extract`",
        )


def _check_many(classes: Sequence[Label], column: str) -> None:
    where = f"column {column!r}"
    if len(classes) < 2:
        only = f"only the label {classes[0]!r}" if classes else "no label at all"
        raise DataError(f"there is {only}", where=where, remedy="extract rows of every class")
    if len(classes) == 2:
        raise DataError(
            f"there are just two labels ({_listed(classes)})", where=where, remedy="declare wl.BinaryClassification"
        )
    if len(classes) > MOST_CLASSES:
        raise DataError(
            f"there are {len(classes)} different labels",
            where=where,
            remedy="declare wl.Regression if it is a quantity; if it is an identifier, `target` names the wrong column",
        )


def _positive_last(classes: tuple[Label, ...], positive: Label | None, column: str) -> tuple[Label, ...]:
    if positive is None:
        return classes
    if positive not in classes:
        raise DataError(
            f"the positive class {positive!r} does not occur among {_listed(classes)}",
            where=f"column {column!r}",
            remedy="set `positive` of the task to one of them, with its type",
        )
    return tuple(sorted(classes, key=lambda label: label == positive))


def _meaning(label: Label) -> float | None:
    """The number that a label stands for; None for a mere word."""
    if isinstance(label, str):
        spelt = label.strip().lower()
        return float(_TEXT_BOOLS[spelt]) if spelt in _TEXT_BOOLS else _parsed(label)
    return float(label)


def _parsed(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _listed(classes: Sequence[Label]) -> str:
    shown = ", ".join(repr(label) for label in classes[:5])
    return f"{shown}, ..." if len(classes) > 5 else shown
