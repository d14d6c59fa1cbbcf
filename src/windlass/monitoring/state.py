"""What a watch remembers from one window to the next."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import msgspec
import numpy as np

from windlass.decisions.statistics.detector import Detector, Start
from windlass.decisions.statistics.urn import Bins
from windlass.decisions.vigil import Alarm, Vigil
from windlass.errors import DataError
from windlass.monitoring.profiles import Profile

_NEVER = -1e300
"""Stands for the logarithm of no evidence at all, which JSON cannot write."""


class StartState(msgspec.Struct, frozen=True, kw_only=True):
    """A `detector.Start` as plain data."""

    window: int
    before: list[list[int]]
    log_stake: list[float]


class AlarmState(msgspec.Struct, frozen=True, kw_only=True):
    """A `vigil.Alarm` as plain data."""

    raised: int
    until: int
    since: list[int]
    log_evidence: list[float]


class WatchState(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence of all windows so far against one reference."""

    reference: str
    """Digest of the reference's bins and counts: the evidence means nothing against another."""
    seasons: bool
    windows: int
    """All of them."""
    watched: int
    """Those since the last alarm, which the rest is about."""
    total: list[list[int]]
    starts: list[StartState]
    log_evidence: list[float] = []
    since: list[int] = []
    """What the last window was told to show, of each column. Empty in states written before this was kept: then a
    window that is given again tells of no evidence."""
    alarm: AlarmState | None = None
    last: str = ""
    """What the last window is known by (`window_of`), where files are judged: it may be given again by mistake."""


def remember(vigil: Vigil, reference: Profile, *, seasons: bool, last: str = "") -> WatchState:
    """The vigil as plain data."""
    detector, alarm = vigil.detector, vigil.alarm
    return WatchState(
        reference=digest_of(reference),
        seasons=seasons,
        windows=vigil.windows,
        watched=detector.windows,
        total=detector.total.tolist(),
        last=last,
        log_evidence=np.maximum(detector.log_evidence, _NEVER).tolist(),
        since=detector.since.tolist(),
        starts=[
            StartState(window=start.window, before=start.before.tolist(), log_stake=start.log_stake.tolist())
            for start in detector.starts
        ],
        alarm=None
        if alarm is None
        else AlarmState(
            raised=alarm.raised,
            until=alarm.until,
            since=alarm.since.tolist(),
            log_evidence=alarm.log_evidence.tolist(),
        ),
    )


def recall(state: WatchState, reference: Profile, bins: Bins, *, seasons: bool) -> Vigil:
    """The vigil that was remembered. Raises DataError when it belongs to another reference."""
    if state.reference != digest_of(reference):
        raise DataError(
            "the state belongs to another reference",
            remedy="give the reference it was begun with, or begin anew with another state file",
        )
    if state.seasons != seasons:
        raise DataError(
            f"the state was begun {'with' if state.seasons else 'without'} the seasons declared",
            remedy="choose as before, or begin anew with another state file",
        )
    shape = (bins.weights.shape[0], bins.weights.shape[1])
    fresh = Detector.fresh(shape)
    detector = replace(
        fresh,
        log_evidence=np.array(state.log_evidence) if state.log_evidence else fresh.log_evidence,
        since=np.array(state.since, dtype=np.int64) if state.since else fresh.since,
        windows=state.watched,
        total=np.array(state.total, dtype=np.int64).reshape(shape),
        starts=tuple(
            Start(
                window=start.window,
                before=np.array(start.before, dtype=np.int64).reshape(shape),
                log_stake=np.array(start.log_stake),
            )
            for start in state.starts
        ),
    )
    kept = state.alarm
    alarm = None
    if kept is not None:
        alarm = Alarm(
            raised=kept.raised,
            until=kept.until,
            since=np.array(kept.since, dtype=np.int64),
            log_evidence=np.array(kept.log_evidence),
        )
    return Vigil(windows=state.windows, detector=detector, alarm=alarm)


def window_of(name: str, window: Profile) -> str:
    """What a window that came as a file is known by: the file's name, and what its rows came to."""
    parts = [(each.name, each.counts, each.total, each.squares) for each in window.judged]
    return sha256(msgspec.json.encode((name, window.rows, window.vanished, parts))).hexdigest()


def digest_of(reference: Profile) -> str:
    """What a reference's bins and counts are known by."""
    parts = [(each.name, each.kind, each.edges, each.categories, each.counts) for each in reference.judged]
    return sha256(msgspec.json.encode(parts)).hexdigest()
