"""What `/metrics` tells. With several workers each writes its own figures and any of them answers for all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The figures of one worker.

    `directory` is where the workers of one server share theirs; it needs PROMETHEUS_MULTIPROC_DIR to be set before
    prometheus_client is imported, which the worker does. None keeps them in this process.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._registry = CollectorRegistry()
        self._counters: dict[tuple[str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}
        registry: dict[str, Any] = {"registry": self._registry}
        self.requests = Counter(
            "windlass_http_requests", "Requests answered, by route and status", ["route", "status"], **registry
        )
        self.seconds = Histogram(
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
        self.predictions = Counter("windlass_predictions", "Rows predicted and captured", labels, **registry)
        self.failures = Counter("windlass_prediction_failures", "Batches a version failed on", labels, **registry)
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
        """Count one request. What `labels` looks up is kept, since it costs as much as the counting."""
        counter = self._counters.get((route, status))
        if counter is None:
            counter = self._counters[route, status] = self.requests.labels(route, str(status))
        timer = self._timers.get(route)
        if timer is None:
            timer = self._timers[route] = self.seconds.labels(route)
        counter.inc()
        timer.observe(seconds)

    def call_answered(self, method: str, code: str, seconds: float) -> None:
        """Count one call of gRPC."""
        self.calls.labels(method, code).inc()
        self.call_seconds.labels(method).observe(seconds)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        if self._directory is None:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        shared.register(_Shared(self._directory))
        return generate_latest(shared)


class _Shared:
    """The figures of all workers, as prometheus_client keeps them in files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """A file that a worker is making at this moment is empty still, which prometheus_client would stumble over."""
        from prometheus_client.multiprocess import MultiProcessCollector

        files = [str(file) for file in self._directory.glob("*.db") if _begun(file)]
        found: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return found


def _begun(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:  # of a worker that has just died
        return False
