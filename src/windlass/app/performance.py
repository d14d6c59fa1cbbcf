"""How good a version has been, window by window: what the labels say so far, and what is estimated without them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from windlass.app.queries import the_product
from windlass.app.version import the_version
from windlass.app.workspace import Workspace
from windlass.controller.captured import watched_features
from windlass.controller.context import policies_of
from windlass.decisions.statistics.metrics import Metric, metric_for
from windlass.decisions.statistics.realised import MEANS, History, LabelTimes, Realised, learn_history, realised_score
from windlass.errors import UsageError
from windlass.lake.layout import SEQUENCE
from windlass.monitoring.estimating import FOLDER, LEAST_OF_CLASS, LEAST_ROWS, METRICS, Estimate, PerformanceEstimator
from windlass.monitoring.reference import load
from windlass.product.labels import LabelCodec
from windlass.records.alert import AlarmCause
from windlass.records.bundle import Manifest
from windlass.records.event import AlarmRaised
from windlass.records.routing import ANSWERED
from windlass.records.state import ProductState
from windlass.release.losses import predictions_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_LIGHT = [SEQUENCE, "prediction_id", "at", "version", "score", "probabilities"]
_BEFORE = 3
"""How far back labels tell how late they come: so many times as long as one may take."""
_FAR = 4
"""An estimate is said to be far from what it was learned from where that counts for so many times fewer rows."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with an interval; None: not known."""

    value: float | None
    lower: float | None
    upper: float | None


class WindowFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a window, twice."""

    metric: str
    realised: Span
    """By the labels that are known now, in the shares that all labels will have."""
    estimated: Span
    """Without any label."""


class WindowPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """One window of answers."""

    first: datetime
    last: datetime
    rows: int
    labelled: int
    figures: tuple[WindowFigure, ...]
    """The metric of the gate first."""
    rests_on: int | None
    """Labelled rows that tell of what is estimated, fewer than were learned from where the inputs are far from theirs;
    None: nothing is."""


class Decayed(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm of decay, and why quality fell."""

    at: datetime
    reason: str
    causes: tuple[AlarmCause, ...]


UNESTIMATED = (
    f"Nothing is estimated: the version has no holdout of {LEAST_ROWS} rows or more, {LEAST_OF_CLASS} of every class, "
    "to learn that from, or was made by a Windlass that kept it in another form; the next version has it."
)


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """What `windlass performance` tells."""

    product: str
    version: str
    metric: str
    """The one that the gate judges by, or that stands for one of the product's own."""
    larger_is_better: bool
    holdout: float | None
    """What the version scored on its holdout."""
    windows: tuple[WindowPerformance, ...]
    decays: tuple[Decayed, ...]
    """Alarms of decay of this version, open ones and others."""
    estimated: bool
    """Whether there is an estimator: not for an imported model, nor one of a run before there were any."""
    learned_from: int
    """Labelled rows that it was learned from."""

    @property
    def far(self) -> str:
        """What is to be said where the inputs of the last window lie far from these rows; else nothing."""
        rests_on = self.windows[-1].rests_on if self.windows else None
        if rests_on is None or rests_on * _FAR > self.learned_from:
            return ""
        return (
            f"The inputs of the last window are far from the {self.learned_from:,} labelled rows that its estimate was "
            f"learned from: these count as {rests_on:,} here, and the interval is as wide as that makes it."
        )


def performance(
    workspace: Workspace, product: str | None, *, version: str | None, metric: str | None = None, limit: int
) -> Performance:
    """The last `limit` windows of `watch_rows` answers of a version (the champion), the last one as far as it has come.

    `metric` is told first, by default the gate's. Raises UsageError when there is no such version, nobody answers yet,
    or no interval can be given for the metric.
    """
    state = the_product(workspace, product)
    chosen = the_version(state, version)
    manifest = workspace.registry.verify(state.name, chosen.digest)
    codec = LabelCodec.from_manifest(manifest.task["task"], manifest.classes, column=str(manifest.task["target"]))
    folder = workspace.paths.bundle(state.name, chosen.digest)
    estimator, reference = PerformanceEstimator.load(folder / FOLDER), load(folder)
    metrics = _metrics(manifest, codec, asked=metric)
    answers = _answers(workspace, state, chosen.version, windows=limit)
    found = []
    if answers.height:
        now = workspace.clock.now()
        labelled, history = _labels(workspace, state, answers, codec, now=now)
        for rows in _windows(labelled, workspace.settings.watch_rows):
            estimates = {}
            if estimator is not None and reference is not None:
                captured = _with_features(workspace, state.name, chosen.version, rows)
                features = watched_features(captured, reference)
                answered = predictions_of(captured["score"], captured["probabilities"], codec)
                estimates = {each.metric: each for each in estimator.estimate(features, answered)}
            found.append(_window(rows, metrics, estimates, history, codec=codec, now=now, within=_within(state)))
    main = metrics[0]
    return Performance(
        product=state.name,
        version=chosen.version,
        metric=main.name,
        larger_is_better=main.larger_is_better,
        holdout=chosen.metrics.get(main.name),
        windows=tuple(found),
        decays=_decays(workspace, state.name, chosen.version),
        estimated=estimator is not None,
        learned_from=0 if estimator is None else estimator.summary.rows,
    )


def _decays(workspace: Workspace, product: str, version: str) -> tuple[Decayed, ...]:
    raised = [
        (event.at, event.body)
        for event in workspace.ledger.events(kinds=(AlarmRaised,), product=product)
        if isinstance(event.body, AlarmRaised) and event.body.signal == "decay" and event.body.version == version
    ]
    return tuple(Decayed(at=at, reason=body.decision.reasons[0], causes=body.causes) for at, body in raised)


def _metrics(manifest: Manifest, codec: LabelCodec, *, asked: str | None) -> list[Metric]:
    """What is asked for, or the gate's, as far as an interval can be given; then the usual ones."""
    usual = [name for name in METRICS[codec.kind] if name in MEANS or codec.kind == "binary"]
    known = [*usual, "mse"] if codec.kind == "regression" else usual
    if asked is not None and asked not in known:
        raise UsageError(f"{asked} is not told window by window", where="--metric", remedy=f"one of {', '.join(known)}")
    named = asked or (manifest.policies.get("gate") or {}).get("metric", "default")
    names = [named, *usual] if named in known else usual
    return [metric_for(name, codec.kind) for name in dict.fromkeys(names)]


def _within(state: ProductState) -> timedelta:
    return policies_of(state).outcome.within


def _answers(workspace: Workspace, state: ProductState, version: str, *, windows: int) -> pl.DataFrame:
    """The answers of the last windows. Windows are counted from the first answer that is watched, so that they are the
    ones that drift is judged on."""
    fixed = state.references.get(version)
    every = workspace.lake.predictions(
        state.name,
        versions=[version],
        stages=ANSWERED,
        columns=[SEQUENCE, "error"],
        after_sequence=-1 if fixed is None else fixed.through,
    )
    sequences = every.filter(pl.col("error").is_null())[SEQUENCE]
    size = workspace.settings.watch_rows
    skipped = max(0, -(-len(sequences) // size) - windows) * size
    if skipped >= len(sequences):
        return pl.DataFrame()
    return workspace.lake.predictions(
        state.name,
        versions=[version],
        stages=ANSWERED,
        columns=[SEQUENCE, "at", "error"],
        after_sequence=int(sequences[skipped]) - 1,
    ).filter(pl.col("error").is_null())


def _labels(
    workspace: Workspace, state: ProductState, answers: pl.DataFrame, codec: LabelCodec, *, now: datetime
) -> tuple[pl.DataFrame, History]:
    """The answers with what is known of their labels, and what all labels of the time before tell of delays."""
    outcome = policies_of(state).outcome
    earliest: datetime = answers["at"].min()  # type: ignore[assignment]  # there are rows
    every = workspace.lake.labelled(
        state.name, outcome=outcome, as_of=now, since=earliest - _BEFORE * outcome.within, columns=_LIGHT
    )
    truth = codec.encode_texts(every["value"]).cast(pl.Float64)
    came = pl.when(pl.col("value").is_not_null()).then(pl.max_horizontal("at", "known_at"))
    every = every.with_columns(_truth=truth, _came=came.dt.epoch("us") / 1e6, _at=pl.col("at").dt.epoch("us") / 1e6)
    history = learn_history(
        _times(every), now=now.timestamp(), within=outcome.within.total_seconds(), classes=codec.kind != "regression"
    )
    return every.join(answers.select(SEQUENCE), on=SEQUENCE, how="semi").sort(SEQUENCE), history


def _times(rows: pl.DataFrame) -> LabelTimes:
    return LabelTimes(
        at=rows["_at"].to_numpy(),
        known_at=rows["_came"].fill_null(np.nan).to_numpy(),
        truth=rows["_truth"].fill_null(np.nan).to_numpy(),
    )


def _windows(rows: pl.DataFrame, size: int) -> list[pl.DataFrame]:
    return list(rows.iter_slices(size))


def _with_features(workspace: Workspace, product: str, version: str, rows: pl.DataFrame) -> pl.DataFrame:
    captured = workspace.lake.predictions(
        product,
        versions=[version],
        stages=ANSWERED,
        columns=[*_LIGHT, "request", "features"],
        after_sequence=int(rows[SEQUENCE][0]) - 1,
        upto_sequence=int(rows[SEQUENCE][-1]),
    )
    return captured.join(rows.select(SEQUENCE), on=SEQUENCE, how="semi").sort(SEQUENCE)


def _window(
    rows: pl.DataFrame,
    metrics: list[Metric],
    estimates: dict[str, Estimate],
    history: History,
    *,
    codec: LabelCodec,
    now: datetime,
    within: timedelta,
) -> WindowPerformance:
    times, answers = _times(rows), predictions_of(rows["score"], rows["probabilities"], codec)
    figures = [
        WindowFigure(
            metric=metric.name,
            realised=_span(
                realised_score(metric, times, answers, history, now=now.timestamp(), within=within.total_seconds())
            ),
            estimated=_span(estimates.get(metric.name)),
        )
        for metric in metrics
    ]
    return WindowPerformance(
        first=rows["at"][0],
        last=rows["at"][-1],
        rows=rows.height,
        labelled=int(times.known.sum()),
        figures=tuple(figures),
        rests_on=next((each.rests_on for each in estimates.values()), None),
    )


def _span(figure: Realised | Estimate | None) -> Span:
    if figure is None:
        return Span(value=None, lower=None, upper=None)
    value, lower, upper = (
        float(each) if np.isfinite(each) else None for each in (figure.value, figure.lower, figure.upper)
    )
    return Span(value=value, lower=lower, upper=upper)
