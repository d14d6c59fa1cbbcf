"""The eyes on one version of one product; the controller and the backtest use the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from windlass.decisions.decay import DecayEvidence, Ranking, SliceLosses, decide_decay
from windlass.decisions.figures import decision
from windlass.decisions.gate import one_score
from windlass.decisions.warning import decide_warning
from windlass.monitoring.answers import numbers_of
from windlass.monitoring.drifting import Drifting, WindowCounts
from windlass.monitoring.maturing import Maturing
from windlass.monitoring.reference import Reference
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from windlass.monitoring.maturing import Ids

    Array = NDArray[Any]
    Floats = NDArray[np.float64]

_LONGEST = 10
"""Windows' worth of rows that are kept for drift when nobody asks."""


class Watch:
    """Evidence about one version, gathered as its answers and their outcomes come, in bounded memory.

    Predictions wait for their outcome; what has matured becomes a loss. Nothing is kept on disk: after a restart the
    driver hands it the windows that were judged (`recall`), and feeds it the rest again from the lake.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        window: int = 2000,
        within: timedelta = timedelta(days=30),
        memory: int = 50_000,
        most_pending: int = 1_000_000,
    ) -> None:
        """`window`: the least rows that drift is judged on (`watch_rows`). `within`: how long an outcome may take
        (`Outcome.within`). `memory`: the losses that decay looks back on. `most_pending`: the predictions that may wait
        for an outcome, the oldest being given up first."""
        self.reference = reference
        self._window = window
        self._rows: deque[tuple[pl.DataFrame, Floats]] = deque()
        self._buffered = 0
        self._maturing = Maturing(
            reference.kind,
            within=within,
            memory=memory,
            most_pending=most_pending,
            columns=len(reference.slices),
        )
        self._judged = 0
        self._drifting = Drifting(reference)
        self._drift: Decision | None = None
        """After the last window; None: nobody has asked since."""
        self._ended: datetime | None = None
        """When the last window ended."""
        self._decay: Decision | None = None
        self._memory = memory
        self._answers = 0
        self._warned_at = -1
        self._expected: Floats = np.empty(0)
        self._warning: Decision | None = None

    @property
    def pending(self) -> int:
        """Predictions whose outcome has not come."""
        return self._maturing.pending

    @property
    def losses(self) -> Floats:
        """`(n,)` of the predictions whose outcome counts (see `Maturing`); the last `memory` of them."""
        return self._maturing.losses

    def observe(
        self,
        features: pl.DataFrame | None,
        predictions: Array,
        ids: Ids,
        *,
        at: datetime,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """The version answered `n` rows at `at`: features, predictions (`(n,)` or `(n, k)`) and ids, in order of time.

        Ids are all text or all integers; outcomes name them. Two predictions with one id (a key that was asked twice)
        get the same outcome. Rows whose prediction failed are not observed. Without features (rows of windows that were
        judged before a restart) they count for decay alone. `groups`: the groups (`reference.group_text`) that the rows
        are in, for the slices that the reference has.
        """
        predictions = np.asarray(numbers_of(predictions), dtype=np.float64)
        if len(predictions) == 0:
            return
        if features is not None:
            self._rows.append((features, predictions))
            self._buffered += len(predictions)
            self._forget_rows()
        self._expect(predictions)
        self._maturing.observe(predictions, ids, at, self._codes(groups or {}, len(predictions)))

    def mature(self, ids: Ids, truth: Array) -> int:
        """Outcomes have become known, in this order: `(m,)` codes or values. Returns how many predictions they settled.

        Outcomes of unknown or settled predictions are ignored; of several for one id in a call the last counts.
        """
        return self._maturing.mature(ids, truth)

    def end_window(self, now: datetime) -> WindowCounts | None:
        """The rows in the bins of the reference, once a window's worth has gathered: its evidence is added to what
        there was. None while the window is not full. Whoever keeps it can `recall` it."""
        if self._buffered < self._window:
            return None
        window = self._drifting.count(self._rows)
        self._rows.clear()
        self._buffered = 0
        self.recall([window], now)
        return window

    def recall(self, windows: Sequence[WindowCounts], now: datetime) -> None:
        """Go on from windows in their order, the last of them ended at `now`."""
        if windows:
            self._drifting.take(windows)
            self._ended, self._drift = now, None

    def drift(self, now: datetime) -> Decision:
        """`alarm`, `quiet` or `wait`: the judgement after the last full window, with all before it.

        Each row is judged once: when a window's worth has gathered, all that has gathered is one window, and its
        evidence is added to what there was. Asking more often neither costs nor raises the chance of a false alarm.
        """
        self.end_window(now)
        if self._drift is None and self._ended is not None:
            self._drift = self._drifting.judge(self._ended)
        if self._drift is not None:
            return self._drift
        numbers = {"rows": self._buffered, "window": self._window}
        return decision("drift", "wait", [f"Drift is judged on windows of {self._window} rows."], numbers, now)

    def decay(self, now: datetime) -> Decision:
        """`alarm`, `quiet` or `wait`: the judgement of the losses so far."""
        self._maturing.release(now)
        if self._decay is None or self._maturing.changes != self._judged:
            self._judged = self._maturing.changes
            evidence = DecayEvidence(
                reference=self.reference.loss,
                losses=self.losses,
                most=self._maturing.most,
                pending=self.pending,
                slices=self._slices(),
                ranking=self._ranking(),
            )
            self._decay = decide_decay(evidence, now)
        return self._decay

    def warning(self, now: datetime) -> Decision:
        """`alarm`, `quiet` or `wait`: the judgement of what is to be expected of the answers, without their labels.

        Of full windows, counted from the first answer, so that it does not depend on when anybody asks.
        """
        full = self._answers // self._window
        if self._warning is None or full != self._warned_at:
            self._warned_at = full
            expected = self.reference.expected
            whole = self._expected[: max(0, len(self._expected) - self._answers % self._window)]
            self._warning = decide_warning(None if expected is None else expected.reference, whole, now)
        return self._warning

    def _expect(self, predictions: Array) -> None:
        self._answers += len(predictions)
        if self.reference.expected is not None:
            found = self.reference.expected.of(one_score(predictions))
            self._expected = np.concatenate([self._expected, found])[-self._memory :]

    def _codes(self, groups: Mapping[str, Sequence[str]], rows: int) -> NDArray[np.int64]:
        """`(n, columns)`: the place of each row's group in the reference; -1 for one that has no reference."""
        codes = np.full((rows, len(self.reference.slices)), -1, dtype=np.int64)
        for place, (column, known) in enumerate(self.reference.slices.items()):
            places = {group: code for code, group in enumerate(known)}
            if column in groups:
                codes[:, place] = [places.get(group, -1) for group in groups[column]]
        return codes

    def _ranking(self) -> Ranking | None:
        reference, maturing = self.reference.ranking, self._maturing
        return None if reference is None else Ranking(reference=reference, truth=maturing.truth, scores=maturing.scores)

    def _slices(self) -> tuple[SliceLosses, ...]:
        return tuple(
            SliceLosses(
                column=column,
                group=group,
                reference=reference,
                places=np.flatnonzero(self._maturing.groups[:, place] == code),
            )
            for place, (column, known) in enumerate(self.reference.slices.items())
            for code, (group, reference) in enumerate(known.items())
        )

    def _forget_rows(self) -> None:
        """Keep no more rows than a few windows, the newest."""
        most = _LONGEST * self._window
        while self._buffered > most:
            rows, scores = self._rows.popleft()
            kept = max(0, most - (self._buffered - rows.height))
            if kept:
                self._rows.appendleft((rows.tail(kept), scores[-kept:]))
            self._buffered -= rows.height - kept
