"""How good a model is now, before any label has come: learned from rows whose labels are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.statistics.expected import DRAWS
from windlass.decisions.statistics.losses import absolute, squared
from windlass.decisions.statistics.metrics import metric_for
from windlass.errors import DataError, UsageError
from windlass.monitoring.answers import check_answers, check_kind, check_labels, numbers_of
from windlass.monitoring.column import Sketches, kind_of
from windlass.monitoring.distance import distance
from windlass.monitoring.held_out import Labelled, Summary, afar_of, figure_of, metric_of, spread_of
from windlass.monitoring.joining import Join, Term, join, terms_of
from windlass.monitoring.profiles import Profile, profile, profile_like
from windlass.monitoring.tables import as_frame
from windlass.product.examples import Examples
from windlass.product.task import TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.decisions.statistics.metrics import Cost
    from windlass.decisions.statistics.quasi import Link

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
_FOLDS = 5
_REACH = 2.09
"""Quantile 0.975 of Student's t with 19 degrees of freedom: the deviations themselves are estimates."""
_CLOSEST = 1e-4
"""Calibrated probabilities are kept this far from 0 and 1: no finite reference shows more."""
_NOTHING = 1e-300
_DTYPES: dict[str, pl.DataType] = {"number": pl.Float64(), "category": pl.String(), "boolean": pl.Boolean()}


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of a window that was not seen, only inferred."""

    metric: str
    value: float
    lower: float
    upper: float
    """What the figure will be, once all labels are there, with a chance of 95 in 100, as long as rows of the same
    features and answers end as they did in the reference."""
    rests_on: int
    """Labelled rows that tell of this window: the reference's count for fewer, the farther from them its rows are."""


class PerformanceEstimator:
    """Estimates a model's figures on rows without labels.

    A second model learns how likely each label is (regression: how large the error), from the features and the first
    model's answer. A regression joins what it says of rows that it has not learned from to what the first model's
    answer says, and to the features (`joining.Join`). A figure's expectation over labels drawn from these probabilities
    is the estimate. With the answer alone this is CBPE (confidence-based performance estimation; Bialek, Kuberski,
    Perrakis and Bifet 2024, arXiv 2407.08649); with the features a shift of the inputs is accounted for as well,
    without weighing rows by a ratio of densities. The interval is the wider, the farther a window's inputs are from the
    reference (`distance.distance`); answers are not asked, since those of a model that was fitted again differ anyhow.

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
        return self._outlook(features, predictions).expected

    def estimate(self, features: Any, predictions: Array) -> tuple[Estimate, ...]:
        """The figures of n rows, with intervals; those that are undefined are left out.

        `features` is a frame of n rows (see `tables.as_frame`) with the reference's columns, of which some may be
        missing; `predictions` `(n,)` or `(n, k)` what the model answered.
        """
        predictions = np.asarray(numbers_of(predictions), dtype=np.float64)
        if not len(predictions):
            return ()
        outlook = self._outlook(features, predictions)
        away = distance(self.summary.reference, profile_like(self.summary.reference, outlook.table))
        found = []
        for name, spread in self.summary.spread.items():
            value, noise = figure_of(name, outlook.expected, predictions, self.summary, outlook.drawn())
            deviation = float(np.sqrt(noise**2 + spread**2 + away * self.summary.afar[name] ** 2))
            if np.isfinite(value):
                lower, upper = _ends(name, value, deviation, self.summary.kind)
                rests = round(self.summary.rows / (1 + away))
                found.append(
                    Estimate(
                        metric=metric_of(name, self.summary).name, value=value, lower=lower, upper=upper, rests_on=rests
                    )
                )
        return tuple(found)

    def _outlook(self, features: Any, predictions: Array) -> _Outlook:
        given, frame = np.asarray(numbers_of(predictions), dtype=np.float64), as_frame(features)
        if len(given) != frame.height:
            raise DataError(
                f"{frame.height} rows and {len(given)} predictions do not belong together",
                remedy="give one prediction for each row",
            )
        check_answers(given, self.summary.kind)
        table = _table(frame, _wide(given, self.summary.kind), self.summary.columns)
        return _Outlook(self.summary, table, _told(given, self.summary), self._said(table))

    def _said(self, table: pl.DataFrame) -> Floats:
        """`(folds, n, k)` what each of the second models says of the targets, on the scale of the link."""
        if not self._models:
            return np.zeros((1, table.height, len(self.summary.joins)))
        each = len(self._models) // _FOLDS
        models = [self._models[start : start + each] for start in range(0, len(self._models), each)]
        return np.stack([_asked(own, table, self.summary) for own in models])

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
        (folder / "figures.json").write_bytes(msgspec.json.encode(summary))

    @classmethod
    def load(cls, folder: Path) -> PerformanceEstimator | None:
        """What `save` wrote; None when there is none. Raises RegistryError when a model cannot be read."""
        from windlass.registry.models import load

        path = folder / "figures.json"
        if not path.is_file():
            return None
        summary = msgspec.json.decode(path.read_bytes(), type=Summary)
        return cls(summary, [load(folder, file) for file in summary.files])


class _Outlook:
    """What is expected of a window's rows, and what may be instead."""

    def __init__(self, summary: Summary, table: pl.DataFrame, told: Floats, said: Floats) -> None:
        self._summary, self.table, self._told, self._said = summary, table, told, said
        self._middle = said.mean(axis=0)
        found = [each.at(told[:, place], self._middle[:, place], table) for place, each in enumerate(summary.joins)]
        self.expected = _whole(np.column_stack(found), summary.kind)

    def drawn(self) -> Iterator[Floats]:
        """Expectations that may be instead: the weights' posterior, and the jackknife of the second models, each of
        which left out one fold (Efron and Stein 1981, Ann. Statist. 9)."""
        random, folds = np.random.default_rng(1), len(self._said)
        draws = []
        for place, each in enumerate(self._summary.joins):
            noise = random.normal(size=(DRAWS, len(each.weights)))
            lean = random.normal(size=(DRAWS, folds)) * np.sqrt((folds - 1) / folds)
            moved = lean @ (self._said[:, :, place] - self._middle[:, place])
            draws.append(each.drawn(self._told[:, place], self._middle[:, place], moved, self.table, noise))
        for columns in zip(*draws, strict=True):
            yield _whole(np.column_stack(columns), self._summary.kind)


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
    answers = np.asarray(numbers_of(predictions), dtype=np.float64)
    truth = numbers_of(truth)
    table = as_frame(features)
    if not len(truth) == len(answers) == table.height:
        sizes = f"{table.height} rows, {len(answers)} predictions and {len(truth)} labels"
        raise DataError(f"{sizes} do not belong together", remedy="give one prediction and one label for each row")
    names = tuple(metrics) or METRICS[kind]
    _check_metrics(names, kind)
    thin = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), _MOST_ROWS)).astype(np.int64))
    table, answers, truth = table[thin], answers[thin], truth[thin]
    _check_rows(truth, answers, kind)
    columns = {str(name): str(found) for name, dtype in table.schema.items() if (found := kind_of(dtype)) is not None}
    table = _table(table, _wide(answers, kind), columns)
    summary = Summary(
        kind=kind,
        classes=1 if kind == "regression" else 2 if answers.ndim == 1 else answers.shape[1],
        columns=columns,
        joins=(),
        spread={},
        afar={},
        reference=_unsketched(profile(table, list(columns))),
        cost=cost,
        rows=len(truth),
    )
    given = Labelled(table, answers, truth, _targets(truth, answers, summary))
    chosen = _learned(given, summary, ())
    terms = terms_of(given.table, given.targets - chosen.held, summary.columns)
    if terms and _learnable(given, kind):
        chosen = _learned(given, summary, terms)
    summary = chosen.summary
    spread = {name: spread_of(name, chosen.expected, given, summary) for name in names}
    spread = {name: value for name, value in spread.items() if value >= 0}
    afar = {name: afar_of(name, chosen.expected, given, summary) for name in spread}
    summary = msgspec.structs.replace(summary, spread=spread, afar=afar)
    return PerformanceEstimator(summary, chosen.models)


def _unsketched(found: Profile) -> Profile:
    """Without what is for showing alone."""
    return msgspec.structs.replace(
        found,
        columns=tuple(msgspec.structs.replace(each, sketches=Sketches()) for each in found.columns),
        presences=tuple(msgspec.structs.replace(each, sketches=Sketches()) for each in found.presences),
    )


# -- learning ------------------------------------------------------------------------------------------------------


class _Learned(NamedTuple):
    summary: Summary
    held: Floats
    """`(n, k)` what each join expects of rows that it has not learned from."""
    expected: Floats
    """The same, whole."""
    models: list[Any]


def _learnable(given: Labelled, kind: TaskKind) -> bool:
    """Whether there are errors to learn from in all but any one fold."""
    fold = _folds(given.truth, kind)
    return all(bool(given.targets[fold != out].any(axis=0).all()) for out in range(_FOLDS))


def _learned(given: Labelled, summary: Summary, terms: tuple[Term, ...]) -> _Learned:
    """By the answers, the features' terms and second models; without terms, by the answers alone."""
    fold, told = _folds(given.truth, summary.kind), _told(given.answers, summary)
    said, models = np.zeros_like(told), list[Any]()
    for out in range(_FOLDS if terms else 0):
        own = _fitted(given, np.flatnonzero(fold != out), summary)
        said[fold == out] = _asked(own, given.table.filter(fold == out), summary)
        models += own

    def joined(rows: NDArray[np.bool_]) -> tuple[Join, ...]:
        link: Link = "log" if summary.kind == "regression" else "logit"
        table, places = given.table.filter(rows), range(told.shape[1])
        return tuple(
            join(given.targets[rows, at], told[rows, at], said[rows, at], table, terms, link=link) for at in places
        )

    held = np.empty_like(told)
    for out in range(_FOLDS):
        rows = fold == out
        table = given.table.filter(rows)
        for at, each in enumerate(joined(~rows)):
            held[rows, at] = each.at(told[rows, at], said[rows, at], table)
    expected = _whole(held, summary.kind)
    residual = 0.0
    if summary.kind == "regression":
        residual = float((given.targets[:, 1] / np.maximum(expected[:, 1], _NOTHING) - 1).std())
    joins = joined(np.full(len(told), fill_value=True))
    return _Learned(msgspec.structs.replace(summary, joins=joins, residual=residual), held, expected, models)


def _whole(found: Floats, kind: TaskKind) -> Floats:
    """Joins' expectations as a row's: its chances sum to one."""
    if kind == "regression":
        return found
    found = np.clip(found, _CLOSEST, 1 - _CLOSEST)
    return np.column_stack([1 - found[:, 0], found[:, 0]]) if kind == "binary" else found / found.sum(axis=1)[:, None]


def _told(answers: Array, summary: Summary) -> Floats:
    """`(n, k)` the answer on the scale of each join's link."""
    if summary.kind == "regression":
        return np.column_stack([answers, answers])
    wide = _wide(answers, summary.kind)
    return _logit(wide[:, 1:] if summary.kind == "binary" else wide)


def _logit(chances: Floats) -> Floats:
    kept = np.clip(chances, _CLOSEST, 1 - _CLOSEST)
    return np.asarray(np.log(kept / (1 - kept)))


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


def _targets(truth: Array, answers: Array, summary: Summary) -> Floats:
    if summary.kind == "regression":
        return np.column_stack([absolute(truth, answers), squared(truth, answers)])
    codes = np.arange(summary.classes)[1 if summary.kind == "binary" else 0 :]
    return np.asarray(truth.astype(np.int64)[:, None] == codes, dtype=np.float64)


def _fitted(given: Labelled, inside: NDArray[np.intp], summary: Summary) -> list[Any]:
    """Second models of the rows `inside`: of the classes, or of each error in multiples of its mean."""
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
    table = given.table[inside]

    def fit(estimator: Any, target: Array) -> Any:
        with threadpool_limits(1, user_api="openmp"):  # threads of a small fit wait for each other, most of all if busy
            return fit_estimator(estimator, Examples(features=table, target=target, rows=table), kind=summary.kind)

    if summary.kind != "regression":
        return [fit(HistGradientBoostingClassifier(**settings), given.truth[inside].astype(np.int64))]
    sizes = (given.targets / given.targets.mean(axis=0))[inside]
    return [fit(HistGradientBoostingRegressor(loss="poisson", **settings), each) for each in sizes.T]


def _asked(models: Sequence[Any], table: pl.DataFrame, summary: Summary) -> Floats:
    """`(n, k)` what second models say of the targets, on the scale of the link."""
    from threadpoolctl import threadpool_limits

    from windlass.product.model.predict import predict

    with threadpool_limits(1, user_api="openmp"):
        found = [predict(model, table, summary.kind, classes=summary.classes) for model in models]
    if summary.kind == "regression":
        return np.asarray(np.log(np.maximum(np.column_stack(found), _CLOSEST)))
    return _logit(found[0].reshape(table.height, -1))


def _ends(name: str, value: float, deviation: float, kind: TaskKind) -> tuple[float, float]:
    """Ends of the interval: of a mean error, of the lognormal of this mean and deviation, since errors cannot be less
    than nothing, and a few are large."""
    if kind == "regression":
        wide = float(np.exp(_REACH * np.sqrt(np.log1p((deviation / max(value, _NOTHING)) ** 2))))
        return value / wide, value * wide
    least = -1.0 if name == "mcc" else 0.0 if name != "cost" else -np.inf
    most = np.inf if name in ("log_loss", "cost") else 1.0
    return max(least, value - _REACH * deviation), min(most, value + _REACH * deviation)


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
