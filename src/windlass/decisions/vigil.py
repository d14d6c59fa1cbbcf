"""From evidence to alarms: when one is raised, how long it stands, and where watching begins anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from windlass.decisions.statistics.detector import RUN_LENGTH, Detector
from windlass.decisions.statistics.urn import Bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Alarm:
    """An alarm that stands."""

    raised: int
    """The window at which it was raised, counted from 1 over all windows."""
    until: int
    """The last window for which it stands if it is not raised again."""
    since: Counts
    """`(d,)`: the window with which each column most likely began to differ."""
    log_evidence: Floats
    """`(d,)`: of each column when it was raised."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Vigil:
    """A detector that begins anew after each alarm.

    The alarm stands for twice as many windows as it took to raise it, and longer if it is raised again meanwhile: rows
    that differ as much as before raise it in about the same time. So it ends by itself when the rows are as they were.
    The guarantee is about the first alarm; a reference that is an unlucky sample may bring about more than one.
    """

    windows: int
    detector: Detector
    alarm: Alarm | None = None

    @classmethod
    def begin(cls, bins: Bins) -> Vigil:
        """Before the first window."""
        return cls(windows=0, detector=Detector.fresh((bins.weights.shape[0], bins.weights.shape[1])))

    def after(self, bins: Bins, counts: Counts) -> Vigil:
        """With one more window, whose rows fell into the bins as `counts` `(d, k)` says."""
        windows, alarm = self.windows + 1, self.alarm
        anew = alarm is not None and alarm.raised == self.windows
        detector = (Detector.fresh(counts.shape) if anew else self.detector).after(bins, counts)
        if detector.log_mean >= np.log(RUN_LENGTH):
            alarm = _raised(detector, windows, alarm)
        elif alarm is not None and windows > alarm.until:
            alarm = None
        return Vigil(windows=windows, detector=detector, alarm=alarm)

    @property
    def log_evidence(self) -> Floats:
        """`(d,)`: of each column; while an alarm stands, at least what raised it."""
        own = self.detector.log_evidence
        return own if self.alarm is None else np.maximum(own, self.alarm.log_evidence)

    @property
    def log_mean(self) -> float:
        """The same of the mean over the columns."""
        found = self.log_evidence
        return float(np.logaddexp.reduce(found) - np.log(len(found))) if len(found) else float("-inf")

    @property
    def since(self) -> Counts:
        """`(d,)`: the window with which each column most likely began to differ."""
        own = self.detector.since + (self.windows - self.detector.windows)
        if self.alarm is None:
            return own
        return np.where(self.alarm.log_evidence >= np.log(RUN_LENGTH), self.alarm.since, own)

    def rows_since(self, column: int) -> Counts:
        """`(k,)`: rows of a column from there on, as far as the present detector has seen them."""
        first = int(self.since[column]) - (self.windows - self.detector.windows)
        return self.detector.rows_since(column, max(first, 1))


def _raised(detector: Detector, windows: int, standing: Alarm | None) -> Alarm:
    """A new alarm; of one that stands it keeps since when, and what was certain before."""
    certain = np.log(RUN_LENGTH)
    delay = detector.windows - int(detector.since[detector.log_evidence >= certain].min()) + 1
    since, evidence = detector.since + (windows - detector.windows), detector.log_evidence
    if standing is not None:
        since = np.where(standing.log_evidence >= certain, standing.since, since)
        evidence = np.maximum(evidence, standing.log_evidence)
    return Alarm(raised=windows, until=windows + 2 * delay, since=since, log_evidence=evidence)
