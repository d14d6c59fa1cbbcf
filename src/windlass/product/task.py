"""What is predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from windlass.errors import ProductError

TaskKind = Literal["binary", "multiclass", "regression"]
KINDS: tuple[TaskKind, ...] = get_args(TaskKind)
DEFAULT_METRICS: Mapping[TaskKind, str] = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "mae"}
"""By which models of each kind are judged where nothing else is said."""


class Task(msgspec.Struct, frozen=True, kw_only=True, tag_field="task"):
    """Names the columns that play a role; everything else in a row is input."""

    target: str
    """Column of the label."""
    time: str | None = None
    """Column of the event time (date or datetime; naive ones are taken as UTC): when the prediction is asked for."""
    key: str | None = None
    """Column that identifies a row, to which outcomes refer and by which a canary is sticky."""

    @property
    def kind(self) -> TaskKind:
        return self.__struct_config__.tag  # type: ignore[return-value]

    @property
    def roles(self) -> tuple[str, ...]:
        """The columns that are not model inputs by themselves (`features` may still use time and key)."""
        return tuple(name for name in (self.target, self.time, self.key) if name is not None)


class BinaryClassification(Task, frozen=True, kw_only=True, tag="binary"):
    """Two classes; the model answers with the probability of `positive`."""

    positive: bool | int | str | None = None
    """The label of the positive class; None takes the larger of the two (True, 1, the later in the alphabet)."""


class MulticlassClassification(Task, frozen=True, kw_only=True, tag="multiclass"):
    """Three classes or more; the model answers with a probability for each."""


class Regression(Task, frozen=True, kw_only=True, tag="regression"):
    """A number."""


def task_from(plain: dict[str, Any]) -> Task:
    """The task that `msgspec.to_builtins(task)` wrote down."""
    try:
        return msgspec.convert(plain, BinaryClassification | MulticlassClassification | Regression)
    except msgspec.ValidationError as error:
        raise ProductError(f"the recorded task cannot be read: {error}", where=str(plain)) from error
