"""The eyes on one version of one product; the controller and the backtest use the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from windlass.decisions.decay import DecayEvidence, decide_decay
from windlass.decisions.drift import DriftEvidence, decide_drift
from windlass.decisions.figures import decision
from windlass.decisions.losses import losses
from windlass.monitoring.comparison import compare
from windlass.monitoring.reference import Reference, prediction_frame
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Ids = pl.Series | Array | Sequence[str] | Sequence[int]

_LONGEST = 10
"""Windows' worth of rows that are kept for drift when nobody asks."""


class Watch:
    """Evidence about one version, gathered as its answers and their outcomes come, in bounded memory.

    Predictions wait for their outcome; what has matured becomes a loss. Nothing is kept on disk: after a restart the
    driver feeds it again from the lake.
    """

    def __init__(
        self, reference: Reference, *, window: int = 2000, memory: int = 50_000, most_pending: int = 1_000_000
    ) -> None:
        """`window`: the least rows that drift is judged on; `memory`: the losses that decay looks back on;
        `most_pending`: the predictions that may wait for an outcome, the oldest being given up first."""
        self.reference = reference
        self._window = window
        self._memory = memory
        self._most_pending = most_pending
        self._rows: deque[tuple[pl.DataFrame, pl.DataFrame]] = deque()
        self._buffered = 0
        self._waiting: list[pl.DataFrame] = []
        self._losses: Floats = np.empty(0)
        self._drift: Decision | None = None
        self._decay: Decision | None = None

    @property
    def pending(self) -> int:
        """Predictions whose outcome has not come."""
        return sum(batch.height for batch in self._waiting)

    @property
    def losses(self) -> Floats:
        """`(n,)` of the matured predictions in the order in which they matured; the last `memory` of them."""
        return self._losses

    def observe(self, features: pl.DataFrame, predictions: Array, ids: Ids) -> None:
        """The version answered `n` rows: their features, predictions (`(n,)` or `(n, k)`) and ids, in the order of
        time.

        Ids are all text or all integers; outcomes name them. Two predictions with one id (a key that was asked twice)
        get the same outcome. Rows whose prediction failed are not observed.
        """
        predictions = np.asarray(predictions, dtype=np.float64)
        if len(predictions) == 0:
            return
        self._rows.append((features, prediction_frame(predictions)))
        self._buffered += len(predictions)
        self._forget_rows()
        table = predictions.reshape(len(predictions), -1)
        scores = {str(place): table[:, place] for place in range(table.shape[1])}
        self._waiting.append(pl.DataFrame({"id": _as_ids(ids), **scores}))
        if self.pending > self._most_pending:
            self._waiting = [pl.concat(self._waiting).tail(self._most_pending)]

    def mature(self, ids: Ids, truth: Array) -> int:
        """Outcomes have become known, in this order: `(m,)` codes or values. Returns how many predictions they settled.

        Outcomes of unknown or settled predictions are ignored; of several for one id in a call the last counts.
        """
        outcomes = pl.DataFrame({"id": _as_ids(ids), "truth": np.asarray(truth)}).unique(
            "id", keep="last", maintain_order=True
        )
        if not self._waiting or outcomes.height == 0:
            return 0
        waiting = pl.concat(self._waiting)
        settled = outcomes.join(waiting, on="id", how="inner", maintain_order="left_right")
        self._waiting = [waiting.join(outcomes, on="id", how="anti", maintain_order="left")]
        if settled.height:
            self._add_losses(settled)
        return settled.height

    def drift(self, now: datetime) -> Decision:
        """`alarm`, `quiet` or `wait`: the judgement of the last full window.

        Each row is judged once: when a window's worth has gathered, all that has gathered is judged and put away.
        Asking more often neither costs nor raises the chance of a false alarm.
        """
        if self._buffered >= self._window:
            self._drift = decide_drift(self._evidence(), now)
            self._rows.clear()
            self._buffered = 0
        if self._drift is not None:
            return self._drift
        numbers = {"rows": self._buffered, "window": self._window}
        return decision("drift", "wait", [f"Drift is judged on windows of {self._window} rows."], numbers, now)

    def decay(self, now: datetime) -> Decision:
        """`alarm`, `quiet` or `wait`: the judgement of the losses so far."""
        if self._decay is None:
            evidence = DecayEvidence(reference=self.reference.loss, losses=self._losses, pending=self.pending)
            self._decay = decide_decay(evidence, now)
        return self._decay

    def _evidence(self) -> DriftEvidence:
        """Features and predictions of the gathered rows as one."""
        features = compare(self.reference.features, [rows for rows, _ in self._rows])
        if self.reference.predictions is None:
            return features
        scores = compare(self.reference.predictions, [scores for _, scores in self._rows])
        return msgspec.structs.replace(features, columns=(*features.columns, *scores.columns))

    def _forget_rows(self) -> None:
        """Keep no more rows than a few windows, the newest."""
        most = _LONGEST * self._window
        while self._buffered > most:
            rows, scores = self._rows.popleft()
            kept = max(0, most - (self._buffered - rows.height))
            if kept:
                self._rows.appendleft((rows.tail(kept), scores.tail(kept)))
            self._buffered -= rows.height - kept

    def _add_losses(self, settled: pl.DataFrame) -> None:
        scores = settled.select(pl.exclude("id", "truth")).to_numpy()
        predictions = scores if self.reference.kind == "multiclass" else scores[:, 0]
        added = losses(settled["truth"].to_numpy(), predictions, self.reference.kind)
        self._losses = np.concatenate([self._losses, added])[-self._memory :]
        self._decay = None


def _as_ids(ids: Ids) -> pl.Series:
    """Integers as int64, all else as text, so that ids from arrays, frames and lists meet."""
    series = ids if isinstance(ids, pl.Series) else pl.Series(ids)
    return series.cast(pl.Int64 if series.dtype.is_integer() else pl.String).alias("id")
