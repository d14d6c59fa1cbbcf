from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
from windlass.serving.figures_folder import forget_worker
from windlass.serving.metrics import Metrics
metrics = Metrics(folder)
metrics.outcomes.labels("flights").inc(3)
metrics.loaded.labels("flights", "v1", "champion").set(1)
(folder / "counter_12345.db").touch()
first = metrics.render().decode()
assert 'windlass_outcomes_total{product="flights"} 3.0' in first, first
assert 'windlass_loaded_version{product="flights",role="champion",version="v1"} 1.0' in first, first
forget_worker(folder, os.getpid())
second = metrics.render().decode()
assert 'windlass_outcomes_total{product="flights"} 3.0' in second, second
assert "windlass_loaded_version{" not in second, second
print("told")
"""


def test_a_file_that_a_worker_is_just_making_is_no_failure(tmp_path: Path) -> None:
    """In a process of its own: prometheus_client reads where the files are when it is imported."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "told\n", done.stderr
