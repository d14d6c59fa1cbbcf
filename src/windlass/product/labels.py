"""Between labels as people write them and the numbers that models learn."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from windlass.errors import DataError
from windlass.product.classes import LABEL_TYPES, Label, check_many, check_two, classes_in, listed, positive_last
from windlass.product.task import BinaryClassification, Task, TaskKind

Scalar = bool | int | float | str | None
UNKNOWN = -1
"""The code of a class that has come up since the codec was learned: whoever did not know it was wrong about it."""
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
        classes = classes_in(known, column)
        if isinstance(task, BinaryClassification):
            check_two(classes, column)
            return cls(kind="binary", classes=positive_last(classes, task.positive, column), column=column)
        check_many(classes, column)
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
        plain = plain.cast(pl.Float64) if plain.dtype.is_decimal() else plain
        codes = {value: self._code(value) for value in plain.unique()}
        unknown = [value for value, code in codes.items() if code is None]
        if unknown:
            wrong = plain.is_in(unknown)
            self._refuse(f"the label {plain.filter(wrong)[0]!r} is not one of {self._named()}", wrong)
        return plain.replace_strict(list(codes), list(codes.values()), return_dtype=pl.Int64).to_numpy()

    def encode_texts(self, texts: pl.Series) -> pl.Series:
        """n labels as JSON texts (null: not known), as outcomes are kept, to n codes (Int64), or values (Float64).

        Null where there is none, and where the text cannot be a label of this task; `UNKNOWN` for a new class.
        """
        if self.kind == "regression":
            numbers = texts.cast(pl.Float64, strict=False)
            numbers = numbers.set(numbers.is_finite().not_(), None)
            spelt = texts.filter(numbers.is_null() & texts.is_not_null()).unique()
            return numbers.fill_null(
                _mapped(texts, spelt, [self._number(json.loads(text)) for text in spelt], dtype=pl.Float64)
            )
        distinct = texts.drop_nulls().unique()
        return _mapped(texts, distinct, [self._code_or_unknown(json.loads(text)) for text in distinct], dtype=pl.Int64)

    def recognise(self, value: Scalar) -> Label | float | None:
        """The label, or number, that a value stands for however it was carried; None when it can be none.

        Of several classes it may be one that has come up since: any value of the type that the known ones have.
        """
        if self.kind == "regression":
            return self._number(value)
        code = self._code(value)
        return self.newcomer(value) if code is None else self.classes[code]

    def newcomer(self, value: Scalar) -> Label | None:
        """The class that a value which is none of the known ones names; None where there can be no other."""
        if self.kind != "multiclass" or isinstance(value, bool):
            return None
        if all(isinstance(label, str) for label in self.classes):
            return value if isinstance(value, str) else None
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return int(value) if whole and all(isinstance(label, int) for label in self.classes) else None  # type: ignore[arg-type]

    def check_value(self, value: Scalar) -> None:
        """Raise DataError when `value` cannot be a label of this task (see `recognise`)."""
        if self.recognise(value) is None:
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
        """Whether all classes are 0 or 1 in any spelling; otherwise a truth value is no label, though True == 1."""
        return {_meaning(label) for label in self.classes} <= {0.0, 1.0}

    def _code_or_unknown(self, value: Scalar) -> int | None:
        code = self._code(value)
        return UNKNOWN if code is None and self.newcomer(value) is not None else code

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
            remedy = "declare BinaryClassification or MulticlassClassification" if dtype in LABEL_TYPES else ""
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
        wanted += ", or a new class of the same type" if self.kind == "multiclass" else ""
        return DataError(
            f"{value!r} cannot be a label: it must be {wanted}",
            plain="there is a value that cannot be a label",
            where=where,
            remedy=f"send {wanted}",
        )

    def _named(self) -> str:
        return listed(self.classes)


def _mapped(texts: pl.Series, distinct: pl.Series, found: Sequence[object], *, dtype: type[pl.DataType]) -> pl.Series:
    """What was found for each distinct text, in its places; null elsewhere."""
    if distinct.is_empty():
        return pl.Series(texts.name, [None] * len(texts), dtype=dtype)
    return texts.replace_strict(distinct, pl.Series(found, dtype=dtype), default=None, return_dtype=dtype)


def _without_nan(labels: pl.Series) -> pl.Series:
    """NaN is how many a file spells a missing number."""
    return labels.fill_nan(None) if labels.dtype.is_float() else labels


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
