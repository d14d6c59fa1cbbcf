"""What is kept in memory of one champion: from captured rows to the evidence of drift and decay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from windlass.controller.captured import asked_groups, watched_features
from windlass.lake.layout import SEQUENCE
from windlass.monitoring.drifting import WindowCounts
from windlass.monitoring.reference import Reference
from windlass.monitoring.watch import Watch
from windlass.product.labels import UNKNOWN, LabelCodec
from windlass.records.routing import ANSWERED
from windlass.release.losses import predictions_of

_LONGEST = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class JudgedWindow:
    """A window that drift was judged on, and where it ended."""

    through: int
    """The lake's sequence of its last answer."""
    upto: int
    """Watched answers until then."""
    at: datetime
    window: WindowCounts


@dataclass(kw_only=True)
class Eyes:
    """The watch on one version, fed the same way whether rows have just come or are read again after a restart.

    Drift is judged on windows that are cut at fixed numbers of rows, counted from the version's first answer (or the
    first after those that are its reference), and a row counts as answered at the end of a stretch of time, not of the
    commit that brought it. So what is judged does not depend on when anybody looked.
    """

    version: str
    reference: Reference
    codec: LabelCodec
    watch: Watch
    window: int
    within: timedelta
    seen: int = 0
    """Rows that it answered so far and that are watched."""
    waiting_since: datetime | None = None
    """The oldest answer whose outcome may still come."""
    judged: list[JudgedWindow] = field(default_factory=list)
    """Windows that drift was judged on and that are not in the lake yet."""
    unknown: list[str] = field(default_factory=list)
    """Labels that came for its answers and that it does not know."""

    def observe(self, captured: pl.DataFrame, *, features: bool = True, given_up: datetime | None = None) -> None:
        """Answers in the order in which they came into the lake; `features`: they count for drift too.

        Answers up to `given_up` are not waited for any more, so it does not matter when exactly they were given.
        """
        answered = captured.filter(
            pl.col("version") == self.version, pl.col("stage").is_in(ANSWERED), pl.col("error").is_null()
        )
        for moment, rows in self._stretches(answered, window=self.window if features else None, given_up=given_up):
            self.watch.observe(
                watched_features(rows, self.reference) if features else None,
                predictions_of(rows["score"], rows["probabilities"], self.codec),
                rows["prediction_id"],
                at=moment,
                groups=asked_groups(rows, self.reference.slices),
            )
            self.seen += rows.height
            if features and self.seen % self.window == 0:
                at = latest(rows) or moment
                window = self.watch.end_window(at)
                if window is not None:
                    self.judged.append(
                        JudgedWindow(through=int(rows[SEQUENCE][-1]), upto=self.seen, at=at, window=window)
                    )
        if self.waiting_since is None:
            self.waiting_since = earliest(answered)

    def mature(self, labelled: pl.DataFrame, now: datetime) -> None:
        """Settle what has become known; `labelled` holds the version's answers since `waiting_since`, with `value`."""
        known = labelled.filter(pl.col("value").is_not_null()).sort("observed_at", maintain_order=True)
        known = known.with_columns(_truth=self.codec.encode_texts(known["value"]))
        new_class = (pl.col("_truth") == UNKNOWN) & pl.lit(self.codec.kind == "multiclass")
        strange = known.filter(pl.col("_truth").is_null() | new_class)["value"].unique().sort().head(5).to_list()
        self.unknown = sorted({*self.unknown, *strange})[:5]
        known = known.filter(pl.col("_truth").is_not_null())
        self.watch.mature(known["prediction_id"], known["_truth"].to_numpy())
        waiting = labelled.filter(pl.col("value").is_null(), pl.col("at") >= now - self.within)
        self.waiting_since = earliest(waiting) or latest(labelled) or self.waiting_since

    def _stretches(
        self, answered: pl.DataFrame, *, window: int | None, given_up: datetime | None
    ) -> Iterator[tuple[datetime, pl.DataFrame]]:
        """The rows in their order, cut where a window is full and where another stretch of time begins."""
        if not answered.height:
            return
        length = min(_LONGEST, max(self.within / 100, timedelta(milliseconds=1)))
        stretch = pl.col("at").dt.truncate(f"{length // timedelta(microseconds=1)}us")
        if given_up is not None:
            settled = pl.lit(given_up - 2 * length, dtype=answered.schema["at"])
            stretch = pl.max_horizontal(stretch, settled)
        full = pl.lit(0) if window is None else (pl.int_range(pl.len()) + self.seen) // window
        cut = answered.with_columns(_stretch=stretch, _run=pl.struct(stretch, full).rle_id())
        for rows in cut.partition_by("_run", maintain_order=True):
            yield rows["_stretch"][0] + length, rows


def earliest(frame: pl.DataFrame) -> datetime | None:
    """The first moment of the column `at`; None when there are no rows."""
    return frame["at"].min()  # type: ignore[return-value]


def latest(frame: pl.DataFrame) -> datetime | None:
    """The last moment of the column `at`; None when there are no rows."""
    return frame["at"].max()  # type: ignore[return-value]
