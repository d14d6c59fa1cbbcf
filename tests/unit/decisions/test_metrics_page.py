"""The reference page names every metric, in its section, with the right direction."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from windlass.decisions.statistics.metrics import NAMES, metric_for
from windlass.product.task import DEFAULT_METRICS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_every_metric_is_on_the_page(kind: str) -> None:
    sections = {part.split("\n", 1)[0].lower(): part for part in PAGE.read_text().split("\n## ")}
    rows = re.findall(r"^\| `(\w+)` \| (larger|smaller) \| .* \| ([^|]+) \|$", sections[kind], re.MULTILINE)
    assert {name for name, _, _ in rows} == set(NAMES[kind])
    assert rows[0][0] == DEFAULT_METRICS[kind]
    for name, better, noise in rows:
        metric = metric_for(name, kind, cost=((0, 1), (1, 0)))
        assert metric.larger_is_better == (better == "larger")
        assert (metric.influence is None) == (noise == "resampling")
