"""Which classes a column of labels holds, and whether a task can have them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from windlass.errors import DataError

Label = bool | int | str
MOST_CLASSES = 1000
"""More distinct labels than this are taken for a mistake: a number or an identifier instead of a class."""
LABEL_TYPES = (pl.Boolean, pl.String, pl.Categorical, pl.Enum)


def classes_in(labels: pl.Series, column: str) -> tuple[Label, ...]:
    """The distinct labels of a column without nulls, in rising order; raises DataError for what no class can be."""
    dtype = labels.dtype
    if dtype.is_float() or dtype.is_decimal():
        distinct = labels.cast(pl.Float64).unique()
        broken = distinct.filter(~distinct.is_finite() | (distinct != distinct.round()))
        if len(broken):
            raise DataError(
                f"the label {broken[0]} is a fraction, and classes are whole numbers, text or truth values",
                plain="a label is a fraction, and classes are whole numbers, text or truth values",
                where=f"column {column!r}",
                remedy="declare wl.Regression if it is a quantity, or cut it into classes in `extract`",
            )
        return tuple(sorted(int(value) for value in distinct))
    if dtype not in LABEL_TYPES and not dtype.is_integer() and dtype != pl.Null:
        raise DataError(
            f"values of type {dtype} cannot be classes",
            where=f"column {column!r}",
            remedy="turn them into text, whole numbers or truth values in `extract`",
        )
    plain = labels.cast(pl.String) if isinstance(dtype, pl.Categorical | pl.Enum) else labels
    return tuple(plain.unique().sort())


def check_two(classes: Sequence[Label], column: str) -> None:
    """Raise DataError unless these are the classes of a binary task."""
    where = f"column {column!r}"
    if len(classes) < 2:
        only = f"only the label {classes[0]!r}" if classes else "no label at all"
        raise DataError(
            f"there is {only}, and a binary task needs two",
            plain="there are fewer than two labels, and a binary task needs two",
            where=where,
            remedy="extract rows of both classes; rows whose outcome is not known yet may come along without a label",
        )
    if len(classes) > 2:
        numbers = all(isinstance(label, int) for label in classes) and len(classes) > 20
        other = "Regression" if numbers else "MulticlassClassification"
        raise DataError(
            f"there are {len(classes)} labels ({listed(classes)}), and a binary task has two",
            plain=f"there are {len(classes)} labels, and a binary task has two",
            where=where,
            remedy=f"declare wl.{other}, or make two of them in `extract`",
        )


def check_many(classes: Sequence[Label], column: str) -> None:
    """Raise DataError unless these are the classes of a multiclass task."""
    where = f"column {column!r}"
    if len(classes) < 2:
        only = f"only the label {classes[0]!r}" if classes else "no label at all"
        raise DataError(
            f"there is {only}",
            plain="there are fewer than two labels",
            where=where,
            remedy="extract rows of every class",
        )
    if len(classes) == 2:
        raise DataError(
            f"there are just two labels ({listed(classes)})",
            plain="there are just two labels",
            where=where,
            remedy="declare wl.BinaryClassification",
        )
    if len(classes) > MOST_CLASSES:
        raise DataError(
            f"there are {len(classes)} different labels",
            where=where,
            remedy="declare wl.Regression if it is a quantity; if it is an identifier, `target` names the wrong column",
        )


def positive_last(classes: tuple[Label, ...], positive: Label | None, column: str) -> tuple[Label, ...]:
    """The two classes with the declared positive one as the second; raises DataError when it is neither."""
    if positive is None:
        return classes
    if positive not in classes:
        raise DataError(
            f"the positive class {positive!r} does not occur among {listed(classes)}",
            plain=f"the positive class {positive!r} does not occur among the labels",
            where=f"column {column!r}",
            remedy="set `positive` of the task to one of them, with its type",
        )
    return tuple(sorted(classes, key=lambda label: label == positive))


def listed(classes: Sequence[Label]) -> str:
    """The first classes, for messages."""
    shown = ", ".join(repr(label) for label in classes[:5])
    return f"{shown}, ..." if len(classes) > 5 else shown
