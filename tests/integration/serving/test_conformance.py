"""The conformance suite, pointed at a real worker as anybody would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SUITE = Path(__file__).parents[3] / "conformance"
REQUEST = {
    "inputs": [
        {"name": "flight", "shape": [2], "datatype": "BYTES", "data": ["f1", "f2"]},
        {"name": "at", "shape": [2], "datatype": "BYTES", "data": ["2013-03-01T10:00:00Z"] * 2},
        {"name": "distance", "shape": [2], "datatype": "FP64", "data": [0.25, 4.0]},
        {"name": "seats", "shape": [2], "datatype": "INT64", "data": [3, 30]},
    ]
}


def test_windlass_passes_all_of_it(world: Any, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(REQUEST))
    with world.server() as server:
        command = [sys.executable, "-m", "pytest", SUITE, "-o", "addopts=", "-p", "no:cacheprovider"]
        command += ["--url", server.url, "--model", "flights", "--request", file]
        with_pytest = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=SUITE, env=with_pytest)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "skipped" not in done.stdout
    assert "41 passed" in done.stdout, done.stdout[-500:]
