"""A model that came as a file is compared with its compiled form once it has answered as many rows as that takes."""

from __future__ import annotations

import pytest

from windlass.controller import forms
from windlass.controller.declarations import Declarations
from windlass.controller.forms import Forms
from windlass.controller.incidents import Incidents
from windlass.records.event import ChampionChanged, FormTurnedDown, ReferenceFixed, VersionRegistered

from .conftest import PRODUCT, Desk  # type: ignore[import-not-found]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "PARITY_ROWS", 50)


def forms_of(desk: Desk) -> Forms:
    """As in a controller that has just started."""
    incidents = Incidents(context=desk.context)
    entries = {PRODUCT: "m:P"}
    declarations = Declarations(context=desk.context, engine=desk.engine, incidents=incidents, entries=entries)
    return Forms(context=desk.context, declarations=declarations)


def crown(desk: Desk, *, run: str | None = None) -> None:
    digest = desk.publish("v1")
    desk.write(
        VersionRegistered(version="v1", digest=digest, run=run, metrics={}),
        ChampionChanged(version="v1", digest=digest, previous=None, release=None, reason="test"),
    )


def test_the_product_is_read_again_once_when_there_are_enough_answers(desk: Desk) -> None:
    crown(desk)
    looks = forms_of(desk)
    desk.answer(49)
    desk.answer(30, error="it raised")  # these do not count
    desk.answer(30, stage="shadow")  # nor do these
    desk.commit()
    looks.step(PRODUCT)
    assert desk.engine.submitted == []
    desk.answer(1)
    desk.commit()
    for _ in range(3):
        looks.step(PRODUCT)
    assert [function for function, _ in desk.engine.submitted] == ["windlass.pipeline.declaring:declare"]


@pytest.mark.parametrize("settled", ["trained here", "turned down"])
def test_what_is_settled_is_left_alone(desk: Desk, settled: str) -> None:
    crown(desk, run="run-1" if settled == "trained here" else None)
    if settled == "turned down":
        desk.write(FormTurnedDown(version="v1", rows=50, reason="it is not faster"))
    desk.answer(60)
    desk.commit()
    forms_of(desk).step(PRODUCT)
    assert desk.engine.submitted == []


def test_a_compiled_form_is_watched_against_what_its_model_is_watched_against(desk: Desk) -> None:
    crown(desk)
    fixed = ReferenceFixed(version="v1", rows=100, through=99, digest="d")
    desk.write(fixed, VersionRegistered(version="v2", digest="e", run=None, metrics={}, form_of="v1"))
    assert desk.state.references == {"v1": fixed, "v2": fixed}
