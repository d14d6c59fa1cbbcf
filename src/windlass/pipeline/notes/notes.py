"""What is noted of a run while it lasts, written to the ledger a handful at a time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from windlass.errors import UsageError
from windlass.pipeline.notes.figures import encode_figure, file_name
from windlass.records.event import RunLogged

Append = Callable[..., None]
"""Writes events; all of one call in one commit."""
Value = str | int | float | bool | None

_ENTRIES = 500
_SECONDS = 2.0
"""What is noted is written when this much has come together, or this long after the last time: a commit takes half a
millisecond, and a training loop may note a thousand metrics a second."""


class Run:
    """A run under way. Everything may be called from any thread."""

    def __init__(
        self,
        identity: str,
        *,
        folder: Path | None,
        root: Path,
        append: Append,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """`folder` keeps figures and the notes' text (None: nothing does); it lies below the workspace `root`."""
        self.id = identity
        self._folder = folder
        self._root = root
        self._append = append
        self._tell = tell
        self._lock = threading.RLock()
        self._held: list[RunLogged] = []
        self._entries = 0
        self._written_at = time.perf_counter()

    @classmethod
    def nowhere(cls) -> Run:
        """A run that records nothing."""
        return cls("", folder=None, root=Path(), append=lambda *_: None)

    def param(self, name: str, value: Any) -> None:
        """Note one parameter; a value that is no plain scalar is noted as its text."""
        self._hold(params={name: plain(value)})

    def params(self, values: Mapping[str, Any]) -> None:
        """Note several parameters."""
        self._hold(params={name: plain(value) for name, value in values.items()})

    def metric(self, name: str, value: Any, step: int | None = None) -> None:
        """Note one figure, of one `step` (an epoch, a trial) when it is part of a series.

        What is not finite is noted as a parameter, `nan` or `inf`, since figures must compare. Raises UsageError when
        `value` is no number.
        """
        self.metrics({name: value}, step=step)

    def metrics(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Note several figures of one `step`."""
        numbers = {name: _number(name, value) for name, value in values.items()}
        finite = {name: number for name, number in numbers.items() if math.isfinite(number)}
        odd: dict[str, Value] = {name: str(number) for name, number in numbers.items() if not math.isfinite(number)}
        self._hold(params=odd, metrics=finite, step=step)

    def figure(self, name: str, figure: Any) -> None:
        """Keep a picture: PNG or SVG as bytes, SVG as text, or anything with `savefig`, such as a matplotlib figure.

        Raises UsageError for anything else.
        """
        content, suffix = encode_figure(name, figure)
        if self._folder is None:
            return
        path = self._folder / "figures" / f"{file_name(name)}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{threading.get_ident()}")
        draft.write_bytes(content)
        draft.replace(path)
        self._hold(figures={name: path.relative_to(self._root).as_posix()})

    def log(self, text: str) -> None:
        """Keep a line of text with the run."""
        if self._tell is not None:
            self._tell(text)
        if self._folder is None:
            return
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / "run.log").open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{text}\n")

    def flush(self) -> None:
        """Write what is held, in one commit."""
        with self._lock:
            held, self._held, self._entries = self._held, [], 0
            self._written_at = time.perf_counter()
            if held:
                self._append(*held)

    def _hold(
        self,
        *,
        params: dict[str, Value] | None = None,
        metrics: dict[str, float] | None = None,
        figures: dict[str, str] | None = None,
        step: int | None = None,
    ) -> None:
        new = RunLogged(run=self.id, params=params or {}, metrics=metrics or {}, figures=figures or {}, step=step)
        size = len(new.params) + len(new.metrics) + len(new.figures)
        if size == 0:
            return
        with self._lock:
            if self._held and _fit_together(self._held[-1], new):
                self._held[-1] = _together(self._held[-1], new)
            else:
                self._held.append(new)
            self._entries += size
            if self._entries >= _ENTRIES or time.perf_counter() - self._written_at > _SECONDS:
                self.flush()


def _fit_together(old: RunLogged, new: RunLogged) -> bool:
    """Whether one event can say both, with no figure of a series overwritten."""
    if new.metrics and old.metrics and old.step != new.step:
        return False
    return not (old.metrics.keys() & new.metrics.keys())


def _together(old: RunLogged, new: RunLogged) -> RunLogged:
    return msgspec.structs.replace(
        old,
        params={**old.params, **new.params},
        metrics={**old.metrics, **new.metrics},
        figures={**old.figures, **new.figures},
        step=new.step if new.metrics else old.step,
    )


def plain(value: Any) -> Value:
    """`value` as the ledger can keep it: a scalar of JSON, or its text."""
    if hasattr(value, "item") and callable(value.item) and getattr(value, "ndim", None) == 0:
        value = value.item()  # a NumPy scalar
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"the metric {name!r} is no number: {value!r}",
            where=f"metric {name!r}",
            remedy="pass a number; text belongs to param()",
        ) from error
