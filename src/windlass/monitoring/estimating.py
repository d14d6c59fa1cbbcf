"""How good a model is now, before any label has come: learned from rows whose labels are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.statistics.expected import Expected, expected_score
from windlass.decisions.statistics.losses import absolute, log_loss, squared
from windlass.decisions.statistics.metrics import metric_for
from windlass.errors import DataError, UsageError
from windlass.monitoring.answers import check_answers, check_kind, check_labels
from windlass.monitoring.column import kind_of
from windlass.monitoring.tables import as_frame
from windlass.product.examples import Examples
from windlass.product.task import TaskKind
from windlass.records.bundle import ModelFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.decisions.statistics.metrics import Cost, Metric

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

FOLDER = "estimate"
"""Its name in a bundle."""
METRICS: Mapping[TaskKind, tuple[str, ...]] = {
    "binary": ("roc_auc", "accuracy", "log_loss", "brier"),
    "multiclass": ("accuracy", "log_loss", "brier", "roc_auc"),
    "regression": ("mae", "rmse"),
}
"""What is estimated by default."""
LEAST_ROWS = 200
LEAST_OF_CLASS = 10
_MOST_ROWS = 50_000
_FOLDS = 3
_STRETCHES = 20
"""Of the reference, among which an estimate's error beyond the noise of labels is measured."""
_REACH = 2.09
"""Quantile 0.975 of Student's t with as many degrees of freedom as there are stretches, less one."""
_CLOSEST = 1e-4
"""Calibrated probabilities are kept this far from 0 and 1: no finite reference shows more."""
_DTYPES: dict[str, pl.DataType] = {"number": pl.Float64(), "category": pl.String(), "boolean": pl.Boolean()}


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of a window that was not seen, only inferred."""

    metric: str
    value: float
    lower: float
    upper: float
    """What the figure will be, once all labels are there, with a chance of 95 in 100, as long as rows of the same
    features and answers end as they did in the reference."""


class _Knots(msgspec.Struct, frozen=True, kw_only=True):
    """A monotone curve: calibration."""

    given: tuple[float, ...]
    found: tuple[float, ...]

    def at(self, values: Array) -> Floats:
        return np.interp(values, self.given, self.found)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All of an estimator but its model."""

    kind: TaskKind
    classes: int
    """1 for regression."""
    columns: dict[str, str]
    """Features that are looked at -> number, category or boolean."""
    curves: tuple[_Knots, ...]
    """Classification: of each class's probability. Regression: of the absolute and the squared error."""
    spread: dict[str, float]
    """Metric -> standard deviation of an estimate's error beyond the noise of the window's own labels."""
    residual: tuple[float, ...] = ()
    """Regression: standard deviation of the absolute and the squared error about what was expected of the row."""
    cost: tuple[tuple[float, float], tuple[float, float]] | None = None
    files: tuple[ModelFile, ...] = ()
    """Of the models that look at features; none: the answers alone told as much."""
    rows: int = 0


class PerformanceEstimator:
    """Estimates a model's figures on rows without labels.

    A second model learns how likely each label is (regression: how large the error), from the features and the first
    model's answer; what it says of rows that it has not learned from is calibrated by isotonic regression. A figure's
    expectation over labels drawn from these probabilities is the estimate. With the answer alone this is CBPE
    (confidence-based performance estimation; Bialek, Kuberski, Perrakis and Bifet 2024, arXiv 2407.08649); with the
    features a shift of the inputs is accounted for as well, without weighing rows by a ratio of densities. Where the
    features do not help on held-out rows, the answer alone is used.

    What no estimate without labels can see is a change of the relation itself: there only labels help.
    """

    def __init__(self, summary: Summary, models: Sequence[Any] = ()) -> None:
        self.summary = summary
        self._models = tuple(models)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it can estimate."""
        return tuple(self.summary.spread)

    def expected(self, features: Any, predictions: Array) -> Floats:
        """`(n, k)` the calibrated probability of each label; regression `(n, 2)`: absolute and squared error.

        Raises DataError unless there is one finite prediction a row, and UsageError for what is no probability.
        """
        given, frame = np.asarray(predictions, dtype=np.float64), as_frame(features)
        if len(given) != frame.height:
            raise DataError(
                f"{frame.height} rows and {len(given)} predictions do not belong together",
                remedy="give one prediction for each row",
            )
        check_answers(given, self.summary.kind)
        answers = _wide(given, self.summary.kind)
        if not self._models:
            return _calibrated(self.summary.curves, answers, self.summary.kind)
        table = _table(frame, answers, self.summary.columns)
        return _calibrated(self.summary.curves, _asked(self._models, table, self.summary), self.summary.kind)

    def estimate(self, features: Any, predictions: Array) -> tuple[Estimate, ...]:
        """The figures of n rows, with intervals; those that are undefined are left out.

        `features` is a frame of n rows (see `tables.as_frame`) with the reference's columns, of which some may be
        missing; `predictions` `(n,)` or `(n, k)` what the model answered.
        """
        predictions = np.asarray(predictions, dtype=np.float64)
        if not len(predictions):
            return ()
        expected = self.expected(features, predictions)
        found = []
        for name, spread in self.summary.spread.items():
            value, noise = _figure(name, expected, predictions, self.summary)
            reach = _REACH * float(np.hypot(noise, spread))
            if np.isfinite(value):
                found.append(_within(name, value, reach, self.summary.kind))
        return tuple(found)

    # -- as files --------------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write it below `folder`."""
        from windlass.registry.models import save

        files = []
        for place, model in enumerate(self._models):
            file = save(model, folder / str(place))
            files.append(msgspec.structs.replace(file, file=f"{place}/{file.file}"))
        folder.mkdir(parents=True, exist_ok=True)
        summary = msgspec.structs.replace(self.summary, files=tuple(files))
        (folder / "estimate.json").write_bytes(msgspec.json.encode(summary))

    @classmethod
    def load(cls, folder: Path) -> PerformanceEstimator | None:
        """What `save` wrote; None when there is none. Raises RegistryError when a model cannot be read."""
        from windlass.registry.models import load

        path = folder / "estimate.json"
        if not path.is_file():
            return None
        summary = msgspec.json.decode(path.read_bytes(), type=Summary)
        return cls(summary, [load(folder, file) for file in summary.files])


def enough_of_each(truth: Array) -> bool:
    """Whether there are two classes or more, each with rows enough to learn how likely it is."""
    counts = np.unique(truth, return_counts=True)[1]
    return len(counts) > 1 and int(counts.min()) >= LEAST_OF_CLASS


def learn_estimator(
    features: Any,
    predictions: Array,
    truth: Array,
    *,
    kind: TaskKind,
    metrics: Sequence[str] = (),
    cost: Cost | None = None,
) -> PerformanceEstimator:
    """Learn from n rows that the model has not learned from, in the order of time, with their labels.

    `features` is a frame (see `tables.as_frame`), `predictions` `(n,)` or `(n, k)`, `truth` `(n,)` codes or values.
    `metrics` are names of `docs/reference/metrics.md`; by default `METRICS`. `cost` belongs to the metric `cost`. Of
    more than 50,000 rows as many are taken, evenly spaced. Raises DataError for fewer than 200 rows, or than ten of a
    class that occurs, and for values that are not finite; UsageError for labels that are no numbers, predictions that
    are no probabilities, and a metric that cannot be estimated.
    """
    check_kind(kind)
    answers = np.asarray(predictions, dtype=np.float64)
    truth = np.asarray(truth)
    table = as_frame(features)
    if not len(truth) == len(answers) == table.height:
        sizes = f"{table.height} rows, {len(answers)} predictions and {len(truth)} labels"
        raise DataError(f"{sizes} do not belong together", remedy="give one prediction and one label for each row")
    names = tuple(metrics) or METRICS[kind]
    _check_metrics(names, kind)
    chosen = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), _MOST_ROWS)).astype(np.int64))
    table, answers, truth = table[chosen], answers[chosen], truth[chosen]
    _check_rows(truth, answers, kind)
    columns = {name: found for name, dtype in table.schema.items() if (found := kind_of(dtype)) is not None}
    summary = Summary(
        kind=kind,
        classes=1 if kind == "regression" else 2 if answers.ndim == 1 else answers.shape[1],
        columns={str(name): str(found) for name, found in columns.items()},
        curves=(),
        spread={},
        cost=cost,
        rows=len(truth),
    )
    held, models = _learned(_table(table, _wide(answers, kind), summary.columns), answers, truth, summary)
    targets = _targets(truth, answers, summary)
    curves = tuple(_monotone(held[:, place], targets[:, place]) for place in range(targets.shape[1]))
    expected = _calibrated(curves, held, kind)
    residual = tuple(float(each) for each in (targets - expected).std(axis=0)) if kind == "regression" else ()
    summary = msgspec.structs.replace(summary, curves=curves, residual=residual)
    spread = {name: _spread(name, expected, answers, truth, summary) for name in names}
    summary = msgspec.structs.replace(summary, spread={name: value for name, value in spread.items() if value >= 0})
    return PerformanceEstimator(summary, models)


# -- learning ------------------------------------------------------------------------------------------------------


def _learned(table: pl.DataFrame, answers: Array, truth: Array, summary: Summary) -> tuple[Floats, list[Any]]:
    """What is said of rows that were held out, one column for each target, and the models that say it, if any."""
    plain = _wide(answers, summary.kind)
    held = np.empty((len(truth), _targets(truth[:1], answers[:1], summary).shape[1]))
    alone = np.empty_like(held)
    stretch = _folds(truth, summary.kind)
    for fold in range(_FOLDS):
        inside, out = np.flatnonzero(stretch != fold), np.flatnonzero(stretch == fold)
        targets = _targets(truth[inside], answers[inside], summary)
        held[out] = _asked(_fitted(table[inside], truth[inside], targets, summary), table[out], summary)
        curves = [_monotone(_told(plain, place)[inside], targets[:, place]) for place in range(targets.shape[1])]
        alone[out] = np.column_stack([curve.at(_told(plain, place)[out]) for place, curve in enumerate(curves)])
    if _surprise(held, truth, answers, summary) >= _surprise(alone, truth, answers, summary):
        own = np.column_stack([_told(plain, place) for place in range(held.shape[1])])
        return own, []
    return held, _fitted(table, truth, _targets(truth, answers, summary), summary)


def _folds(truth: Array, kind: TaskKind) -> NDArray[np.int64]:
    """`(n,)` the fold of each row: stretches of time; or, where the rows outside of one would lack a class, in turn."""
    stretch = np.arange(len(truth)) * _FOLDS // len(truth)
    if kind == "regression":
        return stretch
    codes = np.unique(truth)
    if all(len(np.unique(truth[stretch != fold])) == len(codes) for fold in range(_FOLDS)):
        return stretch
    turns = np.empty(len(truth), dtype=np.int64)
    for code in codes:
        own = np.flatnonzero(truth == code)
        turns[own] = np.arange(len(own)) % _FOLDS
    return turns


def _fitted(table: pl.DataFrame, truth: Array, targets: Floats, summary: Summary) -> list[Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    from windlass.product.model.encoding import fit_estimator

    settings: dict[str, Any] = {
        "learning_rate": 0.1,
        "max_iter": 60,
        "max_leaf_nodes": 15,
        "l2_regularization": 5.0,
        "early_stopping": False,
        "random_state": 0,
    }

    def fit(estimator: Any, target: Array) -> Any:
        with threadpool_limits(1, user_api="openmp"):  # threads of a small fit wait for each other, most of all if busy
            return fit_estimator(estimator, Examples(features=table, target=target, rows=table), kind=summary.kind)

    if summary.kind != "regression":
        return [fit(HistGradientBoostingClassifier(**settings), truth.astype(np.int64))]
    return [fit(HistGradientBoostingRegressor(**settings), targets[:, place]) for place in range(targets.shape[1])]


def _asked(models: Sequence[Any], table: pl.DataFrame, summary: Summary) -> Floats:
    from threadpoolctl import threadpool_limits

    from windlass.product.model.predict import predict

    with threadpool_limits(1, user_api="openmp"):
        found = [predict(model, table, summary.kind, classes=summary.classes) for model in models]
    if summary.kind == "binary":
        return np.column_stack([1 - found[0], found[0]])
    return found[0] if summary.kind == "multiclass" else np.column_stack(found)


def _targets(truth: Array, answers: Array, summary: Summary) -> Floats:
    """`(n, k)` what is to be expected: 1 for the label that came; or the absolute and the squared error."""
    if summary.kind == "regression":
        return np.column_stack([absolute(truth, answers), squared(truth, answers)])
    return np.asarray(truth.astype(np.int64)[:, None] == np.arange(summary.classes), dtype=np.float64)


def _told(plain: Floats, place: int) -> Floats:
    """What the answer alone has to say of a target: its own column, or all there is."""
    return plain[:, min(place, plain.shape[1] - 1)]


def _monotone(given: Floats, target: Floats) -> _Knots:
    """Isotonic regression (Zadrozny and Elkan 2002, KDD): the mean of the target as a rising function."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(given, target)
    return _Knots(given=tuple(fitted.X_thresholds_.tolist()), found=tuple(fitted.y_thresholds_.tolist()))


def _calibrated(curves: Sequence[_Knots], told: Floats, kind: TaskKind) -> Floats:
    found = np.column_stack([curve.at(_told(told, place)) for place, curve in enumerate(curves)])
    if kind == "regression":
        return np.maximum(found, 0.0)
    found = np.clip(found, _CLOSEST, 1 - _CLOSEST)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _surprise(held: Floats, truth: Array, answers: Array, summary: Summary) -> float:
    """How badly held-out rows were foretold; smaller is better."""
    if summary.kind == "regression":
        return float(((held[:, 0] - absolute(truth, answers)) ** 2).mean())
    kept = np.clip(held, _CLOSEST, 1.0)
    return float(log_loss(truth, kept / kept.sum(axis=1, keepdims=True)).mean())


def _spread(name: str, expected: Floats, answers: Array, truth: Array, summary: Summary) -> float:
    """How far estimates of stretches of the reference are off beyond the noise of their labels, together with the noise
    of the whole reference, which the calibration has learned; -1 where the figure is undefined."""
    errors, noises = [], []
    for part in np.array_split(np.arange(len(truth)), min(_STRETCHES, max(2, len(truth) // 100))):
        value, noise = _figure(name, expected[part], answers[part], summary)
        seen = _metric(name, summary).score(truth[part], answers[part])
        if np.isfinite(value) and np.isfinite(seen):
            errors.append(value - seen)
            noises.append(noise)
    if not errors:
        return -1.0
    own = float(np.mean(np.square(noises)))
    return float(np.sqrt(max(0.0, float(np.mean(np.square(errors))) - own) + own / len(errors)))


# -- figures -------------------------------------------------------------------------------------------------------


def _figure(name: str, expected: Floats, answers: Array, summary: Summary) -> Expected:
    if summary.kind != "regression":
        return expected_score(_metric(name, summary), expected, answers)
    place = 0 if name == "mae" else 1
    mean, noise = float(expected[:, place].mean()), summary.residual[place] / float(np.sqrt(len(expected)))
    if name == "rmse":
        root = float(np.sqrt(mean))
        return Expected(root, noise / (2 * root) if root else 0.0)
    return Expected(mean, noise)


def _metric(name: str, summary: Summary) -> Metric:
    return metric_for(name, summary.kind, cost=summary.cost)


def _within(name: str, value: float, reach: float, kind: TaskKind) -> Estimate:
    metric = metric_for(name, kind, cost=((0, 1), (1, 0)))
    bounded = kind != "regression" and name not in ("log_loss", "cost")
    least = -1.0 if name == "mcc" else 0.0 if name != "cost" else -np.inf
    most = 1.0 if bounded else np.inf
    return Estimate(
        metric=metric.name, value=value, lower=float(max(least, value - reach)), upper=float(min(most, value + reach))
    )


# -- tables --------------------------------------------------------------------------------------------------------


def _wide(answers: Array, kind: TaskKind) -> Floats:
    """Answers as columns: one for each class, or one."""
    if answers.ndim == 2:
        return answers
    return np.column_stack([1 - answers, answers]) if kind == "binary" else answers[:, None]


def _table(features: pl.DataFrame, answers: Floats, columns: Mapping[str, str]) -> pl.DataFrame:
    """The features that were learned from and the answers, in the types of then; what is not there is missing."""
    own = [_typed(features, name, _DTYPES[kind]) for name, kind in columns.items()]
    first = 1 if answers.shape[1] == 2 else 0  # of two classes one says all
    said = [pl.Series(f"answer {place}", answers[:, place]) for place in range(first, answers.shape[1])]
    return pl.DataFrame([*own, *said])


def _typed(features: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    if name in features.columns:
        return features[name].cast(dtype, strict=False)
    return pl.Series(name, [None] * features.height, dtype=dtype)


# -- bad input -----------------------------------------------------------------------------------------------------


def _check_metrics(names: Sequence[str], kind: TaskKind) -> None:
    for name in names:
        metric_for(name, kind, cost=((0, 1), (1, 0)))
        if kind == "regression" and name not in ("mae", "mse", "rmse"):
            raise UsageError(f"{name} of a regression cannot be estimated", remedy="estimate mae, mse or rmse")


def _check_rows(truth: Array, answers: Array, kind: TaskKind) -> None:
    if len(truth) < LEAST_ROWS:
        raise DataError(
            f"{len(truth)} labelled rows are too few to learn how good a model is",
            remedy=f"give {LEAST_ROWS} or more that it has not learned from",
        )
    check_labels(truth)
    if not np.isfinite(truth.astype(np.float64)).all():
        raise DataError("a label is not finite", remedy="leave such rows out")
    check_answers(answers, kind)
    if kind != "regression" and not enough_of_each(truth):
        raise DataError(
            f"fewer than {LEAST_OF_CLASS} rows have one of the labels, or all have the same one",
            remedy="give more rows of every class",
        )
