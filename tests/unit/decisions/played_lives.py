"""Whole lives of versions that are no worse than the one before, played by chance: from shadow to the end of probation.

What is played is what the lake would hold: captured answers and their labels. It is read and judged by the very
functions of a release. Both versions err, fail and take as long alike; all else is as it may be:

- Requests come in bursts. Two in three are of keys that are asked about again and again, some much more than others.
- A machine has the moods of `played_probation`, which both versions meet. One call in 2,000 pauses for seconds. What a
  challenger has not answered in time counts as its failure, by the rule of the workers (`Calls`); a champion has none.
- The first call of a version in a worker takes half a second longer, and its first ten three times as long.
- 0.5 % of the requests fail by chance; and 60 % do while what both depend on is away, for three minutes once a day.
- Outcomes come late, those of one class (of large values) later; numbers have a heavy tail.
- A worker's memory fills a cache, and rises and falls with what is asked.

What is undecided goes on until it is decided, by the deadline at the latest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.decisions.leak import leaking
from windlass.decisions.release import decide_release
from windlass.decisions.rollback import decide_rollback
from windlass.decisions.statistics.agreement import row_gaps, scale_of
from windlass.decisions.statistics.completeness import Usual
from windlass.decisions.statistics.divergence import ks_distance
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.product.labels import LabelCodec
from windlass.product.policy import Release
from windlass.records.decision import Decision
from windlass.records.state import ReleaseState
from windlass.release.evidence import Expected, release_evidence
from windlass.release.losses import gaps_of, paired_losses
from windlass.release.probation import Seen, rollback_evidence
from windlass.serving.versions.patience import Calls

from .played_probation import moods  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 86_400.0
NEW, OLD = "v2", "v1"
WITHIN = timedelta(days=1)
USUAL = Usual.of(np.ones(1000, dtype=bool))
_WORKERS, _KEYS = 2, 500
_TIMED = 3.0
"""Seconds from one call of the control to the next."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What is asked, and of what."""

    a_minute: float
    numbers: bool = False
    """Answers are numbers with a heavy tail, not probabilities."""
    plan: Release
    slower: float = 1.0
    """How many times as long the version takes as the one before: 1 does no harm."""
    worse: float = 0.0
    """How much more its answers are off."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """`n` requests of one row each; moments are seconds since the life began."""

    number: Array
    """One for each, in the whole life."""
    at: Array
    call: Array
    """The number of the call of a model that each is part of."""
    key: Array
    place: Array
    """In 0..1: where the hash of the key falls."""
    truth: Array
    known: Array
    """When the outcome is known."""
    said: dict[str, Array]
    """What each version answers."""
    fails: dict[str, Array]
    mood: Array
    """How many times as long a call takes."""

    def __len__(self) -> int:
        return len(self.at)


class Life:
    """One release."""

    def __init__(self, random: np.random.Generator, traffic: Traffic) -> None:
        self.random, self.traffic = random, traffic
        self.places = random.random(_KEYS)
        self.away = np.arange(60) * DAY + random.uniform(0, DAY, 60)
        self.moods = moods(random, 1440 * (3 + traffic.plan.probation.days))
        self.now = DAY
        self.tried: float | None = None
        """Seconds from the first row to the promotion; None: it was not promoted."""
        self.asked = 0
        self.called = {version: np.zeros(_WORKERS, dtype=int) for version in (NEW, OLD)}
        self.called[OLD] += 1000
        self.calls = {version: [Calls() for _ in range(_WORKERS)] for version in (NEW, OLD)}
        self.codec = LabelCodec.from_manifest("regression" if traffic.numbers else "binary", self.classes)
        holdout = self.requests(2000, since=0.0)
        new, old = holdout.said[NEW], holdout.said[OLD]
        self.scale = float(scale_of(old)) if traffic.numbers else 1.0
        self.expected = Expected(
            shift=ks_distance(new, old), gap=float(row_gaps(new, old, scale=self.scale).mean()), scale=self.scale
        )
        losses = np.abs(new - holdout.truth)
        self.bound = float(np.quantile(losses, 0.99)) if traffic.numbers else 1.0

    @property
    def classes(self) -> list[bool]:
        return [] if self.traffic.numbers else [False, True]

    def end(self) -> str:
        """`promoted`, or why the version was withdrawn or rolled back."""
        plan = self.traffic.plan
        before: list[pl.DataFrame] = []
        for stage, share in [("shadow", 0.0), *(("canary", share) for share in plan.canary)]:
            decision, captured = self._stage(stage, share)
            if decision.verdict != "advance":
                return f"{stage} {share:.0%}: {decision.verdict}: {decision.reasons[0]}"
            before.append(captured)
        self.tried = self.now - DAY
        decision = self._probation(pl.concat(before))
        return "promoted" if decision.verdict == "keep" else f"probation: {decision.reasons[0]}"

    def requests(self, count: int, *, since: float) -> Asked:
        random = self.random
        bursts = np.repeat(random.lognormal(0, 1, count // 40 + 1), 40)[:count]
        at = since + np.cumsum(random.exponential(60 / self.traffic.a_minute, count) / bursts)
        call = np.cumsum(np.diff(at, prepend=-1.0) >= 0.01)
        at = at[np.searchsorted(call, call)]
        often = random.random(count) < 2 / 3
        key = np.where(often, (_KEYS ** random.random(count)).astype(int) - 1, _KEYS + self.asked + np.arange(count))
        place = np.where(often, self.places[np.minimum(key, _KEYS - 1)], random.random(count))
        offs = ((NEW, self.traffic.worse if at[0] >= DAY else 0.0), (OLD, 0.0))  # what no gate has seen
        if self.traffic.numbers:
            usual = 10 * random.lognormal(0, 1.2, count)
            truth = usual * random.lognormal(0, 0.4, count)
            said = {version: usual * random.lognormal(0, 0.15 + off, count) for version, off in offs}
            late = truth > 20
        else:
            usual = random.beta(1, 3, count)
            truth = random.random(count) < usual
            said = {version: np.clip(usual + random.normal(0, 0.06 + off, count), 0, 1) for version, off in offs}
            late = truth
        away = (at - self.away[np.searchsorted(self.away, at, side="right") - 1]) < 180
        failing = np.where(away & (at > self.away[0]), 0.6, 0.005)
        minute = ((at / 60).astype(int)) % len(self.moods)
        self.asked += count
        return Asked(
            number=np.arange(self.asked - count, self.asked),
            at=at,
            call=call,
            key=key,
            place=place,
            truth=truth,
            known=at + random.exponential(np.where(late, 6 * 3600.0, 600.0)),
            said=said,
            fails={version: random.random(count) < failing for version in (NEW, OLD)},
            mood=self.moods[minute, call % self.moods.shape[1]],
        )

    def took(self, version: str, asked: Asked, *, aside: bool = False) -> Array:
        """`(n,)` milliseconds, of the calls that the requests were part of; `aside`: by the process of a shadow."""
        calls = int(asked.call[-1]) + 1 if len(asked) else 0
        worker = self.random.integers(0, _WORKERS, calls)
        taken = 5.0 * self.random.lognormal(0, 0.4, calls)
        taken = taken + np.where(self.random.random(calls) < 1 / 2000, self.random.exponential(2000.0, calls), 0.0)
        if not aside:
            there = np.unique(asked.call)
            for each in range(_WORKERS):
                mine = there[worker[there] == each]
                number = self.called[version][each] + np.arange(len(mine))
                taken[mine] = taken[mine] * np.where(number < 10, 3, 1) + np.where(number == 0, 500.0, 0.0)
                self.called[version][each] += len(mine)
        taken *= self.traffic.slower if version == NEW else 1.0
        return taken[asked.call] * np.where(aside, np.sqrt(asked.mood), asked.mood)

    def _stage(self, stage: str, share: float) -> tuple[Decision, pl.DataFrame]:
        """How the stage ends, and what was captured until then."""
        plan = self.traffic.plan
        release = ReleaseState(
            release="r", version=NEW, previous=OLD, stage=stage, share=share, started_at=_moment(DAY),
            stage_started_at=_moment(self.now), plan={}, run=None,
        )  # fmt: skip
        needed = 1.5 * plan.shadow / 0.9 if stage == "shadow" else 12 * plan.minimum / share
        began = last = self.now
        captured, count = None, int(needed) + 200
        looks = np.geomspace(20, count, 16)
        while True:
            asked = self.requests(count, since=last)
            last = asked.at[-1]
            more = self._answered(asked, stage, share)
            captured = more if captured is None else pl.concat([captured, more])
            for seen in np.unique(np.append(looks.astype(int), count)):
                self.now = asked.at[seen - 1]
                decision, held = self._judged(release, captured, began)
                if decision.verdict != "wait":
                    return decision, held
            count = max(captured.height // 4, 100)
            looks = np.linspace(count / 4, count, 4)

    def _answered(self, asked: Asked, stage: str, share: float) -> pl.DataFrame:
        """What is captured of these requests in a stage."""
        theirs = np.ones(len(asked), dtype=bool) if stage == "shadow" else asked.place >= share
        mine = np.ones(len(asked), dtype=bool) if stage == "shadow" else asked.place < share
        own = self.took(NEW, _some(asked, mine), aside=stage == "shadow")
        others = np.zeros(len(asked))
        others[theirs] = self.took(OLD, _some(asked, theirs))
        failed = asked.fails[NEW][mine]
        if stage == "canary":
            failed = failed | self._given_up(asked, theirs, mine, own, others)
        again = np.zeros(len(asked), dtype=bool)
        again[mine] = failed & (stage == "canary")  # the champion stands in
        others[again] = 5.0
        theirs = theirs | again
        rows = [
            self._rows(_some(asked, mine), NEW, stage, own, failed),
            self._rows(_some(asked, theirs), OLD, "champion", others[theirs]),
        ]
        return pl.concat(rows).sort("at", maintain_order=True)

    def _judged(self, release: ReleaseState, captured: pl.DataFrame, began: float) -> tuple[Decision, pl.DataFrame]:
        """The decision as of now on a stage, and what it rests on."""
        now = _moment(self.now)
        held = captured.filter(pl.col("at") <= now)
        evidence = release_evidence(
            release,
            held.drop("value", "known_at"),
            champion=OLD,
            expected=self.expected,
            scale=self.scale,
            gaps=self._gaps(held) if release.stage == "shadow" else None,
            losses=self._losses(held, now, apart=release.stage == "canary"),
            refused=self._leak(self.now - began),
        )
        return decide_release(evidence, self.traffic.plan, now), held

    def _given_up(self, asked: Asked, theirs: Array, mine: Array, own: Array, others: Array) -> Array:
        """`(m,)`: what of the challenger's requests the champion had to answer, as it took too long."""
        given_up = np.zeros(len(own), dtype=bool)
        worker = self.calls[OLD][0]
        number = np.cumsum(mine) - 1
        for place in np.flatnonzero(np.diff(asked.call, prepend=-1)):
            if theirs[place]:
                worker.took(others[place] / 1000, 1)
            elif mine[place] and own[number[place]] / 1000 > worker.patience(1):
                given_up[number[place]] = number[place] > 0  # a first call may load
        return given_up

    def _probation(self, before: pl.DataFrame) -> Decision:
        plan, began = self.traffic.plan, self.now
        lasts = plan.probation.total_seconds()
        yesterday = self.requests(int(self.traffic.a_minute * 60 * 4), since=began - 4 * 3600)
        yesterday = _some(yesterday, yesterday.at < began)
        asked = self.requests(int(1.7 * lasts / 60 * self.traffic.a_minute), since=began)
        asked = _some(asked, asked.at < began + lasts)
        own, aside = self.took(NEW, asked), self.took(OLD, asked, aside=True)
        timed = _some(asked, np.diff((asked.at / _TIMED).astype(int), prepend=-1) > 0)
        since = _moment(began)
        captured = pl.concat(
            [
                self._rows(asked, NEW, "champion", own),
                self._rows(asked, OLD, "shadow", aside),
                self._rows(timed, OLD, "control", self.took(OLD, timed), np.zeros(len(timed), dtype=bool)),
            ]
        ).sort("at", maintain_order=True)
        past = self._rows(yesterday, OLD, "champion", self.took(OLD, yesterday))
        old = Seen(version=OLD, since=_moment(0.0)).after(
            pl.concat([past, before]).drop("probabilities", "value", "known_at")
        )
        decision = None
        for passed in (lasts / 24, lasts / 6, lasts / 2, lasts, 2 * lasts):
            now = _moment(began + passed)
            held = captured.filter(pl.col("at") <= now)
            seen = Seen(version=NEW, beside=OLD, since=since).after(held.drop("probabilities"))
            paired = self._losses(held.filter(pl.col("stage") != "control"), now)
            refused = self._leak(passed)
            decision = decide_rollback(rollback_evidence(seen, paired=paired, before=old, refused=refused), plan, now)
            if decision.verdict != "wait":
                break
        assert decision is not None
        return decision

    def _leak(self, seconds: float) -> str | None:
        """By what each worker told of its memory: every two seconds, and later of fewer."""
        at = np.unique(np.linspace(0, seconds, min(int(seconds / 2) + 1, 1000)))
        filled = 400 + 200 * (1 - np.exp(-at / 900)) + 30 * np.sin(2 * np.pi * at / DAY)
        for _ in range(_WORKERS):
            held = filled + np.abs(self.random.normal(0, 20, len(at))) + self.random.exponential(10, len(at))
            if leak := leaking(list(held)):
                return leak
        return None

    def _gaps(self, held: pl.DataFrame) -> Array:
        answered = held.filter(pl.col("error").is_null())
        sides = [answered.filter(version=version) for version in (NEW, OLD)]
        return gaps_of(*sides, codec=self.codec, old_codec=self.codec, scale=self.scale)

    def _losses(self, held: pl.DataFrame, now: datetime, *, apart: bool = False) -> PairedLosses:
        come = pl.col("known_at") <= now
        labelled = held.with_columns(pl.when(come).then(name).alias(name) for name in ("value", "known_at"))
        return paired_losses(
            labelled, new=NEW, old=OLD, codec=self.codec, bound=self.bound, now=now, within=WITHIN, usual=USUAL,
            apart=apart,
        )  # fmt: skip

    def _rows(self, asked: Asked, version: str, stage: str, taken: Array, failed: Array | None = None) -> pl.DataFrame:
        """What is captured of these requests, and their outcomes; `failed`: by whatever, not by chance alone."""
        failed = asked.fails[version] if failed is None else failed
        truth = asked.truth
        return pl.DataFrame(
            {
                "prediction_id": pl.Series(asked.number).cast(pl.String) + "-0",
                "at": _moments(asked.at),
                "version": [version] * len(truth),
                "stage": [stage] * len(truth),
                "key": pl.Series(asked.key).cast(pl.String),
                "score": np.where(failed, np.nan, asked.said[version]),
                "probabilities": pl.Series([None] * len(truth), dtype=pl.List(pl.Float64)),
                "latency_ms": np.round(np.where(failed, 0.0, taken), 3),
                "error": pl.Series(np.where(failed, "it raised", ""), dtype=pl.String).replace("", None),
                "value": pl.Series(truth if self.traffic.numbers else np.where(truth, "true", "false")).cast(pl.String),
                "known_at": _moments(asked.known),
            }
        )


def _some(asked: Asked, which: Array) -> Asked:
    """The requests for which `which` holds."""
    parts = {
        name: getattr(asked, name)[which] for name in ("number", "at", "call", "key", "place", "truth", "known", "mood")
    }
    said, fails = ({version: each[which] for version, each in of.items()} for of in (asked.said, asked.fails))
    return Asked(**parts, said=said, fails=fails)


def _moment(seconds: float) -> datetime:
    return START + timedelta(seconds=float(seconds))


def _moments(seconds: Array) -> pl.Series:
    begun = np.datetime64(START.replace(tzinfo=None), "us")
    return pl.Series(begun + (seconds * 1e6).astype("timedelta64[us]")).dt.replace_time_zone("UTC")
