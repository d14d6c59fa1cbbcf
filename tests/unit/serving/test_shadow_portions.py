"""How many rows a challenger in shadow is asked about at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.decisions.answers import ReleaseEvidence
from windlass.decisions.harms import latency
from windlass.release.evidence import answers
from windlass.serving.limits import ROWS_TOGETHER
from windlass.serving.shadows.process import Mirrored
from windlass.serving.shadows.worker import Portion

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)


def mirrored(rows: int) -> Mirrored:
    ids = tuple(f"p-{place}" for place in range(rows))
    return Mirrored(request_id="r", named=False, at=NOON, ids=ids, rows=(b"{}",) * rows)


def calls(fixed: float, each: float, messages: list[int]) -> list[tuple[int, float]]:
    """Rows and seconds of the calls of a version that takes `fixed` and `each` row; messages of so many requests."""
    portion, made = Portion(), []
    for size in messages:
        for part in portion.of([mirrored(1)] * size):
            rows = len(part)
            made.append((rows, fixed + each * rows))
            portion.took(*made[-1])
    return made


@given(st.lists(st.integers(1, 40), max_size=12), st.integers(1, 64))
def test_every_request_is_asked_about_once_and_in_order(sizes: list[int], allowed: int) -> None:
    portion = Portion()
    portion.rows = allowed
    requests = [mirrored(size) for size in sizes]
    parts = list(portion.of(requests))
    assert [each for part in parts for each in part] == requests
    assert all(sum(len(each.ids) for each in part[:-1]) < allowed for part in parts)


@pytest.mark.parametrize("fixed", [0.0005, 0.012, 0.2])
def test_rows_that_cost_next_to_nothing_are_asked_about_together(fixed: float) -> None:
    assert calls(fixed, 1e-6, [ROWS_TOGETHER] * 20)[-1][0] == ROWS_TOGETHER


def test_one_slow_call_does_not_keep_the_next_ones_small() -> None:
    portion = Portion()
    for seconds in [0.3, *[0.001] * 8]:  # the first one loads what the model needs
        portion.took(portion.rows, seconds)
    assert portion.rows == ROWS_TOGETHER


@pytest.mark.parametrize("each", [0.0002, 0.001, 0.003, 0.008, 0.03])
@pytest.mark.parametrize("together", [10, 60])
def test_a_version_is_not_slower_for_being_asked_aside(each: float, together: int) -> None:
    """The champion is asked about each row alone; the same version in shadow about what has gathered."""
    captured = [(place, "champion", each) for place in range(60 * together)]
    place = 0
    for rows, seconds in calls(0.0, each, [together] * 60):
        captured += [(place + row, "shadow", seconds) for row in range(rows)]
        place += rows
    noise: Any = np.random.default_rng(0).lognormal(0, 0.05, len(captured))
    frame = pl.DataFrame(
        {
            "prediction_id": [f"p-{place}-0" for place, _, _ in captured],
            "at": [NOON + timedelta(milliseconds=5 * place) for place, _, _ in captured],
            "stage": [stage for _, stage, _ in captured],
            "latency_ms": np.array([seconds for _, _, seconds in captured]) * 1000 * noise,
        }
    ).with_columns(key=pl.lit(None, pl.String), score=pl.lit(0.5), error=pl.lit(None, pl.String))
    ordered = frame.sort("at", maintain_order=True).with_row_index("place")
    stages = {stage: answers(ordered.filter(pl.col("stage") == stage)) for stage in ("champion", "shadow")}
    evidence = ReleaseEvidence(
        stage="shadow",
        started_at=NOON,
        stage_started_at=NOON,
        challenger=stages["shadow"],
        champion=stages["champion"],
    )
    assert latency(evidence, 1 / 4200, {}) is None
