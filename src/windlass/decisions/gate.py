"""May this candidate be released?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.curve import Curve, forecast, speaks_for
from windlass.decisions.figures import decision, show
from windlass.decisions.precedent import CHANCE_GAIN, Precedent, together
from windlass.decisions.statistics import paired
from windlass.decisions.statistics.agreement import row_gaps, scale_of
from windlass.decisions.statistics.divergence import holm, ks_distance
from windlass.decisions.statistics.metrics import Metric, main_metric
from windlass.product.policy import Gate
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.product.task import TaskKind

    Array = NDArray[Any]

ALPHA = 0.05
"""Chance that a candidate as good as the champion is called clearly worse: once overall, once over all slices."""
MATERIAL = 0.02
"""What counts as a gain: this share of what the champion falls short of a perfect score."""
SEEN = 0.5
"""Part of a gain that is seen where it must be: the judged candidate has learned from half of what is new."""
MINIMUM_ROWS = 30
MINIMUM_SLICE = 100
MINIMUM_CLASS = 10
"""Of each class in a slice, where the metric ranks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GateEvidence:
    """Predictions of n rows that the candidate has not learned from, in the order of their time."""

    kind: TaskKind
    truth: Array
    """`(n,)` codes or values; only rows whose label is final."""
    candidate: Array
    """Predictions of the candidate: `(n,)`, or `(n, k)` for multiclass."""
    constant: Array | None = None
    """What a model that knows the training labels alone says of them (`baseline.constant_answer`); None: not asked."""
    champion: Array | None = None
    """Predictions of the champion for the rows that it has not learned from either; None when there is no champion."""
    unseen: Array | None = None
    """`(n,)` bool: which rows these are; None: all of them."""
    slices: Mapping[str, Array] = field(default_factory=dict)
    """Column -> `(n,)` group of each row, as strings."""
    latency_ms: float | None = None
    """99th percentile of the time that the prediction of a single row takes; None: not measured."""
    must_gain: bool = False
    """Nothing is known to be wrong with the champion, so only a clearly better candidate is worth a release."""
    sparing: bool = False
    """Few versions may still be made, so one is only worth it for a candidate that seems to be better."""
    precedent: Precedent | None = None
    """What the last release brought, which speaks for the candidate where it must gain; None: nothing tells."""
    curve: Curve | None = None
    """What more rows have brought, which speaks for a candidate that must gain, too; None: nothing tells."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Hearing:
    """What is judged, and what has been found so far."""

    evidence: GateEvidence
    policy: Gate
    metric: Metric
    against: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)


def decide_gate(evidence: GateEvidence, policy: Gate | None, now: datetime) -> Decision:
    """`pass` or `reject`.

    A candidate is rejected when it misses the floor or the ceiling, when its metric is undefined, is slower than
    allowed, is clearly worse than the champion on the same rows (one-sided, 5 %), is not clearly better where it must
    be (one-sided, 10 %, and by 1 % of what the champion falls short of a perfect score; by itself, or taken together
    with what the last release brought; or else a release must be expected to gain by what more rows have brought so
    far), seems to gain nothing where few versions may still be made, or is clearly worse in one of the slices (5 % over
    all of them, Holm). Bounds are judged on all rows, the champion on those that it has not learned from. With no
    policy only the champion is asked. Without a champion only the bounds are. Raises ProductError for a metric that
    does not exist.
    """
    policy = policy or Gate()
    metric = main_metric(policy, evidence.kind)
    hearing = _Hearing(evidence=evidence, policy=policy, metric=metric)
    hearing.numbers.update({"metric": metric.name, "rows": len(evidence.truth)})
    _judge_floor(hearing)
    _judge_latency(hearing)
    if evidence.champion is None:
        hearing.remarks.append("There is no champion to compare it with.")
    else:
        fair = replace(hearing, evidence=_unseen(evidence))
        _judge_champion(fair, evidence.champion)
        _judge_slices(fair, evidence.champion)
    verdict = "reject" if hearing.against else "pass"
    return decision("gate", verdict, [*hearing.against, *hearing.remarks], hearing.numbers, now)


def _judge_floor(hearing: _Hearing) -> None:
    evidence, policy, name = hearing.evidence, hearing.policy, hearing.metric.name
    rows = len(evidence.truth)
    score = hearing.metric.score(evidence.truth, evidence.candidate)
    constant = evidence.constant
    baseline = float("nan") if constant is None else hearing.metric.score(evidence.truth, constant)
    hearing.numbers.update(
        {
            "candidate": score,
            "baseline": baseline,
            "at_least": policy.at_least,
            "at_most": policy.at_most,
        }
    )
    has_floor = policy.at_least is not None or policy.at_most is not None
    if np.isnan(score):
        hearing.against.append(f"Its {name} is undefined on these {rows} rows, so nothing speaks for it.")
    if policy.at_least is not None and score < policy.at_least:
        hearing.against.append(f"Its {name} of {show(score)} is below the floor of {show(policy.at_least)}.")
    if policy.at_most is not None and score > policy.at_most:
        hearing.against.append(f"Its {name} of {show(score)} is above the ceiling of {show(policy.at_most)}.")
    if not hearing.against:
        hearing.remarks.append(f"Its {name} is {show(score)} on {rows} rows{', within bounds' if has_floor else ''}.")
    if hearing.metric.gain(score, baseline) <= 0:
        hearing.remarks.append(f"It is no better than always giving the same answer ({show(baseline)}).")


def _judge_latency(hearing: _Hearing) -> None:
    taken, limit = hearing.evidence.latency_ms, hearing.policy.latency_ms
    hearing.numbers["latency_ms"] = taken
    if limit is None:
        return
    hearing.numbers["latency_limit_ms"] = limit
    if taken is None or np.isnan(taken):
        hearing.against.append("Its latency was not measured, and the gate sets a limit.")
    elif taken > limit:
        hearing.against.append(
            f"One row takes {show(taken)} ms (99th percentile), more than the {show(limit)} ms that are allowed."
        )


def _judge_champion(hearing: _Hearing, champion: Array) -> None:
    evidence, name = hearing.evidence, hearing.metric.name
    rows = len(evidence.truth)
    if rows < MINIMUM_ROWS:
        some = "1 row" if rows == 1 else f"{rows} rows"
        hearing.against.append(f"Only {some} can be compared with the champion; {MINIMUM_ROWS} are needed.")
        return
    found = paired.compare(hearing.metric, evidence.truth, evidence.candidate, champion)
    p_value = found.p_worse(hearing.policy.tolerance)
    hearing.numbers.update(
        {
            "rows_compared": rows,
            "champion": found.champion,
            "gain": found.gain,
            "gain_low": found.lower,
            "gain_high": found.upper,
            "p_worse": p_value,
            "tolerance": hearing.policy.tolerance,
            **apart(evidence.candidate, champion, evidence.kind),
        }
    )
    said = f"{show(abs(found.gain))} {name} (95 % interval of the gain {show(found.lower)} to {show(found.upper)})"
    by = "it is worse by" if found.gain < 0 else "it is better by"
    if np.isnan(p_value):
        hearing.against.append(
            f"It cannot be compared with the champion: no {name}, or no error of it, on {rows} rows."
        )
    elif p_value < ALPHA:
        hearing.against.append(f"It is clearly worse than the champion on the same {rows} rows, by {said}.")
    elif evidence.must_gain and (short := _falls_short(hearing, found)):
        hearing.against.append(f"It is not worth a release, since {short}: {by} {said} on {rows} rows.")
    elif evidence.sparing and not found.gain > 0:
        few = "few versions may still be made"
        by = by if found.gain else "it differs by"
        hearing.against.append(f"It seems to gain nothing, and {few}: {by} {said} on {rows} rows.")
    elif found.gain < 0:
        hearing.remarks.append(f"It is worse than the champion by {said}, which noise or the tolerance explains.")
    else:
        hearing.remarks.append(f"It is better than the champion on the same {rows} rows, by {said}.")


def _falls_short(hearing: _Hearing, found: paired.Comparison) -> str:
    """Why the candidate is not clearly and materially better; empty if it is, by itself or with what the last release
    brought, or if a release of it is expected to be."""
    chance = found.p_better()
    hearing.numbers["p_better"] = chance
    short = _short_by(hearing.metric, found, chance, gain=found.gain)
    short = _short_with_last(hearing, found, short, chance)
    return _short_of_forecast(hearing, found, short)


def _short_with_last(hearing: _Hearing, found: paired.Comparison, short: str, chance: float) -> str:
    """What is still missing once it is known what the last release brought."""
    metric, last = hearing.metric, hearing.evidence.precedent
    if last is None:
        return short
    hearing.numbers.update({"last_gain": last.gain, "last_p_better": last.p_better})
    if not short or found.gain <= 0:  # nothing of the past saves what did no better on these rows
        return short
    room = metric.room(found.champion)
    mean = found.gain if room is None else (found.gain + last.gain * room) / 2
    both = together([chance, last.p_better])
    hearing.numbers["together_p_better"] = both
    short = _short_by(metric, found, both, gain=mean)
    if not short:
        hearing.remarks.append(f"The last release gained {last.gain:.1%} on its probation, which speaks for this one.")
    return short


def _short_of_forecast(hearing: _Hearing, found: paired.Comparison, short: str) -> str:
    """What is still missing once it is known what more rows have brought so far."""
    curve = hearing.evidence.curve
    expected = None if curve is None else forecast(curve, found)
    if expected is None:
        return short
    hearing.numbers.update({"expected_gain": expected.gain, "expected_p_better": expected.p_better})
    clear = speaks_for(expected, room=hearing.metric.room(found.champion))
    if not short or found.gain <= 0 or not clear:
        return short
    gain = f"{show(expected.gain)} {hearing.metric.name}"
    hearing.remarks.append(f"By what more rows have brought so far, a release is expected to gain {gain}.")
    return ""


def _short_by(metric: Metric, found: paired.Comparison, chance: float, *, gain: float) -> str:
    """What is missing where noise explains a gain with this chance, and it is so large."""
    if not chance < CHANCE_GAIN:
        return "noise may explain what it gains" if gain > 0 else "it gains nothing"
    if not material(metric, replace(found, gain=gain), seen=SEEN):
        return f"it gains less than {SEEN * MATERIAL:.0%} of what the champion falls short"
    return ""


def material(metric: Metric, found: paired.Comparison, *, seen: float = 1.0) -> bool:
    """Whether it gains 2 % or more of what the other one falls short of a perfect score, where there is one.

    `seen` is the part of the gain that the comparison can show.
    """
    room = metric.room(found.champion)
    return room is None or found.gain >= seen * MATERIAL * room


def _judge_slices(hearing: _Hearing, champion: Array) -> None:
    evidence, metric = hearing.evidence, hearing.metric
    names: list[str] = []
    found: list[paired.Comparison] = []
    for column, group, rows in _groups(evidence):
        names.append(f"{column}={group}")
        found.append(paired.compare(metric, evidence.truth[rows], evidence.candidate[rows], champion[rows]))
    worse = holm(np.array([comparison.p_worse(hearing.policy.tolerance) for comparison in found]), ALPHA)
    listed = [(name, comparison) for name, comparison, bad in zip(names, found, worse, strict=True) if bad]
    hearing.numbers.update({"slices_judged": len(found), "slices_worse": ", ".join(name for name, _ in listed)})
    hearing.against.extend(
        f"For {name} it is clearly worse than the champion: {metric.name} {show(comparison.candidate)} "
        f"against {show(comparison.champion)} on {comparison.rows} rows."
        for name, comparison in listed
    )


def _groups(evidence: GateEvidence) -> list[tuple[str, str, Array]]:
    """Column, group and row numbers of every group that is large enough to be judged."""
    chosen = []
    for column, values in evidence.slices.items():
        labels, codes = np.unique(np.asarray(values, dtype=str), return_inverse=True)
        for code in np.flatnonzero(np.bincount(codes, minlength=len(labels)) >= MINIMUM_SLICE):
            rows = np.flatnonzero(codes == code)
            if evidence.kind == "regression" or _both_classes(evidence.truth[rows]):
                chosen.append((column, str(labels[code]), rows))
    return chosen


def _both_classes(truth: Array) -> bool:
    counts = np.unique(truth, return_counts=True)[1]
    return len(counts) > 1 and int(counts.min()) >= MINIMUM_CLASS


def _unseen(evidence: GateEvidence) -> GateEvidence:
    """Of the evidence the rows that neither model has learned from."""
    rows = evidence.unseen
    if rows is None:
        return evidence
    return replace(
        evidence,
        truth=evidence.truth[rows],
        candidate=evidence.candidate[rows],
        unseen=None,
        slices={column: np.asarray(values)[rows] for column, values in evidence.slices.items()},
    )


def apart(answers: Array, champion: Array, kind: TaskKind) -> dict[str, float]:
    """How far apart two are: as distributions, on the same row on average, and what numbers are measured by."""
    scale = scale_of(champion) if kind == "regression" else 1.0
    return {
        "score_shift": score_shift(answers, champion),
        "score_gap": float(row_gaps(answers, champion, scale=scale).mean()),
        "score_scale": scale,
    }


def score_shift(first: Array, second: Array) -> float:
    """How differently two models score the same rows as a whole: the distance of their score distributions, 0..1."""
    return ks_distance(one_score(first), one_score(second))


def one_score(predictions: Array) -> Array:
    """`(n,)`: the prediction, or the probability of the likeliest class."""
    return predictions if predictions.ndim == 1 else predictions.max(axis=1)
