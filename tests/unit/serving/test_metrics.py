from __future__ import annotations

import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from windlass.errors import EngineError
from windlass.serving.figures_folder import make_files
from windlass.serving.metrics import Metrics

SCRIPT = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
from windlass.serving.figures_folder import forget_worker
from windlass.serving.metrics import Metrics
metrics = Metrics(folder)
os.environ.clear()  # as code of a model may do
metrics.outcomes.labels("flights").inc(3)
metrics.predicted("flights", "v1", "champion", 2)
metrics.publish()
metrics.predicted("flights", "v1", "champion", 5)
metrics.loaded.labels("flights", "v1", "champion").set(1)
(folder / "counter_12345.db").touch()
first = metrics.render().decode()
assert 'windlass_outcomes_total{product="flights"} 3.0' in first, first
assert 'windlass_loaded_version{product="flights",role="champion",version="v1"} 1.0' in first, first
assert 'windlass_predictions_total{product="flights",stage="champion",version="v1"} 7.0' in first, first
files = {file.name.removesuffix(f"_{os.getpid()}.db"): file.stat() for file in folder.glob(f"*_{os.getpid()}.db")}
assert "opener" not in first, first
assert set(files) == {"counter", "histogram", "gauge_livesum", "gauge_livemin"}, files
assert all(each.st_blocks * 512 >= each.st_size for each in files.values()), "holes, for which a disk may have no room"
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


def test_a_disk_without_room_for_figures_is_told(tmp_path: Path) -> None:
    (tmp_path / "counter_7.new").mkdir()
    with pytest.raises(EngineError, match="have no place: Is a directory"):
        make_files(tmp_path, 7)


def test_requests_are_counted_in_plain_numbers_and_told_as_a_histogram() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.0011, 0.3, 60.0):
        metrics.request_answered("/predict", 200, seconds)
    metrics.publish()
    metrics.request_answered("/predict", 503, 0.25)
    told = metrics.render().decode()
    assert 'windlass_http_requests_total{route="/predict",status="200"} 5.0' in told
    assert 'windlass_http_requests_total{route="/predict",status="503"} 1.0' in told
    buckets = {"0.001": 2, "0.002": 3, "0.1": 3, "0.25": 4, "0.5": 5, "10.0": 5, "+Inf": 6}
    for bound, count in buckets.items():
        assert f'windlass_http_request_seconds_bucket{{le="{bound}",route="/predict"}} {count}.0' in told
    assert 'windlass_http_request_seconds_count{route="/predict"} 6.0' in told
    (total,) = re.findall(r'windlass_http_request_seconds_sum{route="/predict"} (\S+)', told)
    assert float(total) == pytest.approx(60.5526)


def test_what_threads_count_while_it_is_published_is_counted_once() -> None:
    metrics, ended = Metrics(), threading.Event()

    def publish() -> None:
        while not ended.is_set():
            metrics.publish()

    with ThreadPoolExecutor(5) as threads:
        publishing = threads.submit(publish)
        counting = [
            threads.submit(lambda: [metrics.predicted("flights", "v1", "champion", 1) for _ in range(2000)])
            for _ in range(4)
        ]
        for each in counting:
            each.result(120)
        ended.set()
        publishing.result(120)
    line = 'windlass_predictions_total{product="flights",stage="champion",version="v1"} 8000.0'
    assert line in metrics.render().decode()
