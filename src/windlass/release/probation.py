"""From captured answers to what a probation is judged on: of both versions, minute by minute.

A probation lasts for days. So what is over is kept as figures, and only the newest rows are held.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.decisions.rollback import RollbackEvidence
from windlass.decisions.slowness import QUICKEST, Stretches
from windlass.decisions.statistics.paired_losses import PairedLosses
from windlass.release.evidence import ANSWERED, CALLER, calls_of, requests_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

COLUMNS = ("prediction_id", "at", "version", "stage", "key", "score", "latency_ms", "error")
"""What is needed of each captured answer."""
_MINUTE, _FEW_CALLS = "1m", 20
"""A stretch is a minute, or as many as it takes for so many calls."""
_LATE = timedelta(minutes=10)
"""How much later than others answers reach the lake at the most: of a shadow that stands back, say."""
_COUNTS = ("requests", "errors", "beside", "beside_errors")
_ALIKE = ("callers", "alike", "beside_callers", "beside_alike")
_MINUTES = {"minute": pl.Datetime("us", "UTC"), **dict.fromkeys((*_COUNTS, *_ALIKE), pl.UInt32())}
_STRETCHES = {"at": pl.Datetime("us", "UTC"), "quickest": pl.Float64(), "beside": pl.Float64(), "control": pl.Float64()}


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What a version has answered, and another one beside it: figures of what is over, and the newest rows, of which
    some may not be here yet."""

    version: str
    beside: str = ""
    """Who answers the same in shadow, and is timed as its control; empty: nobody."""
    since: datetime
    minutes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_MINUTES))
    """Requests of the version, and those that failed; and the same of who answers beside it in shadow. Then callers,
    and those of them whose first answer was the most frequent one, likewise."""
    stretches: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_STRETCHES))
    rows: pl.DataFrame | None = None

    def after(self, captured: pl.DataFrame) -> Seen:
        """With more answers (`COLUMNS`), in any order."""
        new = captured.filter(pl.col("at") >= self.since).select(COLUMNS)
        rows = (new if self.rows is None else pl.concat([self.rows, new])).sort("at", maintain_order=True)
        if not rows.height:
            return self
        found = self._stretches(rows)
        begun = found.filter(pl.col("at") <= pl.lit(rows["at"][-1] - _LATE))
        if begun.height < 2:
            return replace(self, rows=rows)
        over = pl.col("at") < pl.lit(begun["at"][-1])
        return replace(
            self,
            minutes=_summed(self.minutes, self._minutes(rows.filter(over))),
            stretches=pl.concat([self.stretches, found.filter(over)]),
            rows=rows.filter(~over),
        )

    def by_minute(self) -> pl.DataFrame:
        """`minute`, and `requests`, `errors` and `callers` of either in it; the last one may go on."""
        return self.minutes if self.rows is None else _summed(self.minutes, self._minutes(self.rows))

    def under_way(self) -> tuple[int, int]:
        """Requests of the last minute, and those that failed, among those that who answers beside it has answered, if
        there is anybody: one by one, since of a minute that goes on the two have not been asked the same yet."""
        if self.rows is None or not self.rows.height:
            return 0, 0
        last = self.rows.filter(pl.col("at") >= self.rows["at"][-1:].dt.truncate(_MINUTE).item())  # they are in order
        own = self._own(last)
        if self.beside:
            others = last.filter(pl.col("version") == self.beside, pl.col("stage") == "shadow").filter(ANSWERED)
            own = own.join(others.select("prediction_id").unique(), on="prediction_id", how="semi")
        asked = requests_of(own)
        return asked.height, int(asked["failed"].sum())

    def by_stretch(self) -> pl.DataFrame:
        """`at`, `quickest`, `beside` and `control` of each stretch that is over."""
        return self.stretches if self.rows is None else pl.concat([self.stretches, self._stretches(self.rows)[:-1]])

    def _own(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col("version") == self.version, pl.col("stage") != "shadow")

    def _minutes(self, rows: pl.DataFrame) -> pl.DataFrame:
        own, others = self._own(rows), rows.filter(pl.col("version") == self.beside, pl.col("stage") == "shadow")
        found = _counted(own, "requests", "errors")
        for more in (
            _counted(others, "beside", "beside_errors"),
            _answered_alike(own, "callers", "alike"),
            _answered_alike(others, "beside_callers", "beside_alike"),
        ):
            found = found.join(more, on="minute", how="left")
        return found.select("minute", *(pl.col(name).cast(_MINUTES[name]).fill_null(0) for name in (*_COUNTS, *_ALIKE)))

    def _stretches(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those that are not over among them."""
        quickest = _by_stretch(calls_of(self._own(rows).filter(ANSWERED)))
        in_shadow, as_control = pl.col("stage") == "shadow", pl.col("stage") == "control"
        others = rows.filter(pl.col("version") == self.beside, in_shadow | as_control).filter(ANSWERED)
        within = calls_of(others).join_asof(quickest.select("at", begun="at"), on="at").group_by("begun")
        took = pl.col("latency_ms")
        beside = within.agg(beside=took.filter(in_shadow).median(), control=took.filter(as_control).quantile(QUICKEST))
        found = quickest.join(beside, left_on="at", right_on="begun", how="left", maintain_order="left")
        return found.select(pl.col(name).cast(dtype) for name, dtype in _STRETCHES.items())


def rollback_evidence(
    seen: Seen, *, paired: PairedLosses, before: Seen | None = None, asks: float = 1.0, refused: str | None = None
) -> RollbackEvidence:
    """Evidence of a probation: what was `seen` of the new champion since it began, and of the one before while that one
    answered. None: of before nothing is known. `asks`: how many times as many models the new one asks."""
    minutes, stretches = seen.by_minute(), seen.by_stretch()
    past = None if before is None else before.by_minute()
    return RollbackEvidence(
        started_at=seen.since,
        losses=paired,
        requests=int(minutes["requests"].sum()),
        errors=int(minutes["errors"].sum()),
        previous_requests=0 if past is None else int(past["requests"].sum()),
        previous_errors=0 if past is None else int(past["errors"].sum()),
        under_way=seen.under_way(),
        by_minute=minutes.select(_COUNTS)[:-1].cast(pl.Int64).to_numpy(),
        alike_by_minute=minutes.select(_ALIKE)[:-1].cast(pl.Int64).to_numpy(),
        latency=Stretches(
            quickest=stretches["quickest"].to_numpy(),
            beside=stretches["beside"].fill_null(np.nan).to_numpy(),
            control=stretches["control"].fill_null(np.nan).to_numpy(),
            before=np.empty(0) if before is None else before.by_stretch()["quickest"].to_numpy(),
            asks=asks,
        ),
        refused=refused,
    )


def _summed(*minutes: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(minutes).group_by("minute").agg(pl.col(*_COUNTS, *_ALIKE).sum()).sort("minute")


def _counted(rows: pl.DataFrame, requests: str, errors: str) -> pl.DataFrame:
    asked = requests_of(rows).group_by(pl.col("at").dt.truncate(_MINUTE).alias("minute"))
    return asked.agg(pl.len().alias(requests), pl.col("failed").sum().alias(errors))


def _answered_alike(rows: pl.DataFrame, callers: str, alike: str) -> pl.DataFrame:
    """Callers of each minute, and those whose first answer in it was the most frequent one. A caller who asks again
    gets the same answer, which says nothing; one without a key is somebody else each time."""
    minute = pl.col("at").dt.truncate(_MINUTE)
    first = rows.filter(ANSWERED).group_by(minute=minute, caller=CALLER).agg(pl.col("score").first())
    counts = pl.col("score").unique_counts().max().alias(alike)
    return first.group_by("minute").agg(pl.len().alias(callers), counts)


def _by_stretch(calls: pl.DataFrame) -> pl.DataFrame:
    """`at`, when each stretch began, and `quickest`: what the quickest tenth of its calls took at most."""
    minutes = calls.group_by(pl.col("at").dt.truncate(_MINUTE).alias("minute")).len().sort("minute")
    numbers, number, calls_in = [], 0, 0
    for count in minutes["len"]:
        if calls_in >= _FEW_CALLS:
            number, calls_in = number + 1, 0
        numbers.append(number)
        calls_in += count
    places = minutes.select("minute", stretch=pl.Series(numbers, dtype=pl.Int64))
    known = calls.with_columns(minute=pl.col("at").dt.truncate(_MINUTE)).join(places, on="minute")
    found = known.group_by("stretch").agg(quickest=pl.col("latency_ms").quantile(QUICKEST), at=pl.col("minute").min())
    return found.sort("stretch").drop("stretch")
