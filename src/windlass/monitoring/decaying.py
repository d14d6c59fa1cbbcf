"""Has a model become worse? One question to ask with the losses of its predictions, as their outcomes become known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from windlass.decisions.decay import DecayEvidence, decide_decay
from windlass.decisions.loss_reference import MINIMUM_ROWS, summarise_losses
from windlass.decisions.statistics import losses as rowwise
from windlass.errors import DataError, UsageError
from windlass.monitoring.answers import check_answers, check_kind, check_labels, numbers_of
from windlass.product.task import TaskKind

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


class DecayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the losses say."""

    alert: bool
    judged: bool
    """Whether enough outcomes are known to judge at all."""
    reasons: tuple[str, ...]
    outcomes: int
    """How many losses were known."""
    holdout: float
    """Mean loss there."""
    recent: float | None
    """Mean loss since it most likely began to be higher; None: not judged."""
    since: int | None
    """The loss with which it most likely began: its place in what was given. Means something with an alert only."""
    evidence: float | None
    """While an alert stands, the highest since it was raised; None: not judged."""
    evidence_needed: float | None
    block: int
    """Consecutive losses that are judged as one, since neighbours err alike on the holdout; 1: they do not."""
    promised: bool
    """Whether the rate of false alerts holds; not where the holdout's losses follow each other beyond blocks, or are
    too few (960) to tell."""


def losses(truth: ArrayLike, predictions: ArrayLike, *, kind: TaskKind) -> Floats:
    """`(n,)` what each prediction cost: the Brier score of a classification, in 0..1, or the absolute error.

    `truth` `(n,)` holds 0 and 1, class codes 0..k-1, or values; NaN where the outcome has not come. `predictions` are
    `(n,)` probabilities of the positive class (`binary`), `(n, k)` probabilities (`multiclass`) or `(n,)` values
    (`regression`). A class that the model does not know counts as one that it gave no chance. Raises UsageError or
    DataError for what is no label or no prediction.
    """
    given, answers = numbers_of(truth), np.asarray(numbers_of(predictions), dtype=np.float64)
    check_answers(answers, kind)
    check_labels(given)
    if len(given) != len(answers):
        raise DataError(
            f"{len(answers)} predictions and {len(given)} labels do not belong together",
            remedy="give one label for each prediction, NaN where it has not come",
        )
    known = np.isfinite(given.astype(np.float64))
    found = np.full(len(given), np.nan)
    found[known] = rowwise.losses(given[known], answers[known], kind)
    return found


def decay(holdout: ArrayLike, current: ArrayLike, *, kind: TaskKind) -> DecayReport:
    """Whether the losses are higher than on the holdout, beyond chance. It may be asked after every outcome.

    `holdout` `(m,)`: losses on rows that the model has not learned from, in the order of time. `current` `(n,)`: all
    since then, in the order in which the predictions were made; NaN, an outcome that has not come, is left out, so
    those that come late must not be of one class (hand over predictions up to where outcomes are complete). While the
    model is as good as on the holdout, the first false alert comes after 100,000 outcomes on average, or later (an
    e-detector; Shin, Ramdas and Rinaldo 2024, New England Journal of Statistics in Data Science 2; see
    `decisions.decay`); `promised` and the reason say where that cannot be held. Raises DataError for fewer than 100
    losses on the holdout, and UsageError for what is no loss.
    """
    held, given = _checked(holdout, "holdout", kind), _checked(current, "current", kind)
    reference = summarise_losses(held, bounded=kind != "regression")
    if reference is None or reference.bound <= 0:
        raise DataError(
            f"the holdout has {np.isfinite(held).sum()} losses to compare with",
            remedy=f"give {MINIMUM_ROWS} or more of rows that the model has not learned from, not all of them 0",
        )
    known = np.flatnonzero(~np.isnan(given))
    found = decide_decay(DecayEvidence(reference=reference, losses=given[known]), datetime.now(UTC))
    numbers: dict[str, Any] = dict(found.numbers)
    judged = found.verdict != "wait"
    return DecayReport(
        alert=found.verdict == "alarm",
        judged=judged,
        reasons=found.reasons,
        outcomes=len(known),
        holdout=reference.mean,
        recent=numbers.get("recent"),
        since=int(known[len(known) - numbers["recent_rows"]]) if judged else None,
        evidence=numbers.get("evidence"),
        evidence_needed=numbers.get("evidence_needed"),
        block=reference.block,
        promised=reference.independent and not reference.is_short,
    )


def _checked(given: ArrayLike, name: str, kind: TaskKind) -> Floats:
    """The losses as an array. Raises UsageError for what can be none."""
    check_kind(kind)
    found = np.asarray(numbers_of(given), dtype=np.float64)
    if found.ndim != 1:
        raise UsageError(
            f"losses have the shape (n,), not {found.shape}", where=name, remedy="see windlass.monitoring.losses"
        )
    known = found[~np.isnan(found)]
    most = np.inf if kind == "regression" else 1.0
    if len(known) and not (known.min() >= 0 and known.max() <= most and np.isfinite(known.max())):
        raise UsageError(
            f"losses of a {kind} task lie between 0 and {most:g}, not between {known.min():g} and {known.max():g}",
            where=name,
            remedy="see windlass.monitoring.losses",
        )
    return found
