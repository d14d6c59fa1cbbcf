"""The driver of the loop under a simulated clock: replays history and compares policies on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from windlass.backtest.loop import Loop
from windlass.backtest.policies import NAMES, Frozen, Periodic, Policy, recent_rows
from windlass.backtest.result import BacktestResult, PolicyResult, Timing, WindowSpan
from windlass.backtest.scoring import Scorer, mean_of
from windlass.backtest.stream import NEVER, Array, Stream, Window, windows_of
from windlass.backtest.trainer import LEAST, Trainer
from windlass.errors import DataError
from windlass.product.duration import format_duration

FIRST_MODEL = "first model"
Progress = Callable[[str, int, int], None]
"""Told the policy, how many of its windows are done, and how many there are; before all, `FIRST_MODEL`, of 1."""
Answered = Callable[[str, Window, Array], None]
"""Told what a policy predicted for the rows of a window."""


def run_backtest(
    stream: Stream,
    *,
    windows: int = 20,
    seed: int = 0,
    progress: Progress | None = None,
    answered: Answered | None = None,
) -> BacktestResult:
    """Replay the stream under each policy.

    Every policy starts from the same first model, trained on the labels of the history that were known when the first
    window began. Raises DataError when there are too few of them, and what training raises.
    """
    spans = windows_of(len(stream), windows)
    scorer = Scorer(stream=stream)
    tell = progress or _nobody
    first = Trainer(stream=stream, seed=seed)
    tell(FIRST_MODEL, 0, 1)
    model = _first_model(stream, first, spans[0])
    tell(FIRST_MODEL, 1, 1)
    results: dict[str, PolicyResult] = {}
    timings: dict[str, Timing] = {}
    events: tuple[Any, ...] = ()
    warned = first.warnings
    for name in NAMES:
        trainer = Trainer(stream=stream, seed=seed)
        tell(name, 0, len(spans))
        with trainer.watch.measure("total"):
            policy = _policy(name, stream, trainer, model, spans)
            results[name] = _replay(name, policy, spans, scorer=scorer, tell=tell, answered=answered)
        events += tuple(policy.events)
        warned += trainer.warnings
        seconds = trainer.watch.seconds
        timings[name] = Timing(
            fit=first.watch.seconds["fit"] + seconds["fit"], predict=seconds["predict"], overhead=trainer.watch.overhead
        )
        results[name] = _timed(results[name], trainer)
    return BacktestResult(
        rows=len(stream),
        task=stream.product.task.kind,
        metric=scorer.metric.name,
        larger_is_better=scorer.metric.larger_is_better,
        windows=tuple(_span(stream, window) for window in spans),
        policies=results,
        events=events,
        timings=timings,
        notes=(*stream.notes, *(f"warned {_times(count)}: {text}" for text, count in sorted(warned.items()))),
    )


def _first_model(stream: Stream, trainer: Trainer, window: Window) -> Any:
    known = stream.known(int(stream.at[window.start]), start=0, stop=window.start)
    if not trainer.can_fit(known):
        found = "labels" if len(known) < LEAST else "labels of one class alone"
        raise DataError(
            f"nothing can be trained at the start: of the first {window.start} rows, the history, {len(known)} {found} "
            "are known at its end",
            where=f"target {stream.product.task.target!r}",
            remedy=f"{_delay(stream, window)}take more history",
        )
    return trainer.fit(known)


def _delay(stream: Stream, window: Window) -> str:
    """How long the labels of the history take, where that is what keeps them away."""
    waits = (stream.known_at - stream.at)[: window.start][stream.known_at[: window.start] != NEVER]
    if not waits.any() or not stream.order.dtype.is_temporal():
        return ""
    least = format_duration(timedelta(microseconds=int(waits.min())))
    return (
        f"a label counts as known {least} after its row or later: if that is too long, say --label-delay, or "
        "Outcome(within=...) in a product; or "
    )


def _policy(name: str, stream: Stream, trainer: Trainer, first: Any, spans: list[Window]) -> Policy:
    if name == "frozen":
        return Frozen(trainer=trainer, first=first)
    if name == "windlass":
        return Loop(stream=stream, trainer=trainer, first=first, trained_to=spans[0].start)
    stretch = recent_rows(len(stream)) if name == "recent" else None
    return Periodic(stream=stream, trainer=trainer, first=first, stretch=stretch)


def _replay(
    name: str,
    policy: Policy,
    spans: list[Window],
    *,
    scorer: Scorer,
    tell: Progress,
    answered: Answered | None,
) -> PolicyResult:
    scores: list[float | None] = []
    losses: list[float | None] = []
    for index, window in enumerate(spans):
        predictions = policy.run(index, window)
        scores.append(scorer.score(scorer.metric, window, predictions))
        if scorer.log_loss is not None:
            losses.append(scorer.score(scorer.log_loss, window, predictions))
        if answered is not None:
            answered(name, window, predictions)
        tell(name, index + 1, len(spans))
    return PolicyResult(
        metric=mean_of(scores),
        per_window=tuple(scores),
        retrains=policy.retrains,
        fits=policy.trainer.fits,
        fit_seconds=0.0,
        overhead_seconds=0.0,
        **({} if scorer.log_loss is None else {"log_loss": mean_of(losses)}),
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _nobody(name: str, done: int, total: int) -> None:
    """Who is told of progress where nobody asked."""


def _timed(result: PolicyResult, trainer: Trainer) -> PolicyResult:
    return msgspec.structs.replace(
        result,
        fit_seconds=round(trainer.watch.seconds["fit"], 4),
        overhead_seconds=round(trainer.watch.overhead, 4),
    )


def _span(stream: Stream, window: Window) -> WindowSpan:
    return WindowSpan(
        start=stream.time_at(window.start),
        end=stream.time_at(window.stop - 1),
        rows=window.rows,
    )
