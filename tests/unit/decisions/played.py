"""Releases that are played by chance: two versions answer side by side, and the judge looks again and again.

What the champion does is the same everywhere: 1 % of its requests fail, calls take 5 ms (log-normal, sigma 0.4), scores
are Beta(2, 5), losses of known outcomes are Beta(1, 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from windlass.decisions.answers import Answers, ReleaseEvidence, Stream
from windlass.decisions.release import decide_release
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.decisions.statistics.two_streams import stretch_means
from windlass.product.policy import Release
from windlass.serving.versions.patience import Calls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

START = datetime(2026, 3, 1, tzinfo=UTC)
TOGETHER = 4
"""Requests that share a call of the model."""
_MOOD = 100


@dataclass(frozen=True, kw_only=True)
class Challenger:
    """What is different about it; by default nothing is."""

    failing: float = 0.01
    slower: float = 1.0
    constant: bool = False
    no_number: bool = False
    """It answers NaN, which no caller gets: such a request has failed."""
    loss: float = 0.0
    """Added to the loss of each outcome."""
    moods: float = 0.0
    """For 100 requests in a row its losses are higher or lower by this much (standard deviation), by 0 on average."""
    outcomes: bool = False
    """Labels come at once."""
    pauses: float = 0.0
    """This part of its calls, and of the champion's, takes about a second longer (log-normal, sigma 1): what the worker
    does not wait for is a request without an answer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """All that happens in a stage if nobody ends it; a look sees the first so many requests."""

    stage: Any
    share: float
    arms: Array
    """`(n,)` bool: requests that the challenger answers. In shadow each request comes twice."""
    failed: Array
    taken: Array
    scores: Array
    losses: Array | None


def play(random: np.random.Generator, challenger: Challenger, *, stage: str, share: float, asked: int) -> Stage:
    """A stage in which the challenger is asked `asked` times."""
    requests = 2 * asked if stage == "shadow" else int(asked / share)
    arms = np.arange(requests) % 2 == 1 if stage == "shadow" else random.random(requests) < share
    failing = np.where(arms, 1.0 if challenger.no_number else challenger.failing, 0.01)
    calls = 5.0 * random.lognormal(0.0, 0.4, (2, requests // TOGETHER + 1))
    call = np.arange(requests) // TOGETHER
    if challenger.pauses:
        pauses = random.random(calls.shape) < challenger.pauses
        calls += 1000.0 * pauses * random.lognormal(0.0, 1.0, calls.shape)
    given_up = beyond_patience(calls)[call] & arms if challenger.pauses else np.zeros(requests, bool)
    scores = random.beta(2, 5, requests)
    mood = challenger.loss + np.repeat(random.normal(0, challenger.moods, requests // _MOOD + 1), _MOOD)[:requests]
    losses = np.clip(random.beta(1, 4, requests) + mood * arms, 0, 1) if challenger.outcomes else None
    return Stage(
        stage=stage,
        share=share,
        arms=arms,
        failed=(random.random(requests) < failing) | given_up,
        taken=np.where(arms, challenger.slower * calls[1][call], calls[0][call]),
        scores=np.where(arms & challenger.constant, 0.3, scores),
        losses=losses,
    )


def beyond_patience(calls: Array) -> NDArray[np.bool_]:
    """`(n,)`: which of the challenger's calls take longer than a worker waits, by the champion's before them.

    `calls` are milliseconds, `(2, n)`: the champion's and the challenger's, in turn.
    """
    champion, beyond = Calls(), np.zeros(calls.shape[1], bool)
    for place, (others, own) in enumerate((calls / 1000).T.tolist()):
        beyond[place] = own > champion.patience(TOGETHER)
        champion.took(others, TOGETHER)
    return beyond


def look(played: Stage, requests: int) -> ReleaseEvidence:
    """The evidence of the first `requests`."""
    arms = played.arms[:requests]
    return ReleaseEvidence(
        stage=played.stage,
        share=played.share,
        started_at=START,
        stage_started_at=START,
        challenger=_answers(played, np.flatnonzero(arms)),
        champion=_answers(played, np.flatnonzero(~arms)),
        losses=None if played.losses is None else _losses(played, arms),
    )


def _answers(played: Stage, places: Array) -> Answers:
    answered = places[~played.failed[places]]
    calls = np.unique(places // TOGETHER, return_index=True)[1]
    return Answers(
        rows=len(answered),
        failures=Stream(values=played.failed[places], places=places),
        scores=Stream(values=played.scores[answered], places=answered),
        latency_ms=Stream(values=played.taken[places[calls]], places=places[calls]),
    )


def _losses(played: Stage, arms: Array) -> PairedLosses:
    assert played.losses is not None
    values = played.losses[: len(arms)]
    if played.stage == "shadow":
        pairs = len(arms) // 2
        return PairedLosses(new=values[1::2][:pairs], previous=values[::2][:pairs])
    new, previous = stretch_means(arms, values)
    return PairedLosses(new=new, previous=previous)


def ramp(
    random: np.random.Generator,
    challenger: Challenger,
    *,
    policy: Release,
    looks: Callable[[int], Array],
) -> tuple[str, int]:
    """How a release ends, and how many requests the challenger had been asked by then; each stage lasts for `minimum`
    rows and is looked at whenever `looks` (of the requests there are in it) says."""
    asked = 0
    steps = [("shadow", 0.0)] * (policy.shadow > 0) + [("canary", share) for share in policy.canary]
    for stage, share in steps:
        needed = policy.shadow if stage == "shadow" else policy.minimum
        played = play(random, challenger, stage=stage, share=share, asked=int(1.3 * needed) + 100)
        total = np.cumsum(played.arms)
        for requests in looks(len(total)):
            verdict = decide_release(look(played, requests), policy, START + timedelta(hours=1)).verdict
            if verdict == "roll_back":
                return "roll_back", asked + int(total[requests - 1])
            if verdict == "advance":
                break
        asked += int(total[requests - 1])
    return "promoted", asked


def seldom(requests: int) -> Array:
    """Looks ever further apart: 1.4 times as many requests from one to the next, and one at the end."""
    count = max(2, int(np.log(requests / 20) / np.log(1.4)))
    return np.unique(np.append(np.geomspace(20, requests, count).astype(int), requests))
