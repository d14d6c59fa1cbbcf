"""Was the gate right? For each candidate of a backtest, what a release of it would have brought on the rows after it.

Run: python bench/gate_foresight.py DATA --target COL --time COL ..., with the options of bench/backtest.py. Windlass
alone is replayed, and being looked at changes nothing. Beside each verdict stands what it rested on, and what the model
that a release brings (made by the same recipe of all rows) gains over the champion on the rows of the next four
windows, with all labels that ever came and by the test of the gate: `+` where it is clearly better (5 %), `-` where it
is clearly worse. A rejected model that is clearly better is what the gate loses, a released one that is clearly worse
what it lets through.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections import Counter
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
from backtest import asked_for

from windlass.backtest import challenger, loop, replay
from windlass.backtest.file import stream_from_file
from windlass.backtest.stream import windows_of
from windlass.decisions.gate import decide_gate
from windlass.decisions.statistics import paired
from windlass.decisions.statistics.metrics import main_metric

WINDOWS, AHEAD = 20, 4
LEVEL = 0.05


class Foreseeing(challenger.Workshop):
    """Makes the same challengers, and tells what became of each."""

    seen: Counter[tuple[str, str]] = Counter()

    def challenge(self, asked: int, champion: challenger.Answerer, **given: Any) -> challenger.Challenger | None:
        made = super().challenge(asked, champion, **given)
        if made is not None:
            model = made.model if made.model is not None else self._released(asked, champion, given)
            if model is not None:
                self._tell(asked, champion, made, model, for_growth=given["must_gain"])
        return made

    def _released(self, asked: int, champion: challenger.Answerer, given: dict[str, Any]) -> Any:
        """The model that a gate which lets everything through would have released."""
        with patch.object(challenger, "decide_gate", _passed):
            made = super().challenge(asked, champion, **(given | {"earlier": None}))
        return None if made is None else made.model

    def _tell(
        self, asked: int, champion: challenger.Answerer, made: challenger.Challenger, model: Any, *, for_growth: bool
    ) -> None:
        stream, spans = self._stream, windows_of(len(self._stream), WINDOWS)
        first = next(place for place, span in enumerate(spans) if span.start == asked)
        stop = spans[min(first + AHEAD, len(spans)) - 1].stop
        rows = np.arange(asked, stop)[np.isfinite(stream.target[asked:stop])]
        truth = stream.target[rows] if self._kind == "regression" else stream.target[rows].astype(np.int64)
        said = [self._trainer.predict_at(each, rows) for each in (model, champion.model)]
        after = paired.compare(main_metric(stream.product.gate, self._kind), truth, *said)
        clear = "+" if after.p_better() < LEVEL else "-" if after.p_worse(0.0) < LEVEL else " "
        numbers = made.decision.numbers
        verdict = "back" if made.recourse is not None and made.recourse.verdict == "back" else made.decision.verdict
        self.seen[verdict, clear] += 1
        why = "growth" if for_growth else "decay, drift, ..."
        print(
            f"{first:>6}  {why:<18}{verdict:<8}{numbers.get('rows_compared', 0):>7}{numbers.get('gain', np.nan):>11.4g}"
            f"{numbers.get('p_worse', np.nan):>9.3f}{len(rows):>8}{after.gain:>11.4g} {clear}   {made.mix}",
            flush=True,
        )


def _passed(*found: Any) -> Any:
    decision = decide_gate(*found)
    return msgspec.structs.replace(decision, verdict="pass")


def main() -> None:
    request = asked_for(__doc__)
    stream = stream_from_file(request)
    print("window  for               verdict    rows       gain  p worse   after       gain     made of")
    with patch.object(loop, "Workshop", Foreseeing), patch.object(replay, "NAMES", ("windlass",)):
        result = replay.run_backtest(stream, windows=WINDOWS)
    print(f"{request.path.name}: {result.metric} {result.policies['windlass'].metric:.4f}; of its candidates")
    for verdict in ("pass", "reject", "back"):
        better, worse, between = (Foreseeing.seen[verdict, clear] for clear in ("+", "-", " "))
        print(f"  {verdict}: {better} clearly better afterwards, {worse} clearly worse, {between} neither")


if __name__ == "__main__":
    main()
