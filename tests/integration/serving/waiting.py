"""Waiting for what another process does when it gets its turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


def until(holds: Callable[[], Any], seconds: float = 120) -> None:
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it has not come about"
        pause.wait(0.05)
