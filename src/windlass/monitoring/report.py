"""Has the data drifted? One question to ask with files, frames or saved profiles, once or window after window."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import msgspec

from windlass.decisions.drift import MINIMUM_ROWS, Effect, drifted_columns
from windlass.decisions.vigil import Vigil
from windlass.errors import DataError, UsageError
from windlass.monitoring.comparison import Judged, bins_of, judge, table_of
from windlass.monitoring.profiles import Profile, profile, profile_like, same_bins
from windlass.monitoring.state import WatchState, recall, remember


class ReportedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a report."""

    name: str
    alert: bool
    kind: str
    effect: Effect
    evidence: float
    """What stakes on a change of this column have won; an alarm needs 8,760 on average over the columns."""
    since: int
    """The window with which it most likely began, counted from 1."""
    least_shift: float | None
    """Numbers: the least shift of the mean, in standard deviations, that this reference can ever show for certain."""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows there are on either side."""

    reference: int
    current: int


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, as `--json` writes it."""

    alert: bool
    judged: bool
    """Whether the reference has rows enough to judge any column's values by."""
    reasons: tuple[str, ...]
    evidence: float
    """The mean over the columns."""
    evidence_needed: float
    windows: int
    """How many were judged together, this one included."""
    again: bool
    """The last window was given once more: it was not counted again."""
    columns: tuple[ReportedColumn, ...]
    """In the reference's order, those whose values are not judged last."""
    vanished: tuple[str, ...]
    """Columns that the current side lacks or has with another type: an alert."""
    retyped: dict[str, str]
    """Those that it has with another type -> which."""
    unknown: tuple[str, ...]
    """Columns that the reference does not have; they are not judged."""
    unwatched: dict[str, str]
    """Columns whose values are not judged, each with its reason; whether they are there is."""
    uneven: tuple[str, ...]
    """Columns whose reference differs within itself, between stretches of its rows, more than chance explains: there a
    guarantee for rows that are independent says less, unless the seasons are declared."""
    rows: Rows
    seconds: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A report, what it rests on, and what to hand to the next call."""

    report: DriftReport
    reference: Profile
    current: Profile
    state: WatchState


def drift(reference: Any, current: Any, *, state: WatchState | None = None, seasons: bool = False) -> Comparison:
    """Compare `current` with `reference`; either is a frame (see `tables.as_frame`), the reference also a `Profile`.

    `state` is what the call for the window before returned: then all windows are judged together, and at most one false
    alert comes in 8,760 of them on average. `seasons`: what stretches of the reference, in the order of its rows, did
    among themselves is no news. Raises DataError for a reference in which nothing can be watched, and UsageError for a
    profile of the current rows that has other bins than the reference.
    """
    started = perf_counter()
    held = reference if isinstance(reference, Profile) else profile(reference)
    window = current if isinstance(current, Profile) else profile_like(held, current)
    return compare_profiles(held, window, state=state, seasons=seasons, started=started)


def compare_profiles(
    reference: Profile,
    current: Profile,
    *,
    state: WatchState | None = None,
    seasons: bool = False,
    started: float | None = None,
    window: str = "",
) -> Comparison:
    """The same of profiles; `current` was made with the reference's bins. `started`: `perf_counter` at the start.

    `window`: what the current rows are known by; if the state's last window was known by the same, they are judged as
    they were then, and not counted again. Empty: it is a window of its own.
    """
    begun = perf_counter() if started is None else started
    if not reference.rows:
        raise DataError("the reference has no rows", remedy="check what wrote it, or name another")
    if not reference.judged:
        why = "; ".join(f"{name}: {reason}" for name, reason in reference.unwatched.items()) or "it has no columns"
        raise DataError(f"nothing in the reference can be watched: {why}", remedy="give a reference with other columns")
    if not same_bins(current, reference):
        raise UsageError(
            "the profile of the current rows has other bins than the reference",
            remedy="make it with those of the reference: profile_like(reference, rows)",
        )
    bins = bins_of(reference.judged, seasons=seasons)
    before = Vigil.begin(bins) if state is None else recall(state, reference, bins, seasons=seasons)
    own = {column.name: column for column in current.judged}
    columns = [own.get(column.name) for column in reference.judged]
    last = table_of(reference.judged, [None if each is None else each.counts for each in columns])
    again = bool(window) and state is not None and state.last == window
    vigil = before if again else before.after(bins, last)
    judged = judge(
        reference,
        vigil,
        bins,
        last,
        now=datetime.now(UTC),
        rows=current.rows,
        vanished=current.vanished,
        retyped=current.retyped,
        window=columns,
    )
    return Comparison(
        report=_report(reference, current, judged, seasons=seasons, again=again, started=begun),
        reference=reference,
        current=current,
        state=remember(vigil, reference, seasons=seasons, last=window),
    )


def _report(
    reference: Profile, current: Profile, judged: Judged, *, seasons: bool, again: bool, started: float
) -> DriftReport:
    evidence, decision = judged.evidence, judged.decision
    drifted = {column.name for column in drifted_columns(evidence)} if decision.verdict == "alarm" else set()
    uneven = () if seasons else tuple(each.name for each in reference.judged if each.varies)
    return DriftReport(
        alert=decision.verdict == "alarm",
        judged=reference.rows >= MINIMUM_ROWS,
        reasons=decision.reasons,
        evidence=evidence.mean,
        evidence_needed=float(decision.numbers["evidence_needed"] or 0),
        windows=evidence.windows,
        again=again,
        columns=tuple(
            ReportedColumn(
                name=column.name,
                alert=column.name in drifted or column.name in evidence.vanished,
                kind=column.kind,
                effect=column.effect,
                evidence=column.evidence,
                since=column.since,
                least_shift=column.least_shift,
            )
            for column in evidence.columns
        ),
        vanished=evidence.vanished,
        retyped=current.retyped,
        unknown=current.unknown,
        unwatched=reference.unwatched,
        uneven=uneven,
        rows=Rows(reference=reference.rows, current=current.rows),
        seconds=perf_counter() - started,
    )
