from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from windlass.cli import output
from windlass.cli.trace import render
from windlass.records.data import DataPin
from windlass.records.decision import Decision

NOON = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)


def answer(**fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "prediction_id": "p-1m8aqcqta26napf2g8k-0",
        "request_id": "r-1",
        "at": NOON,
        "version": "v2",
        "stage": "canary",
        "key": None,
        "event_time": None,
        "score": 0.25,
        "probabilities": None,
        "latency_ms": 1.84,
        "batch_rows": 1,
        "error": None,
    }
    return row | fields


def trace_of(prediction: dict[str, Any], **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(["version", "release", "champion", "file", "run", "data", "code"])
    request = {"id": "f1", "gap": None, "wind": 1234567.891011}
    known = {"product": "shop", "waiting": False, "beside": [], "request": request, "features": request, "outcomes": []}
    return found | known | {"prediction": prediction} | fields


def version(**fields: Any) -> dict[str, Any]:
    return {
        "version": "v2",
        "digest": "d" * 64,
        "registered": NOON,
        "model": "sklearn.pipeline.Pipeline",
        "features": ("wind",),
        "classes": (False, True),
        "metrics": {},
    } | fields


def seen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, trace: dict[str, Any]) -> list[str]:
    monkeypatch.setattr(output, "_PIPE_WIDTH", 80)
    render(trace)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 80
    return lines


def test_an_answer_is_told_in_words_and_what_is_not_known_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = seen(capsys, monkeypatch, trace_of(answer(), version=version(), waiting=True))
    assert lines[:7] == [
        "The answer p-1m8aqcqta26napf2g8k-0",
        "    product         shop",
        "    at              2026-03-01 12:34:56 UTC",
        "    by              v2 as canary",
        "    chance of True  0.25",
        "    took            1.8 ms for one row of the request r-1",
        "    where           in a segment: whoever runs the loop brings it into the lake",
    ]
    saw = lines[lines.index("What the model saw") + 1 :]
    assert "    gap   -" in lines
    assert saw[0] == "    wind  1234567.891011"  # to the last digit, and nothing that the model did not get
    assert saw[1] == "What came true"
    assert "The run that made it" not in lines


def test_chances_have_the_names_of_their_classes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    three = version(classes=("a", "b", "c"))
    lines = seen(capsys, monkeypatch, trace_of(answer(probabilities=[0.5, 0.3, 0.2]), version=three))
    assert "    chances  a 0.5, b 0.3, c 0.2" in lines


def test_every_stage_of_the_release_is_told_with_its_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = Decision(judgement="release", verdict="advance", reasons=("210 rows.", "No harm."), numbers={}, at=NOON)
    stages = [
        {"at": NOON, "stage": "release.started", "share": None, "decision": None},
        {"at": NOON, "stage": "canary", "share": 0.5, "decision": decision},
    ]
    found = trace_of(answer(), version=version(), release={"release": "release-1", "stages": stages})
    lines = seen(capsys, monkeypatch, found)
    assert "    started     2026-03-01 12:34:56 UTC: begun" in lines
    assert "    canary 50%  2026-03-01 12:34:56 UTC: 210 rows. No harm." in lines


def test_what_a_shadow_answered_and_what_came_true_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = [answer(version="v3", stage="shadow"), answer(version="v4", stage="shadow", score=None, error="it raised")]
    outcomes = [{"value": True, "observed": NOON, "received": NOON}]
    lines = seen(capsys, monkeypatch, trace_of(answer(), beside=beside, outcomes=outcomes))
    assert "    v3 as shadow  score 0.25, 1.8 ms" in lines
    assert "    v4 as shadow  it raised, 1.8 ms" in lines
    assert any(line.startswith("    yes  observed 2026-03-01 12:34:56 UTC") for line in lines)


def test_the_data_is_told_with_how_long_a_label_may_take(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = DataPin(
        product="shop",
        upto={"examples/rows": 568, "outcomes": -1},
        as_of=NOON,
        start=None,
        time=None,
        key=None,
        within=604800.0,
        absent=None,
        rows=1569,
        digest="e" * 64,
        parts={},
    )
    lines = seen(capsys, monkeypatch, trace_of(answer(), data=pin))
    told = lines[lines.index("The data it learned from") + 1 :]
    assert [line.split(maxsplit=1)[-1] for line in told[:3]] == ["1,569", "up to row 568", "none"]
    assert "    a label may take  7d" in told
