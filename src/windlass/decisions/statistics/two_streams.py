"""Two versions at work side by side: does one of them fail more often, or take longer, whenever one looks?

What both meet together (an outage, a slow hour) tells nothing against either, so they are only ever compared within
stretches: what one was asked, and what the other was asked right after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

_ODDS = np.array([1.5, 2.0, 4.0, 16.0, 256.0])
"""How many times the old version's odds the new one's may be: each is bet upon with a part of the stake."""
_PRIOR_HITS, _PRIOR_TRIALS = 0.5, 50.0
"""Before anything is known one trial in a hundred is taken to be a hit; a wrong guess costs time, never validity."""


def in_order(new: Array, old: Array, new_places: Array, old_places: Array) -> tuple[NDArray[np.bool_], Array]:
    """Whether each trial was of the new version, and its value, in the order of their places."""
    order = np.argsort(np.concatenate([old_places, new_places]), kind="stable")
    arms = np.concatenate([np.zeros(len(old), dtype=bool), np.ones(len(new), dtype=bool)])
    return arms[order], np.concatenate([old, new])[order]


def stretches(arms: NDArray[np.bool_]) -> NDArray[np.int64]:
    """`(n,)`: the number of the stretch that each trial is in. One ends where a trial of the old version follows one of
    the new, which depends on who was asked alone and not on what came of it."""
    if len(arms) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.concatenate([[0], np.cumsum(arms[:-1] & ~arms[1:])]).astype(np.int64)


def evidence_of_more(arms: NDArray[np.bool_], hits: Array) -> Floats:
    """Evidence, after each stretch that is over, that hits are likelier with the new version than with the old.

    `arms` and `hits` are `(n,)`: who was tried, in the order of the trials, and whether it was a hit. While within each
    stretch hits are as likely with both, or less with the new one, the evidence reaches `1 / alpha` with probability at
    most `alpha`, ever; the likelihood itself may change from stretch to stretch.

    Of each stretch the likelihood of what is supposed is held against the best that a common probability explains: with
    `p0` and `p1` of the two versions that is their mean, weighted by trials (Turner, Ly and Grünwald 2021, Safe tests
    and always-valid confidence intervals for contingency tables, arXiv 2106.02693, theorem 1). `p0` is learned of the
    stretches before; what is supposed of `p1` is a mixture.
    """
    over = stretches(arms)
    if len(over) == 0 or over[-1] == 0:
        return np.ones(0)
    count, hit = int(over[-1]), np.asarray(hits, dtype=np.float64)
    new_trials, old_trials = (np.bincount(over, weights=which)[:count] for which in (arms, ~arms))
    new_hits, old_hits = (np.bincount(over, weights=hit * which)[:count] for which in (arms, ~arms))
    before_hits, before = (np.cumsum(per) - per for per in (old_hits, old_trials))
    usual = (before_hits + _PRIOR_HITS) / (before + _PRIOR_TRIALS)
    odds = _ODDS[:, None] * usual / (1 - usual)
    more = odds / (1 + odds)
    common = (new_trials * more + old_trials * usual) / (new_trials + old_trials)
    gained = (
        new_hits * np.log(more / common)
        + (new_trials - new_hits) * np.log((1 - more) / (1 - common))
        + old_hits * np.log(usual / common)
        + (old_trials - old_hits) * np.log((1 - usual) / (1 - common))
    )
    total = np.logaddexp.reduce(np.cumsum(gained, axis=1), axis=0) - np.log(len(_ODDS))
    return np.asarray(np.exp(np.minimum(total, 700.0)), dtype=np.float64)


def neighbours(arms: NDArray[np.bool_], values: Array) -> tuple[Array, Array]:
    """Values of the new version and, for each, one of the old version in the same stretch; no value is used twice."""
    over = stretches(arms)
    places = [_places(over[which], most=len(arms)) for which in (arms, ~arms)]
    _, mine, theirs = np.intersect1d(places[0], places[1], assume_unique=True, return_indices=True)
    return values[arms][mine], values[~arms][theirs]


def stretch_means(arms: NDArray[np.bool_], values: Array) -> tuple[Array, Array]:
    """The mean of the new version's values and of the old one's, for each stretch that is over and has both."""
    over = stretches(arms)
    if len(over) == 0 or over[-1] == 0:
        return np.zeros(0), np.zeros(0)
    count = int(over[-1])
    trials = [np.bincount(over, weights=which)[:count] for which in (arms, ~arms)]
    sums = [np.bincount(over, weights=values * which)[:count] for which in (arms, ~arms)]
    both = (trials[0] > 0) & (trials[1] > 0)
    return sums[0][both] / trials[0][both], sums[1][both] / trials[1][both]


def _places(over: NDArray[np.int64], *, most: int) -> NDArray[np.int64]:
    """One number for each stretch and place in it, the same for the first trials of both versions, and so on."""
    first = np.searchsorted(over, over, side="left")
    return np.asarray(over * most + np.arange(len(over)) - first, dtype=np.int64)
