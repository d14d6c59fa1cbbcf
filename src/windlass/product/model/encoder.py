"""The transformer behind the default encoding: a frame with strings, dates and gaps becomes a matrix of numbers."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator

from windlass.errors import ProductError
from windlass.product.model.encoder_columns import (
    CYCLES,
    Array,
    check_encodable,
    codes_of,
    kind_of,
    numbers_of,
    part_of,
    seconds_of,
    target_means,
)

Style = Literal["codes", "trees", "dense"]
"""`codes`: category codes, gaps stay NaN (boosters that know both). `trees`: one-hot, gaps stay NaN. `dense`: one-hot,
gaps filled (median and an indicator), moments on circles, all scaled: linear models, and whatever is not known."""

_DAY = 86_400.0
_LARGEST = float(np.finfo(np.float32).max)  # beyond it and at infinity is a gap: many estimators compute in float32
_MOST_CLASSES = 20  # classes whose share a category's mean target tells apart


class FrameEncoder(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Turns n rows of a polars frame into an (n, d) float64 matrix; a scikit-learn transformer.

    Few categories become codes or one-hot columns. Many become two numbers: the mean target of the rows with that
    value, drawn towards the overall mean, and how common the value is. While training, the mean of a row is taken from
    other folds, so that no row sees its own label; folds are stretches of rows, since rows come in the order of time
    and later rows are what the model is for. Moments become hour, weekday and day of the year as far as the training
    rows went round these cycles, and their position in time unless it merely rises with the rows: past the last day
    that was seen, a tree knows nothing and a line knows too much. Constant columns and near-unique ids are left out;
    `left_out_` says which and why. A column of a type without a sound encoding is a ProductError.

    What is learned are lists, dicts and numpy arrays.
    """

    __module__ = "windlass.product.stored"  # how models that were saved name it, wherever it moves

    def __init__(
        self,
        *,
        style: Style = "dense",
        regression: bool = True,
        max_codes: int = 250,
        max_one_hot: int = 12,
        smoothing: float = 10.0,
        folds: int = 20,
    ) -> None:
        self.style = style
        self.regression = regression
        self.max_codes = max_codes
        self.max_one_hot = max_one_hot
        self.smoothing = smoothing
        self.folds = folds

    # -- learning ------------------------------------------------------------------------------------------------

    def fit(self, frame: pl.DataFrame, y: Any = None) -> Self:
        """Learn from n rows and, where given, their n labels (codes or values)."""
        self.fit_transform(frame, y)
        return self

    def fit_transform(self, frame: pl.DataFrame, y: Any = None) -> Array:
        """Learn as `fit` does, and return the (n, d) matrix of these rows without their labels leaking into it."""
        if not isinstance(frame, pl.DataFrame):
            raise ProductError(
                f"the encoder takes a polars frame, not {type(frame).__name__}",
                where="FrameEncoder.fit",
                remedy="return a polars DataFrame from `features`",
            )
        check_encodable(frame, where="FrameEncoder.fit")
        self.feature_names_in_ = np.array(frame.columns, dtype=object)
        self.n_features_in_ = frame.width
        self.left_out_: dict[str, str] = {}
        self.numbers_: list[str] = []
        self.moments_: list[dict[str, Any]] = []
        self.categories_: list[dict[str, Any]] = []
        target = None if y is None else self._targets(np.asarray(y))
        crossed: dict[str, Array] = {}
        for column in frame.get_columns():
            kind = kind_of(column.dtype) or ""  # all have one, as was checked
            if not _varies(column, kind):
                self._leave_out(column, "it never varies")
            elif kind == "number":
                self.numbers_.append(column.name)
            elif kind == "moment":
                self._learn_moment(column)
            else:
                self._learn_category(column.cast(pl.String), target, crossed)
        raw = self._raw(frame, crossed)
        self._learn_scale(raw)
        return self._finish(raw)

    def _leave_out(self, column: pl.Series, reason: str) -> None:
        self.left_out_[column.name] = f"{reason} ({column.dtype})"

    def _targets(self, y: Array) -> Array:
        """(n, k) float64: what the mean of a category is taken of; k > 1 for more than two classes."""
        if self.regression or len(classes := np.unique(y)) <= 2:
            return y.astype(float)[:, None]
        shares: Array = (y[:, None] == classes[None, :_MOST_CLASSES]).astype(float)
        return shares

    def _learn_moment(self, column: pl.Series) -> None:
        seconds = seconds_of(column)
        known = seconds[np.isfinite(seconds)]
        days = np.ptp(known) / _DAY
        of_day = column.dtype != pl.Date and bool(np.ptp(np.mod(known, _DAY)))
        parts = [part for part, seen in (("hour", of_day), ("weekday", days >= 14), ("yearday", days >= 366)) if seen]
        rank = np.argsort(np.argsort(known, kind="stable"), kind="stable")
        rises = bool(np.ptp(known)) and np.corrcoef(rank, np.arange(len(known)))[0, 1] > 0.9
        if rises and not parts:
            self._leave_out(column, "it rises with the rows and has gone round no cycle yet")
        else:
            self.moments_.append({"name": column.name, "parts": parts, "position": not rises})

    def _learn_category(self, column: pl.Series, target: Array | None, crossed: dict[str, Array]) -> None:
        name = column.name
        counts = column.drop_nulls().value_counts(name="__rows").sort(["__rows", name], descending=[True, False])
        repeated = counts.filter(pl.col("__rows") > 1)
        if int(repeated["__rows"].sum()) < 0.1 * int(counts["__rows"].sum()):
            self._leave_out(column, "nearly every row has a value of its own")
            return
        most = self.max_codes if self.style == "codes" else self.max_one_hot
        few = counts.height <= most
        values = (counts if few else repeated)[name].to_list()
        learned: dict[str, Any] = {"name": name, "values": values, "coded": few and self.style == "codes"}
        self.categories_.append(learned)
        if learned["coded"]:
            learned["table"] = np.append(np.arange(len(values), dtype=float), [np.nan, np.nan])[:, None]
        elif few:
            table = np.eye(len(values) + 2)  # rows and columns: the values, one never seen, null
            learned["table"] = table[:, [*range(len(values)), *([len(values) + 1] if column.null_count() else [])]]
        else:
            codes = codes_of(column, {value: code for code, value in enumerate(values)}, pl.Enum(values))
            self._learn_many(learned, codes, target, crossed)

    def _learn_many(
        self, learned: dict[str, Any], codes: Array, target: Array | None, crossed: dict[str, Array]
    ) -> None:
        """Mean target and frequency of each value; the means of the training rows go to `crossed`."""
        size = len(learned["values"]) + 2
        common = np.log1p(np.bincount(codes, minlength=size).astype(float))[:, None]
        if target is None:
            learned["table"] = common
            return
        fold = np.arange(len(codes)) * self.folds // len(codes)
        table, crossed[learned["name"]] = target_means(codes, size, target, fold, smoothing=self.smoothing)
        learned["table"] = np.hstack([table, common])

    def _learn_scale(self, raw: Array) -> None:
        """What fills gaps, which columns get an indicator of them, and the scale; only for `dense`."""
        if self.style != "dense":
            return
        missing = np.isnan(raw)
        self.gaps_ = np.flatnonzero(missing.any(axis=0))
        self.fill_ = np.nanmedian(raw, axis=0)
        filled = np.where(missing, self.fill_, raw)
        self.centre_ = filled.mean(axis=0)
        spread = filled.std(axis=0)
        # The spread of equal numbers is a rounding error, not zero; dividing by it would blow up all that is unseen.
        self.scale_ = np.where(spread > 1e-12 * np.abs(self.centre_), spread, 1.0)

    # -- applying ------------------------------------------------------------------------------------------------

    def transform(self, frame: pl.DataFrame | Array) -> Array:
        """(n, d) float64 of n rows that hold at least the columns that were learned; others are ignored. If it
        `takes_matrix`, `frame` may be the float64 matrix of all columns in the order of `feature_names_in_`.

        Raises ProductError naming a column that is not there. A value of another type is read as the type that was
        learned where that is possible, and is a gap where it is not.
        """
        return self._finish(self._raw(frame, {}))

    @property
    def takes_matrix(self) -> bool:
        """Whether all that it has learned of are numbers."""
        return bool(self.numbers_) and not self.moments_ and not self.categories_

    @property
    def categorical_(self) -> list[int]:
        """The columns of the matrix that hold category codes."""
        ends = np.cumsum([0, *(learned["table"].shape[1] for learned in self.categories_)])
        first = len(self.numbers_) + sum(len(self._moment_parts(moment)) for moment in self.moments_)
        return [first + int(end) for end, learned in zip(ends[:-1], self.categories_, strict=True) if learned["coded"]]

    def _moment_parts(self, moment: dict[str, Any]) -> list[str]:
        twice = 2 if self.style == "dense" else 1
        return [part for part in moment["parts"] for _ in range(twice)] + ["position"] * moment["position"]

    def _raw(self, frame: pl.DataFrame | Array, crossed: dict[str, Array]) -> Array:
        """(n, columns) before filling and scaling; `crossed` replaces mean targets, in training."""
        if isinstance(frame, np.ndarray):
            places = {name: place for place, name in enumerate(self.feature_names_in_)}
            return _without_largest(frame.take([places[name] for name in self.numbers_], axis=1))
        blocks = [numbers_of(_column(frame, name)) for name in self.numbers_]
        for moment in self.moments_:
            blocks += self._moment(seconds_of(_column(frame, moment["name"])), moment)
        for learned, (values, enum) in zip(self.categories_, self._lookups(), strict=True):
            block = learned["table"][codes_of(_column(frame, learned["name"]), values, enum)]
            if learned["name"] in crossed:
                means = crossed[learned["name"]]
                block[:, : means.shape[1]] = means
            blocks += list(block.T)
        return _without_largest(np.column_stack(blocks)) if blocks else np.zeros((frame.height, 1))

    def _moment(self, seconds: Array, moment: dict[str, Any]) -> list[Array]:
        found: list[Array] = []
        for part in moment["parts"]:
            values = part_of(seconds, part)
            angle = values * (2 * np.pi / CYCLES[part])
            found += [np.sin(angle), np.cos(angle)] if self.style == "dense" else [values]
        return [*found, seconds / _DAY] if moment["position"] else found

    def _finish(self, raw: Array) -> Array:
        if self.style != "dense":
            return raw
        missing = np.isnan(raw)
        scaled: Array = (np.where(missing, self.fill_, raw) - self.centre_) / self.scale_
        return np.hstack([scaled, missing[:, self.gaps_]]) if len(self.gaps_) else scaled

    def _lookups(self) -> list[tuple[dict[str, int], pl.Enum]]:
        """For each category column its values' codes, in the two forms that lookups take; made once, never saved."""
        made: list[tuple[dict[str, int], pl.Enum]] | None = self.__dict__.get("_made")
        if made is None or len(made) != len(self.categories_):
            every = [learned["values"] for learned in self.categories_]
            made = [({value: code for code, value in enumerate(values)}, pl.Enum(values)) for values in every]
            self._made = made
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_made"}


def _without_largest(raw: Array) -> Array:
    raw[np.abs(raw) > _LARGEST] = np.nan
    return raw


def _varies(column: pl.Series, kind: str) -> bool:
    """Whether there are two values, of which a gap may be one."""
    if kind != "number":
        return column.n_unique() > 1
    values = numbers_of(column)
    return pl.Series(np.where(np.abs(values) <= _LARGEST, values, np.nan)).n_unique() > 1


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    try:
        return frame.get_column(name)
    except pl.exceptions.ColumnNotFoundError as error:
        raise ProductError(
            f"column {name!r} is missing; the model was trained with it",
            where="features",
            remedy="give every row this column, as null where it is not known",
        ) from error
