"""Regression by quasi-likelihood with a normal prior: chances by the logit link, sizes by the logarithm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Link = Literal["logit", "log"]
_STEPS, _LEAST_STEP, _ENOUGH = 30, 1e-4, 1e-8
_NOTHING = 1e-300
_MOST_OWN = 0.9
"""Bound of a row's leverage: what is left of it is divided by the rest of one."""
_STEEPEST = 30.0
"""Bound of the linear predictor, within which its exponential is harmless."""


class _Problem(NamedTuple):
    columns: Floats
    target: Floats
    precision: Floats
    prior: Floats
    link: Link


class Fitted(NamedTuple):
    weights: Floats
    root: Floats
    """`(k, k)` whose product with its transpose is the covariance of the weights."""
    scale: float
    """The target's unit in which its variance is its mean; 1 for chances."""


def mean_of(line: Floats, link: Link) -> Floats:
    """What is expected where the linear predictor is `line`."""
    bounded = np.clip(line, -_STEEPEST, _STEEPEST)
    return np.asarray(1 / (1 + np.exp(-bounded)) if link == "logit" else np.exp(bounded))


def fit(columns: Floats, target: Floats, precision: Floats, prior: Floats, *, link: Link) -> Fitted:
    """Weights of `columns` `(n, k)` that explain `target` `(n,)`, drawn to `prior` `(k,)` with `precision` `(k,)`.

    The variance is taken to be that of a Bernoulli variable, or proportional to the mean (McCullagh and Nelder 1989,
    Generalized Linear Models, chapter 9); the canonical links make the residuals sum to nothing along each column. The
    covariance is the sandwich with the prior between its slices, right also where that variance is not (White 1982,
    Econometrica 50), of what each row would leave had it not been learned from (HC3; MacKinnon and White 1985, J.
    Econometrics 29). Newton's steps are halved until the objective does not fall.
    """
    scale = 1.0
    if link == "log":
        scale = _dispersion(columns, target)
        target = target / scale
        prior = prior.copy()
        prior[0] += np.log(max(float(target.mean()), 1e-12))  # not counted against it: what is free starts at the mean
    asked = _Problem(columns, target, precision, prior, link)
    weights, best = prior.copy(), _objective(asked, prior)
    for _ in range(_STEPS):
        slope, bend = _slopes(asked, weights)
        step, size = np.linalg.solve(bend, slope), 1.0
        while (found := _objective(asked, weights + size * step)) < best and size > _LEAST_STEP:
            size /= 2
        if found < best:
            break
        weights, gained, best = weights + size * step, found - best, found
        if gained <= _ENOUGH * (1 + abs(best)):
            break
    mean = mean_of(columns @ weights, link)
    _, bend = _slopes(asked, weights)
    own = _variance(mean, link) * np.einsum("ij,ji->i", columns, np.linalg.solve(bend, columns.T))
    left = (target - mean) / (1 - np.minimum(own, _MOST_OWN))
    inside = columns.T @ (columns * (left**2)[:, None]) + np.diag(precision)
    return Fitted(weights, np.asarray(np.linalg.solve(bend, np.linalg.cholesky(inside))), scale)


def _dispersion(columns: Floats, target: Floats) -> float:
    """Variance over mean, of what is left of the target by least squares."""
    found, *_ = np.linalg.lstsq(columns, target, rcond=None)
    left = float(np.square(target - columns @ found).mean())
    return max(left / max(float(target.mean()), _NOTHING), _NOTHING)


def _variance(mean: Floats, link: Link) -> Floats:
    return np.asarray(mean * (1 - mean) if link == "logit" else mean)


def _slopes(asked: _Problem, weights: Floats) -> tuple[Floats, Floats]:
    mean = mean_of(asked.columns @ weights, asked.link)
    variance = _variance(mean, asked.link)
    slope = asked.columns.T @ (asked.target - mean) - asked.precision * (weights - asked.prior)
    return slope, asked.columns.T @ (asked.columns * variance[:, None]) + np.diag(asked.precision)


def _objective(asked: _Problem, weights: Floats) -> float:
    line = np.clip(asked.columns @ weights, -_STEEPEST, _STEEPEST)
    whole = np.logaddexp(0, line) if asked.link == "logit" else np.exp(line)
    drawn = 0.5 * float((asked.precision * (weights - asked.prior) ** 2).sum())
    return float((asked.target * line - whole).sum()) - drawn
