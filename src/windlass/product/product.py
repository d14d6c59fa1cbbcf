"""The class that a user writes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from windlass.errors import ProductError
from windlass.product.model_file import ModelFile
from windlass.product.policy import Capture, Gate, Objectives, Outcome, Policies, Release, Retrain
from windlass.product.task import Task

if TYPE_CHECKING:
    import polars as pl

    from windlass.product.examples import Examples


class Product:
    """One model and everything that is decided about it; subclass it, and set or override what you need.

    The smallest product has a `task`, an `extract` and an `estimator`. Methods are called on a fresh instance in a
    process of their own, so an instance keeps nothing between calls.
    """

    name: ClassVar[str] = ""
    """How it is called in URLs, tables and events; by default the class name in kebab-case (`flight-delays`)."""
    task: ClassVar[Task]
    outcome: ClassVar[Outcome] = Outcome()
    contract: ClassVar[Any] = None
    """A pandera (polars) DataFrameModel or DataFrameSchema that rows must satisfy."""
    estimator: ClassVar[Any] = None
    """An unfitted scikit-learn compatible estimator; it is cloned for every run."""
    model: ClassVar[ModelFile | None] = None
    """A model file to serve until the product trains its own."""
    search: ClassVar[Any] = None
    """A search space to tune the estimator in: `{parameter: [choices] | (low, high) | (low, high, "log")}`."""
    trials: ClassVar[int] = 20
    gate: ClassVar[Gate | None] = None
    release: ClassVar[Release] = Release()
    retrain: ClassVar[Retrain | None] = None
    objectives: ClassVar[Objectives | None] = None
    capture: ClassVar[Capture] = Capture()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", cls.name):
            raise ProductError(
                f"{cls.name!r} cannot be a product's name",
                where=f"{cls.__module__}.{cls.__qualname__}.name",
                remedy="use lower-case letters, digits, dots, dashes and underscores, at most 64 of them",
            )

    def extract(self, since: datetime | None) -> pl.DataFrame | dict[str, pl.DataFrame]:  # noqa: ARG002 (part of the signature to override)
        """Rows that appeared since `since` (exclusive; None: all there are). It is UTC, and carries a time zone unless
        your own event times have none, so that it compares with them.

        Rows returned twice are kept once, so it is safe to return a little too much. A dict gives several sources by
        name; `outcomes` (columns: the key, `value`, and `at` if known) brings labels that came later. Name every source
        each time, with no rows when it has nothing new: one that is not named belongs to the training set no more.
        """
        raise ProductError(
            "this product has no `extract`",
            where=type(self).__qualname__,
            remedy="define extract(self, since) to train; without it a product can only serve a model file",
        )

    def assemble(self, sources: dict[str, pl.DataFrame]) -> pl.DataFrame:
        """One row per example from several sources; needed only when `extract` returns more than one."""
        raise ProductError(
            f"extract returned several sources ({', '.join(sorted(sources))}), and nothing says how they make one row",
            where=type(self).__qualname__,
            remedy="define assemble(self, sources) and return the joined frame",
        )

    def features(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What the model gets, row by row, in training and in serving; never sees the target.

        Row-local: a row's features depend on that row alone. By default every column but time and key.
        """
        roles = self.task.roles
        kept = [name for name in rows.columns if name not in roles]
        return rows if len(kept) == rows.width else rows[kept]  # `drop` makes a query of it: 0.1 ms for a single row

    def train(self, examples: Examples) -> Any:
        """A fitted model with `predict` (regression) or `predict_proba` (classification) on a frame of features.

        By default the `estimator`, behind an encoding of strings, dates and missing values that suits it.
        """
        from windlass.product.model.encoding import fit_estimator

        return fit_estimator(self.estimator, examples, kind=self.task.kind)

    @classmethod
    def policies(cls) -> Policies:
        return Policies(
            outcome=cls.outcome,
            gate=cls.gate,
            release=cls.release,
            retrain=cls.retrain,
            capture=cls.capture,
            objectives=cls.objectives,
        )

    @classmethod
    def trains(cls) -> bool:
        """Whether it can train itself; if not, it serves a model file."""
        return cls.extract is not Product.extract
