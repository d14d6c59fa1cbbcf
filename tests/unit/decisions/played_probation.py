"""Probations that are played by chance, as their stretches of time; what one is asked follows the hour of the day.

A call of the predecessor takes 5 ms (log-normal, sigma 0.4), and up to half as much again at noon. All of a machine's
calls are slower or quicker together for a while (a log-normal that is forgotten within the hour), and it is at times
busy with something else: for two minutes (on average) all calls take 5 times as long, for an hour four in five take 4
times as long. Of the predecessor some fifteen calls a minute are made beside, by the same worker (`control`): what the
machine does to the version it does to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.slowness import QUICKEST, Stretches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

DAY = 24 * 60
_CALLS, _CONTROLS = 20, 15
_MEMORY = 0.95
"""Of the mood of a machine from one minute to the next."""


def moods(random: np.random.Generator, minutes: int) -> Array:
    """`(minutes, calls)`: how many times as long each call takes, whoever answers it."""
    daily = 1 + 0.25 * (1 - np.cos(2 * np.pi * np.arange(minutes) / DAY))
    shocks = random.normal(0, 0.3 * np.sqrt(1 - _MEMORY**2), minutes)
    mood = np.zeros(minutes)
    for minute in range(1, minutes):
        mood[minute] = _MEMORY * mood[minute - 1] + shocks[minute]
    found = np.repeat((daily * np.exp(mood))[:, None], _CALLS, axis=1)
    for begin in np.flatnonzero(random.random(minutes) < 4 / DAY):
        found[begin : begin + random.geometric(1 / 2)] *= 5
    for begin in np.flatnonzero(random.random(minutes) < 4 / DAY):
        busy = found[begin : begin + 60]
        busy *= np.where(random.random(busy.shape) < 0.8, 4, 1)
    return found


def probation(
    random: np.random.Generator,
    *,
    minutes: int,
    before: int = DAY,
    slower: float = 1.0,
    since: int = 0,
    both: float = 1.0,
    moody: bool = True,
    control: bool = True,
) -> Stretches:
    """A probation of so many minutes, after as many in which the predecessor answered; not `moody`: on a machine that
    has nothing else to do.

    From the minute `since` on the version takes `slower` times as long as its predecessor would, and the rows `both`
    times as long for either.
    """
    asked = moods(random, before + minutes) if moody else np.ones((before + minutes, _CALLS))
    calls = 5.0 * asked * random.lognormal(0.0, 0.4, asked.shape)
    later = (np.arange(minutes) >= since)[:, None]
    own = calls[before:] * np.where(later, slower * both, 1.0)
    shadow = 5.0 * random.lognormal(0.0, 0.4, own.shape) * np.where(later, both, 1.0)
    timed = 5.0 * asked[before:, :_CONTROLS] * np.where(later, both, 1.0)
    timed *= random.lognormal(0.0, 0.4, timed.shape)
    return Stretches(
        quickest=np.quantile(own, QUICKEST, axis=1),
        beside=np.median(shadow, axis=1),
        control=np.quantile(timed, QUICKEST, axis=1) if control else np.empty(0),
        before=np.quantile(calls[:before], QUICKEST, axis=1),
    )
