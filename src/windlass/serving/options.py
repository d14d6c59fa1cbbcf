"""What a parent and its serving workers tell each other."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Literal

import msgspec

from windlass.records.routing import Target

TRY_LATER = os.EX_TEMPFAIL
"""What a process ends with that the machine has no room for: nothing that a version has done."""


TELL_WHERE = signal.SIGUSR1
"""At which a process writes where its threads are, even while one of them holds the interpreter."""


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker is told; JSON on its command line."""

    root: Path
    name: str
    clock: str
    durability: Literal["process", "power"]
    log_level: str
    listen_fd: int
    parent_fd: int
    metrics: Path
    stop_seconds: float
    answer_seconds: float
    latency_budget_seconds: float
    grpc: str = ""
    """`HOST:PORT` of gRPC; empty: none."""
    tls: tuple[Path, Path] | None = None
    """Files of the certificate and its key; None: in clear."""
    guarded: bool = False
    """Whoever asks needs a token."""
    place: int = 0
    """Among the workers."""

    def to_json(self) -> str:
        return msgspec.json.encode(self, enc_hook=str).decode()

    @classmethod
    def from_json(cls, text: str) -> WorkerOptions:
        return msgspec.json.decode(text, type=cls, dec_hook=lambda kind, value: kind(value))


class ShadowOptions(msgspec.Struct, frozen=True, kw_only=True):
    """All that the process of a challenger in shadow is told by its worker; JSON on its command line."""

    worker: WorkerOptions
    parent: int
    """The worker's process id."""
    product: str
    target: Target

    def to_json(self) -> str:
        return msgspec.json.encode(self, enc_hook=str).decode()

    @classmethod
    def from_json(cls, text: str) -> ShadowOptions:
        return msgspec.json.decode(text, type=cls, dec_hook=lambda kind, value: kind(value))


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A line that a worker writes to its parent."""

    kind: Literal["ready", "serving", "refused", "uncaptured", "captured", "memory", "crashed", "hangs", "turned_away"]
    product: str = ""
    detail: str = ""
