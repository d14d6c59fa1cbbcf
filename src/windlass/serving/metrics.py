"""What `/metrics` tells. With several workers each writes its own figures and any of them answers for all."""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import Counter as Counts
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest, values

from windlass.serving.figures_folder import KINDS, make_files

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OPENER = "windlass_opener_"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class _Timer(Histogram):
    """A histogram that takes in many at once, for which prometheus_client has no call."""

    def take(self, counts: Sequence[int], total: float) -> None:
        """`counts` for each bucket, and `total` seconds of all of them."""
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(total)


class _Times:
    """How many requests took how long, since the last were brought up to date."""

    def __init__(self) -> None:
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total = 0.0


class _Tally:
    """What happens with every request or batch, as plain numbers, which cost it a tenth of what those of
    prometheus_client do."""

    def __init__(self) -> None:
        self.requests: Counts[tuple[str, int]] = Counts()
        self.seconds: defaultdict[str, _Times] = defaultdict(_Times)
        self.predictions: Counts[tuple[str, str, str]] = Counts()


class Metrics:
    """The figures of one worker. Requests and rows are counted in plain numbers, until `publish`.

    `directory` is where the workers of one server share theirs; it needs PROMETHEUS_MULTIPROC_DIR to be set before
    prometheus_client is imported, which the worker does. None keeps them in this process.
    """

    def __init__(self, directory: Path | None = None) -> None:
        if directory is not None:
            make_files(directory, os.getpid())
            _open_files()
        self._directory = directory
        self._registry = CollectorRegistry()
        self._tally = _Tally()
        self._counting = threading.Lock()
        registry: dict[str, Any] = {"registry": self._registry}
        self._requests = Counter(
            "windlass_http_requests", "Requests answered, by route and status", ["route", "status"], **registry
        )
        self._seconds = _Timer(
            "windlass_http_request_seconds",
            "Time from the first byte to the last, by route",
            ["route"],
            buckets=_SECONDS,
            **registry,
        )
        self.calls = Counter(
            "windlass_grpc_calls", "Calls of gRPC answered, by method and code", ["method", "code"], **registry
        )
        self.call_seconds = Histogram(
            "windlass_grpc_call_seconds",
            "Time from a call of gRPC, read, to its answer, by method",
            ["method"],
            buckets=_SECONDS,
            **registry,
        )
        labels = ["product", "version", "stage"]
        self._predictions = Counter("windlass_predictions", "Rows predicted and captured", labels, **registry)
        self.failures = Counter("windlass_prediction_failures", "Batches a version failed on", labels, **registry)
        self.given_up = Counter(
            "windlass_calls_given_up",
            "Calls of a champion that have not come back in time",
            ["product", "version"],
            **registry,
        )
        self.turned_away = Counter(
            "windlass_turned_away", "Requests that were more than a product can answer", ["product"], **registry
        )
        self.dropped = Counter(
            "windlass_shadow_dropped_rows", "Rows that a challenger in shadow was not given", ["product"], **registry
        )
        self.capture_failures = Counter(
            "windlass_capture_failures", "Batches that could not be written down", ["product"], **registry
        )
        self.outcomes = Counter("windlass_outcomes", "Outcomes received", ["product"], **registry)
        self.loaded = Gauge(
            "windlass_loaded_version",
            "Workers that have the version loaded, by role",
            ["product", "version", "role"],
            multiprocess_mode="livesum",
            **registry,
        )
        self.refused = Gauge(
            "windlass_refused_version",
            "Workers that were told to serve the version and could not load it",
            ["product", "version"],
            multiprocess_mode="livesum",
            **registry,
        )
        self.sequence = Gauge(
            "windlass_routing_sequence",
            "The oldest routing record that any worker serves by",
            ["product"],
            multiprocess_mode="livemin",
            **registry,
        )

    def request_answered(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        with self._counting:
            tally = self._tally
            tally.requests[route, status] += 1
            times = tally.seconds[route]
            times.counts[bisect_left(_SECONDS, seconds)] += 1
            times.total += seconds

    def predicted(self, product: str, version: str, stage: str, rows: int) -> None:
        """Count rows that were predicted and captured."""
        with self._counting:
            self._tally.predictions[product, version, stage] += rows

    def publish(self) -> None:
        """Bring what others read up to date. To be called a few times a second, and in the end."""
        with self._counting:
            tally, self._tally = self._tally, _Tally()
        for (route, status), requests in tally.requests.items():
            self._requests.labels(route, str(status)).inc(requests)
        for route, times in tally.seconds.items():
            self._seconds.labels(route).take(times.counts, times.total)
        for labels, rows in tally.predictions.items():
            self._predictions.labels(*labels).inc(rows)

    def call_answered(self, method: str, code: str, seconds: float) -> None:
        """Count one call of gRPC."""
        self.calls.labels(method, code).inc()
        self.call_seconds.labels(method).observe(seconds)

    def render(self) -> bytes:
        """The text that Prometheus reads; what other workers count is in it once they have published it."""
        self.publish()
        if self._directory is None:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        shared.register(_Shared(self._directory))
        return generate_latest(shared)


def _open_files() -> None:
    """Have prometheus_client open its files now. It would with the first figure of each kind, which comes after a model
    is loaded, and look for the folder in the environment then, which that model's code may have emptied."""
    for kind in KINDS:
        form, _, mode = kind.partition("_")
        values.ValueClass(form, _OPENER + kind, _OPENER + kind, (), (), "", multiprocess_mode=mode)


class _Shared:
    """The figures of all workers, as prometheus_client keeps them in files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """A file that a worker is making at this moment is empty still, which prometheus_client would stumble over."""
        from prometheus_client.multiprocess import MultiProcessCollector

        files = [str(file) for file in self._directory.glob("*.db") if _begun(file)]
        found: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return [metric for metric in found if not metric.name.startswith(_OPENER)]


def _begun(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:  # of a worker that has just died
        return False
