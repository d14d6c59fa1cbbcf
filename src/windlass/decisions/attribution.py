"""Why quality fell: a rise of the mean loss, told feature by feature.

Rows before and after are counted into the same bins of each feature. Three things can happen to a feature:

- its values came more often where the model errs more (**shift**): what the losses of before say, at the shares of now;
- there came values that were hardly there before: missing, unseen, beyond the range, one value in heaps (**values**):
  what these rows lose more than rows used to;
- rows of the same value end differently (**relation**): what the model would gain if its answers were set right, bin by
  bin, by as much as they have gone wrong since.

Features go together, so the one that explains most is settled first, its part is taken out of the rows (the shift by
weights, the relation by correcting the answers), and the others are asked again: a step-wise analysis, in the manner of
Oaxaca (1973, International Economic Review 14) and Cai, Namkoong and Yadlowsky (2023, arXiv 2303.02011), who part a
change of quality into inputs and relation. What no feature explains stays as the rest, so the parts add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from windlass.decisions.drift import MAJOR_PSI
from windlass.decisions.statistics.divergence import psi

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

Cause = Literal["shift", "values", "relation", "level", "rest"]
_STEPS = 5
_SURE = 3.0
"""Standard errors above nothing."""
_SMALL = 0.03
"""Of the rise: a part below it is not worth a name."""
_MOST_WEIGHT = 20.0
_LEAST_ROWS = 5
_HEAP = 0.2
"""By how much the share of one bin must have grown, to four times of it at least, for its rows to count as new: a value
that is filled in, or at which a sensor is stuck."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Binned:
    """Rows of one side."""

    codes: NDArray[np.int64]
    """`(n, d)` the bin of each feature."""
    losses: Floats
    """`(n,)` as `decisions.statistics.losses.losses` gives them."""
    residuals: Floats
    """`(n, k)` the truth less the answer (`residuals_of`); its square, summed over k, is the Brier score."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """The bins of one feature."""

    bins: int
    special: tuple[int, ...]
    """Those of missing values, and of values that the reference does not know."""
    ordered: bool = True
    """Whether neighbouring bins are alike, as of a number."""


class Part(NamedTuple):
    """A part of the rise."""

    feature: int | None
    """None: the level, or the rest."""
    cause: Cause
    amount: float


class _Parts(NamedTuple):
    """What one feature explains by itself."""

    shift: float
    values: float
    relation: float
    error: float
    correction: Floats
    """`(bins, k)` by which answers of each bin have gone wrong since."""
    weights: Floats
    """`(bins,)` how much more often each bin comes now."""

    @property
    def amount(self) -> float:
        return self.shift + self.values + self.relation

    def told(self, feature: int) -> list[Part]:
        return [
            Part(feature, "shift", self.shift),
            Part(feature, "values", self.values),
            Part(feature, "relation", self.relation),
        ]


def residuals_of(truth: Array, predictions: Array) -> Floats:
    """`(n, k)` truth less answer: of the positive class, of the value, or of each class (over the root of 2)."""
    if predictions.ndim == 1:
        return np.asarray(truth - predictions, dtype=np.float64)[:, None]
    happened = np.asarray(truth, dtype=np.int64)[:, None] == np.arange(predictions.shape[1])
    return np.asarray((happened - predictions) / np.sqrt(2.0))


def attribute(
    before: Binned, after: Binned, features: Sequence[Feature], *, regression: bool = False
) -> tuple[Part, ...]:
    """The parts of the rise of the mean loss, the largest first; they add up to it.

    Where the rise is within three standard errors of nothing, all of it is rest. What is left when no feature explains
    more goes to those whose values have changed greatly (PSI above 0.2), in proportion: a sensor that is stuck leaves
    nothing to compare, but that it is stuck shows.
    """
    rise = float(after.losses.mean() - before.losses.mean())
    error = np.hypot(_mean_error(after.losses), _mean_error(before.losses))
    if rise <= _SURE * error:
        return (Part(None, "rest", rise),)
    level = _gained(_level(after) - _level(before), after, regression=regression)
    found = [Part(None, "level", level)] if level > _SMALL * rise else []
    weights, now = np.ones(len(before.losses)), after
    left = rise - sum(part.amount for part in found)
    asked = set(range(len(features)))
    for _ in range(_STEPS):
        own = {j: _parts(j, features[j], before, now, weights=weights, regression=regression) for j in asked}
        sure = {j: each for j, each in own.items() if each.amount > max(_SURE * each.error, _SMALL * rise)}
        if not sure or left <= _SMALL * rise:
            break
        first = max(sure, key=lambda j: sure[j].amount)
        chosen = sure[first]
        part = min(1.0, left / chosen.amount)
        found += [
            each._replace(amount=each.amount * part)
            for each in chosen.told(first)
            if each.amount * part > _SMALL * rise / 2
        ]
        left = rise - sum(each.amount for each in found)
        weights *= chosen.weights[before.codes[:, first]]
        weights *= len(weights) / weights.sum()
        corrected = now.residuals - chosen.correction[after.codes[:, first]]
        now = Binned(codes=after.codes, losses=after.losses, residuals=corrected)
        asked.discard(first)
    found += _changed(before, after, features, left) if left > _SMALL * rise else []
    left = rise - sum(each.amount for each in found)
    return (*sorted(_joined(found), key=lambda each: -each.amount), Part(None, "rest", left))


def _parts(place: int, feature: Feature, before: Binned, after: Binned, *, weights: Floats, regression: bool) -> _Parts:
    old, new, size = before.codes[:, place], after.codes[:, place], feature.bins
    rows, now = np.bincount(old, minlength=size), np.bincount(new, minlength=size)
    weight = np.bincount(old, weights=weights, minlength=size)
    p, q = weight / weight.sum(), now / now.sum()
    usual = float(np.average(before.losses, weights=weights))
    loss = _means(np.bincount(old, weights=weights * before.losses, minlength=size), weight)
    lately = _means(np.bincount(new, weights=after.losses, minlength=size), now)
    strange = np.zeros(size, dtype=np.bool_)
    strange[list(feature.special)] = True
    strange = (strange & (q > 2 * p + 0.01)) | ((rows < _LEAST_ROWS) & (q > p)) | (q > np.maximum(4 * p, p + _HEAP))
    values = float(((q - p) * (lately - usual))[strange].sum())
    plain = ~strange & (rows >= _LEAST_ROWS)
    moved = np.where(plain, q, 0.0)
    stayed = np.where(plain, p, 0.0)
    share = float(moved.sum())
    moved = moved * float(stayed.sum()) / share if share > 0 else stayed
    shift = float(((moved - stayed) * (loss - usual))[plain].sum())
    spread = np.where(plain, p * (loss - usual) ** 2, 0.0).sum() * (1 / len(old) + 1 / len(new))
    correction, relation, doubt = _relation((old, before.residuals), (new, after.residuals), plain=plain, share=q)
    gained = _gained(relation, after, regression=regression)
    scale = gained / relation if relation > 0 else 0.0
    return _Parts(
        shift=shift,
        values=values,
        relation=max(gained, 0.0),
        error=float(np.sqrt(spread + (scale * doubt) ** 2)),
        correction=correction,
        weights=np.clip(np.where(plain & (p > 0), moved / np.where(p > 0, p, 1.0), 1.0), 0.0, _MOST_WEIGHT),
    )


def _relation(
    old: tuple[Array, Floats], new: tuple[Array, Floats], *, plain: Array, share: Floats
) -> tuple[Floats, float, float]:
    """By how much answers of each bin have gone wrong beyond the level, what setting them right would gain (in squares,
    less what chance alone would), and the error of that."""
    size = len(plain)
    before, noise_before = _by_bin(*old, size)
    after, noise_after = _by_bin(*new, size)
    moved = np.where(plain[:, None], after - before, 0.0)
    part = np.where(plain, share, 0.0)
    total = part.sum()
    if total <= 0:
        return np.zeros_like(moved), 0.0, 0.0
    moved = np.where(plain[:, None], moved - (part @ moved / total)[None, :], 0.0)
    noise = np.where(plain, noise_before + noise_after, 0.0)
    gain = float((part * (_square(moved) - noise)).sum())
    return moved, gain, float(np.sqrt(2 * ((part * noise) ** 2).sum()))


def _by_bin(codes: Array, residuals: Floats, size: int) -> tuple[Floats, Floats]:
    """`(bins, k)` mean residual of each bin, and `(bins,)` the variance of that mean, summed over k."""
    rows = np.bincount(codes, minlength=size)
    sums = np.stack([np.bincount(codes, weights=each, minlength=size) for each in residuals.T], axis=1)
    squares = np.bincount(codes, weights=_square(residuals), minlength=size)
    mean = _means(sums, rows[:, None])
    return mean, _means(np.maximum(_means(squares, rows) - _square(mean), 0.0), np.maximum(rows - 1, 1))


def _changed(before: Binned, after: Binned, features: Sequence[Feature], left: float) -> list[Part]:
    """What is left, laid on the features whose values have changed greatly."""
    sizes = {}
    for place, feature in enumerate(features):
        old = np.bincount(before.codes[:, place], minlength=feature.bins)
        apart = psi(old, np.bincount(after.codes[:, place], minlength=feature.bins))
        if apart > MAJOR_PSI:
            sizes[place] = apart
    total = sum(sizes.values())
    return [Part(place, "values", left * apart / total) for place, apart in sizes.items()]


def _joined(parts: Sequence[Part]) -> list[Part]:
    """One part for each feature and cause."""
    amounts: dict[tuple[int | None, Cause], float] = {}
    for part in parts:
        amounts[part.feature, part.cause] = amounts.get((part.feature, part.cause), 0.0) + part.amount
    return [Part(feature, cause, amount) for (feature, cause), amount in amounts.items()]


def _gained(squares: float, after: Binned, *, regression: bool) -> float:
    """A gain in squares in the units of the loss: the same for the Brier score; an absolute error falls as its square's
    root does."""
    if not regression:
        return squares
    whole = float(_square(after.residuals).mean())
    return float(after.losses.mean()) * (1 - float(np.sqrt(1 - min(max(squares / whole, 0.0), 1.0)))) if whole else 0.0


def _level(side: Binned) -> float:
    """The square of the mean residual: what setting all answers right by one amount would gain."""
    return float(_square(side.residuals.mean(axis=0)))


def _square(values: Floats) -> Floats:
    return np.asarray((values**2).sum(axis=-1))


def _means(sums: Array, rows: Array) -> Floats:
    return np.asarray(np.where(rows > 0, sums / np.where(rows > 0, rows, 1), 0.0), dtype=np.float64)


def _mean_error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("inf")
