"""Writing down what is answered, before it is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

from windlass.errors import WindlassError, fault_of
from windlass.records.capture import Captured
from windlass.serving.metrics import Metrics
from windlass.serving.refusal import CaptureFailed


class Sink(Protocol):
    """Where batches go, from any thread; `windlass.lake.segments.SegmentWriter` is the real one."""

    def append(self, *batches: Captured) -> object: ...

    def close(self) -> object: ...

    def forget(self) -> object: ...


class Capture:
    """One sink for each product, opened when the first batch comes."""

    def __init__(
        self,
        *,
        open_sink: Callable[[str], Sink],
        metrics: Metrics,
        let_go: Callable[[str], Path] | None = None,
        report: Callable[[str, str, str], object] = lambda _kind, _product, _detail: None,
    ) -> None:
        """`let_go`: the file of a product by whose change the holder of the lease asks for a new segment.

        `report` hears when nothing can be captured any more (`uncaptured`), and when it can again (`captured`).
        """
        self._report = report
        self._failing: dict[str, str] = {}
        self._open = open_sink
        self._let_go = None if let_go is None else cache(let_go)
        self._asked: dict[str, int] = {}
        self._metrics = metrics
        self._sinks: dict[str, Sink] = {}
        self._opening = threading.Lock()

    @property
    def failing(self) -> Mapping[str, str]:
        """Products whose last batch could not be kept, and why."""
        return self._failing

    def write(self, product: str, *batches: Captured) -> None:
        """Keep `batches`; when this returns they have survived what the durability setting promises.

        Raises CaptureFailed when they could not be kept (a full disk, a folder taken away).
        """
        try:
            self._sink(product).append(*batches)
        except (OSError, WindlassError) as error:
            self._metrics.capture_failures.labels(product).inc(len(batches))
            if product not in self._failing:
                self._failing[product] = fault_of(error)
                self._report("uncaptured", product, self._failing[product])
            raise CaptureFailed(
                f"it could not be recorded, so it is not answered: {fault_of(error)}",
                where=product,
                remedy="the server needs a writable workspace with free disk space",
            ) from error
        if self._failing and self._failing.pop(product, None) is not None:
            self._report("captured", product, "")

    def look(self) -> None:
        """Finish the segments that are asked for; the next batch begins another. To be called a few times a second."""
        if self._let_go is None:
            return
        with self._opening:
            for product, sink in self._sinks.items():
                try:
                    asked = self._let_go(product).stat().st_mtime_ns
                except FileNotFoundError:
                    continue
                if self._asked.get(product) != asked:
                    sink.close()
                    self._asked[product] = asked

    def close(self) -> None:
        """Finish every segment."""
        with self._opening:
            for sink in self._sinks.values():
                sink.close()

    def forget(self) -> None:
        """For a process that was forked: hold no segment, so that those of its parent end with its parent."""
        for sink in self._sinks.values():
            sink.forget()

    def _sink(self, product: str) -> Sink:
        sink = self._sinks.get(product)
        if sink is None:
            with self._opening:
                if product not in self._sinks:
                    self._sinks[product] = self._open(product)
                sink = self._sinks[product]
        return sink
