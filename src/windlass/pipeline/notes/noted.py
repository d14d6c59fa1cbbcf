"""What lies beside the logs of a run."""

from __future__ import annotations

from pathlib import Path

import msgspec

from windlass.records.bundle import Environment
from windlass.records.paths import Paths
from windlass.registry.environment import capture

NO_PRODUCT = "_notebooks"
"""Folder of the runs that belong to no product; no product can have this name."""


def environment_file(paths: Paths, product: str, run: str) -> Path:
    """Where a run leaves a note of what was installed."""
    return paths.run(product, run) / "environment.json"


def note_environment(paths: Paths, product: str, run: str, *, project: Path) -> Environment:
    """Write down what is installed and which commit the project is at."""
    found = capture(project)
    file = environment_file(paths, product, run)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(found))
    return found
