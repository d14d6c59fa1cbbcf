"""The page of a version tells apart what was not asked for and what could not be shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from windlass.app.version import Forms, VersionCard
from windlass.pipeline.rows.split import Split
from windlass.pipeline.verdicts.evaluation import Evaluation, Slice
from windlass.records.bundle import Environment, Manifest, ModelFile
from windlass.web.version import version_page


def card(gate: dict[str, Any] | None, *slices: Slice, forms: tuple[Forms, ...] = ()) -> VersionCard:
    manifest = Manifest(
        product="flights",
        entry="flights:Flights",
        run="run-1",
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        task={"task": "binary", "target": "late"},
        policies={"gate": gate},
        columns=(),
        features=(),
        model=ModelFile(format="skops", file="model.skops", kind="sklearn.Pipeline"),
        metrics={},
        pin=None,
        environment=Environment(python="3.12", platform="Linux", windlass="0.1.0", distributions={}),
        files={},
    )
    evaluation = Evaluation(
        rows=30,
        metric="roc_auc",
        larger_is_better=True,
        metrics={"roc_auc": 0.8},
        baseline={"roc_auc": 0.5},
        slices=slices,
        calibration=None,
        residuals={},
        importances=(),
        split=Split(by="time", train=120, holdout=30),
    )
    return VersionCard(
        version="v1",
        digest="d-v1",
        role="champion",
        watched_against="its holdout",
        answers_with="the model itself: there is nothing to gain",
        manifest=manifest,
        evaluation=evaluation,
        latency=None,
        forms=forms,
    )


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (None, "the gate names no slices"),
        ({"slices": []}, "the gate names no slices"),
        ({"slices": ["carrier", "origin"]}, "no group of carrier, origin has 20 rows"),
    ],
)
def test_a_page_without_slices_says_why(gate: dict[str, Any] | None, said: str) -> None:
    assert said in version_page(card(gate))


def test_slices_are_shown_with_their_figures() -> None:
    page = version_page(
        card({"slices": ["carrier"]}, Slice(column="carrier", group="UA", rows=25, metrics={"mcc": 0.25}))
    )
    assert "UA" in page
    assert "mcc 0.25" in page
    assert "no group of" not in page


def test_what_a_compiled_form_takes_stands_beside_what_the_model_takes() -> None:
    forms = (Forms(request="one row", native_ms=4.5, form_ms=0.125),)
    page = version_page(card(None, forms=forms))
    assert "the model itself, ms" in page
    assert "4.5" in page
    assert "0.125" in page
    assert "Its compiled form" not in version_page(card(None))
