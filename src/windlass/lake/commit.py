"""From segments into the tables, each record exactly once.

How far a writer's records are in a table is recorded in the very commit that brings them there: as a Delta transaction
whose application is the writer and whose version is a position, `index of its segment << 40 | offset in it`. Records
up to that position are in, the others are not, wherever a committer was killed. A segment is deleted when its writer is
done with it and all tables have taken all of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from windlass.crashpoints import crashpoint
from windlass.errors import LakeError
from windlass.lake.layout import SEQUENCE
from windlass.lake.reader import Segment, has_writer, list_segments, read_segment, set_aside
from windlass.lake.recent import Recent
from windlass.lake.segments import UNNAMED
from windlass.lake.served import OUTCOMES, PREDICTIONS, empty, is_label, measurement_rows, outcome_rows, prediction_rows
from windlass.lake.table import Table
from windlass.records.capture import Captured, MeasurementBatch, OutcomeBatch, PredictionBatch

_SHIFT = 40


class Committed(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one call brought into the lake."""

    predictions: pl.DataFrame
    outcomes: pl.DataFrame
    segments: int
    """Files that are wholly in the lake and deleted."""
    problems: tuple[str, ...]
    """Whole sentences: damaged files that were set aside, outcomes that are no labels, tables that stay untidy."""
    more: bool = False
    """The call took as much as it may at once, and there is more."""


@dataclass(kw_only=True)
class _Intake:
    """What one table is to take in."""

    table: Table
    kind: type[Captured]
    batches: list[Any] = field(default_factory=list)
    moves: dict[str, tuple[int | None, int]] = field(default_factory=dict)
    _before: dict[str, int | None] = field(default_factory=dict)

    def offer(self, batch: Captured, *, writer: str, position: int) -> None:
        """Take `batch` if it belongs here and is not here yet."""
        if not isinstance(batch, self.kind):
            return
        if writer not in self._before:
            self._before[writer] = self.table.transaction(writer)
        before = self._before[writer]
        if before is None or position > before:
            self.batches.append(batch)
            self.moves[writer] = (before, position)


@dataclass(kw_only=True)
class _Haul:
    """Everything that one call found, before anything is committed."""

    answers: _Intake
    labels: _Intake
    measured: _Intake
    read: dict[Path, int] = field(default_factory=dict)
    done: list[Segment] = field(default_factory=list)
    damaged: list[Segment] = field(default_factory=list)
    bytes: int = 0
    full: bool = False


class Committer:
    """Brings the segments of one product into its three tables."""

    def __init__(self, *, predictions: Table, outcomes: Table, measurements: Table) -> None:
        self._predictions = predictions
        self._outcomes = outcomes
        self._measurements = measurements
        self._read: dict[Path, int] = {}
        """How far segments that are still being written have been taken in, so as not to read them again."""
        self._recent = Recent()
        self._unnamed: set[Path] = set()
        """Files without a name yet, as they lay there at the last call."""

    @property
    def _all(self) -> tuple[Table, ...]:
        return self._predictions, self._outcomes, self._measurements

    def _last_answers(self, count: int) -> Iterator[tuple[Any, ...]]:
        """Of the answers in the lake the last `count`, as `Recent` knows them."""
        if not self._predictions.exists:
            return iter(())
        first = self._predictions.next_sequence() - count
        rows = self._predictions.read(
            lambda every: (
                every.filter(pl.col(SEQUENCE) >= first)
                .sort(SEQUENCE)
                .select("prediction_id", "version", "stage", pl.col("error").is_not_null())
            )
        )
        return rows.iter_rows()

    def commit(self, folder: Path, *, limit_bytes: int) -> Committed:
        """Take in what is new below `folder`, at most about `limit_bytes` of it.

        Raises LakeError when nothing could be committed; then nothing is lost, and the next call tries again.
        """
        for table in self._all:
            table.refresh()
        haul = self._collect(folder, limit_bytes=limit_bytes)
        if haul.answers.batches:
            crashpoint("segment.read")
        problems: list[str] = []
        predictions = empty(PREDICTIONS)
        if haul.answers.batches:
            fresh, came = self._recent.fresh(haul.answers.batches, self._last_answers)
            predictions = self._predictions.append(prediction_rows(fresh), moves=haul.answers.moves)
            self._recent.add(came)
            crashpoint("segment.answers")
        outcomes, complete = self._commit_outcomes(haul.labels, problems)
        if haul.labels.batches:
            crashpoint("segment.labels")
        complete = self._commit_measurements(haul.measured, problems) and complete
        if self._settle(problems) and complete:
            self._read = haul.read
            if haul.done:
                crashpoint("segment.settled")
            problems += [_put_aside(segment) for segment in haul.damaged]
            problems += _delete(haul.done)
            if haul.done:
                crashpoint("segment.deleted")
        self._tidy(problems)
        self._clear(folder)
        return Committed(
            predictions=predictions,
            outcomes=outcomes,
            segments=sum(not segment.path.exists() for segment in haul.done),
            problems=tuple(problems),
            more=haul.full,
        )

    def _settle(self, problems: list[str]) -> bool:
        """Whether what was committed is on the disk, so that segments may go."""
        try:
            for table in self._all:
                table.settle()
        except LakeError as error:
            problems.append(f"the tables could not be synced, so the segments are kept: {error.fault}")
            return False
        return True

    def _tidy(self, problems: list[str]) -> None:
        for table in self._all:
            try:
                table.tidy()
            except LakeError as error:
                problems.append(f"small files could not be put together, which only costs time: {error.fault}")

    def _clear(self, folder: Path) -> None:
        """Delete what writers have left that were killed while they began a file. Nothing is in it. One that is alive
        gives it its name at once; where it was stopped in between, it finds that it has to begin another."""
        unnamed = set(folder.rglob(f"*{UNNAMED}"))
        for path in unnamed & self._unnamed:
            with contextlib.suppress(OSError, LakeError):  # it is tried again at the next call
                if not has_writer(path):
                    path.unlink()
        self._unnamed = unnamed

    def _collect(self, folder: Path, *, limit_bytes: int) -> _Haul:
        haul = _Haul(
            answers=_Intake(table=self._predictions, kind=PredictionBatch),
            labels=_Intake(table=self._outcomes, kind=OutcomeBatch),
            measured=_Intake(table=self._measurements, kind=MeasurementBatch),
        )
        for segments in list_segments(folder).values():
            for segment in segments:
                if haul.bytes >= limit_bytes:
                    haul.full = True
                    return haul
                if not self._take(segment, haul):
                    break
        return haul

    def _take(self, segment: Segment, haul: _Haul) -> bool:
        """Offer the records of `segment`; False when no later one of its writer can count yet, who is still at it."""
        start = self._read.get(segment.path, 0)
        try:
            live = has_writer(segment.path)  # asked before reading: what is read of a dead writer's file is all of it
            reading = read_segment(segment.path, start)
        except FileNotFoundError:
            return False  # a committer whose lease is gone had one left to delete: it is in the tables
        for end, batch in reading.records:
            position = (segment.index << _SHIFT) | end
            for intake in (haul.answers, haul.labels, haul.measured):
                intake.offer(batch, writer=segment.writer, position=position)
        haul.read[segment.path] = reading.end
        haul.bytes += reading.end - start
        if live and reading.stop != "finished":
            return False
        (haul.damaged if reading.stop == "corrupt" else haul.done).append(segment)
        return True

    def _commit_outcomes(self, labels: _Intake, problems: list[str]) -> tuple[pl.DataFrame, bool]:
        """The committed rows, and whether all went well: by now predictions may be in, and must be told of."""
        if not labels.batches:
            return empty(OUTCOMES), True
        kept = [
            batch
            if all(map(is_label, batch.outcomes))
            else msgspec.structs.replace(batch, outcomes=tuple(filter(is_label, batch.outcomes)))
            for batch in labels.batches
        ]
        dropped = sum(len(batch.outcomes) for batch in labels.batches) - sum(len(batch.outcomes) for batch in kept)
        if dropped:
            problems.append(f"{dropped} outcomes were not finite numbers and were left out")
        rows = outcome_rows(kept)
        try:
            # The pipeline writes outcomes too, from another process.
            return self._outcomes.retrying(lambda: self._outcomes.append(rows, moves=labels.moves)), True
        except LakeError as error:
            problems.append(f"outcomes could not be committed and stay in their segments: {error.fault}")
            return empty(OUTCOMES), False

    def _commit_measurements(self, measured: _Intake, problems: list[str]) -> bool:
        """Whether all went well: by now the others may be in, and must be told of."""
        try:
            if measured.batches:
                self._measurements.append(measurement_rows(measured.batches), moves=measured.moves)
        except LakeError as error:
            problems.append(f"measurements could not be committed and stay in their segments: {error.fault}")
            return False
        return True


def _put_aside(segment: Segment) -> str:
    try:
        aside = set_aside(segment)
    except OSError as error:
        return f"the damaged segment {segment.path} could not be set aside: {error.strerror}"
    return (
        f"the segment {segment.path.name} is damaged; what came before the damage is in the lake, the rest in {aside}"
    )


def _delete(segments: list[Segment]) -> list[str]:
    """Complaints about what could not be deleted; it will be tried again, and no record counts twice."""
    complaints = []
    for segment in segments:
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            complaints.append(f"the segment {segment.path} is in the lake but cannot be deleted: {error.strerror}")
    return complaints
