"""How seldom a harmless challenger is withdrawn, and after how many requests a harmful one: the very judge of releases.

    python bench/ramps.py [--ramps 2000] [--harms 200] [--probations 2000] [--seed 0]

Releases are played by chance (tests/unit/decisions/played.py says how). A harmless one goes through shadow and two
canary stages, with outcomes at once, and is looked at ever again; a harmful one stays in one canary stage until it is
withdrawn. Of probations latency alone is played (played_probation.py), a week for versions as quick as before, two days
for those that are not. Figures are seeded. 2,000 ramps take about 20 minutes of one core, 2,000 probations two.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from functools import partial
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent.parent / "tests" / "unit" / "decisions")]

from played import START, Challenger, look, play, ramp, seldom  # noqa: E402 (the path above)
from played_probation import DAY, probation  # noqa: E402

from windlass.decisions.budget import BEFORE_PROMOTION, SLOW  # noqa: E402
from windlass.decisions.leak import LEAST, leaking  # noqa: E402
from windlass.decisions.release import decide_release  # noqa: E402
from windlass.decisions.statistics.sequential import course_above  # noqa: E402
from windlass.product.policy import Release  # noqa: E402
from windlass.serving.limits import HANGS_SECONDS, LEAST_PATIENCE_SECONDS, MEMORY_SECONDS  # noqa: E402

RAMP = Release(shadow=1000, canary=[0.05, 0.25], minimum=1000)
HARMS = {
    "fails on 2 % instead of 1 %": (Challenger(failing=0.02), 20_000),
    "3 times slower": (Challenger(slower=3.0), 2_000),
    "answers NaN": (Challenger(no_number=True), 200),
    "answers a constant": (Challenger(constant=True), 200),
    "loses 0.05 more on outcomes that come at once": (Challenger(outcomes=True, loss=0.05), 5_000),
}

SHARES = (0.05, 0.25, 0.5)
ARRIVALS = 200
"""Requests a second to one worker, where seconds count."""
LOOKS_SECONDS = 0.5
HARMLESS = {
    "harmless challengers": Challenger(outcomes=True),
    "challengers that are better and worse for 100 requests in turn": Challenger(outcomes=True, moods=0.05),
    "challengers that pause, as the champion does, for about a second once in 200 calls": Challenger(pauses=0.005),
}


def found_after(random: np.random.Generator, challenger: Challenger, *, share: float, most: int) -> float:
    """Requests that the challenger had been asked when it was withdrawn; infinite if it never was."""
    policy = Release(shadow=1000, canary=[share, 0.9], minimum=most)
    played = play(random, challenger, stage="canary", share=share, asked=most)
    asked = np.cumsum(played.arms)
    for requests in np.unique(np.geomspace(20, len(asked), 60).astype(int)):
        if decide_release(look(played, requests), policy, START).verdict == "roll_back":
            return float(asked[requests - 1])
    return float("inf")


def asked_while_it_hangs(random: np.random.Generator, *, share: float) -> tuple[float, float]:
    """Requests that a challenger which hangs for ever on one in ten had been asked when it was withdrawn, and seconds.

    200 a second come to one worker. What is not answered within a second has failed; from then on the challenger is
    asked nothing, its callers are the champion's, and five seconds later they count as failures.
    """
    came = np.cumsum(random.exponential(1 / ARRIVALS, 60 * ARRIVALS))
    played = play(random, Challenger(), stage="canary", share=share, asked=int(len(came) * share))
    arms = random.random(len(came)) < share
    hangs = arms & (random.random(len(came)) < 0.1)
    given_up = came[hangs.argmax()] + LEAST_PATIENCE_SECONDS
    asked = arms & (came < given_up)
    counts = arms & (came > given_up + HANGS_SECONDS)
    failed = np.where(asked, hangs, counts | (played.failed[: len(came)] & ~arms))
    told = np.where(asked & hangs, came + LEAST_PATIENCE_SECONDS, came)
    order = np.argsort(told, kind="stable")
    seen = dataclasses.replace(
        played,
        arms=(asked | counts)[order],
        failed=failed[order],
        taken=played.taken[: len(came)][order],
        scores=played.scores[: len(came)][order],
    )
    policy = Release(shadow=1000, canary=[share, 0.9], minimum=len(came))
    for second in np.arange(LOOKS_SECONDS, 60, LOOKS_SECONDS):
        requests = int(np.searchsorted(told[order], second))
        if requests and decide_release(look(seen, requests), policy, START).verdict == "roll_back":
            return float(seen.arms[:requests].sum()), float(second)
    return float("inf"), float("inf")


def asked_while_it_leaks(random: np.random.Generator, *, rate: float) -> tuple[float, float]:
    """The same of one worker's challenger, of which each request leaves 1 MB behind: when that was seen."""
    came = random.poisson(rate * MEMORY_SECONDS, int(600 / MEMORY_SECONDS)).cumsum()
    held = 230.0 + came + random.normal(0, 3, len(came))
    for reading in range(LEAST, len(came) + 1):
        if leaking(held[:reading].tolist()):
            return float(came[reading - 1]), reading * MEMORY_SECONDS
    return float("inf"), float("inf")


def minutes_until_back(random: np.random.Generator, *, slower: float, minutes: int, moody: bool) -> float:
    """Minutes after promotion until a version is rolled back for its latency; infinite if it never is."""
    played = probation(random, minutes=minutes, slower=slower, moody=moody)
    proof = np.flatnonzero(course_above(played.slow(), 0.5) >= 1 / SLOW)
    return float(proof[0] + 1) if len(proof) else float("inf")


def probations(random: np.random.Generator, count: int) -> None:
    print("minutes until a slower version is rolled back: median, and 95 of 100")
    for moody in (False, True):
        machine = "a machine with moods" if moody else "a steady machine"
        for slower in (3.0, 5.0):
            found = [
                minutes_until_back(random, slower=slower, minutes=2 * DAY, moody=moody) for _ in range(count // 10)
            ]
            median, late = np.quantile(found, [0.5, 0.95], method="higher")
            print(f"  {slower:g} times slower, on {machine}: {median:,.0f}, {late:,.0f}", flush=True)
        back = [minutes_until_back(random, slower=1.0, minutes=7 * DAY, moody=moody) for _ in range(count)]
        print(f"  as quick, on {machine}: {np.count_nonzero(np.isfinite(back))} of {count} within a week", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ramps", type=int, default=2000)
    parser.add_argument("--harms", type=int, default=200)
    parser.add_argument("--probations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    random = np.random.default_rng(asked.seed)
    probations(np.random.default_rng(asked.seed), asked.probations)
    print("requests of the challenger until it is withdrawn: median, and 95 of 100 releases")
    for name, (challenger, most) in HARMS.items():
        for share in SHARES:
            found = [found_after(random, challenger, share=share, most=most) for _ in range(asked.harms)]
            median, late = np.quantile(found, [0.5, 0.95], method="higher")
            print(f"  {name}, on {share:.0%} of the keys: {median:,.0f}, {late:,.0f}", flush=True)
    ways = {
        f"hangs on one in ten, on {share:.0%} of the keys": partial(asked_while_it_hangs, share=share)
        for share in SHARES
    }
    leaks = {
        f"leaks 1 MB a request, {rate:g} a second": partial(asked_while_it_leaks, rate=rate) for rate in (2, 7, 50)
    }
    for name, play_one in (ways | leaks).items():
        counted, seconds = np.array([play_one(random) for _ in range(asked.harms)]).T
        median, late = np.quantile(counted, [0.5, 0.95], method="higher")
        latest = np.quantile(seconds, 0.95, method="higher")
        print(f"  {name}: {median:,.0f}, {late:,.0f}, within {latest:.0f} s", flush=True)
    for name, harmless in HARMLESS.items():
        withdrawn = sum(ramp(random, harmless, policy=RAMP, looks=seldom)[0] != "promoted" for _ in range(asked.ramps))
        promised = f"promised, where rows are independent: at most {BEFORE_PROMOTION:.1%}"
        print(f"{name} withdrawn: {withdrawn} of {asked.ramps} ({promised})", flush=True)


if __name__ == "__main__":
    main()
