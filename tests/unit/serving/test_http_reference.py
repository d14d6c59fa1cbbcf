"""The reference of the HTTP API names every route and every figure that there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from windlass.serving.app import Application
from windlass.serving.limits import MOST_BYTES, MOST_PARTS, MOST_ROWS, THREADS
from windlass.serving.refusal import _STATUS

REFERENCE = (Path(__file__).parents[3] / "docs" / "reference" / "http.md").read_text()


def routes(app: Any) -> set[str]:
    assert isinstance(app, Application)
    return {
        f"{method} {route.path}"  # type: ignore[attr-defined]
        for route in app.routed.routes
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    }


def test_every_route_is_documented_and_every_documented_route_is_there(stage: Any) -> None:
    documented = set(re.findall(r"`((?:GET|POST) /[^`]*)`", REFERENCE))
    assert routes(stage.client.app) == documented


def test_every_figure_is_documented(flights: Any) -> None:
    flights.predict()
    told = set(re.findall(r"^# HELP (\S+)", flights.client.get("/metrics").text, re.MULTILINE))
    documented = set(re.findall(r"^\| `(windlass_\w+)`", REFERENCE, re.MULTILINE))
    assert {name for name in told if not name.endswith("_created")} == documented


@pytest.mark.parametrize("status", sorted({int(status) for status in _STATUS.values()} | {405}))
def test_every_status_is_documented(status: int) -> None:
    assert f"| {status} |" in REFERENCE


def test_the_limits_are_the_documented_ones() -> None:
    assert MOST_BYTES == 16 * 2**20
    assert "16 MiB" in REFERENCE
    assert f"more than {MOST_PARTS:,} objects and lists" in REFERENCE
    assert f"{MOST_ROWS:,}" in REFERENCE
    assert THREADS == 4
    assert "four threads" in REFERENCE
