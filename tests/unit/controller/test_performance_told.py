"""What `windlass performance` tells of answers that lie in the lake."""

from __future__ import annotations

import polars as pl
import pytest
from msgspec.structs import replace

from windlass.app.performance import UNESTIMATED, performance
from windlass.app.workspace import Workspace
from windlass.errors import UsageError
from windlass.records.event import ChampionChanged
from windlass.web.performance import performance_page

from .conftest import PRODUCT, Desk  # type: ignore[import-not-found]


@pytest.fixture
def told(desk: Desk) -> Workspace:
    """Three windows of a hundred answers; only the first two have labels yet."""
    digest = desk.register("v1", estimated=True)
    desk.write(ChampionChanged(version="v1", digest=digest, previous=None, release=None, reason="test"))
    for window in range(3):
        desk.wait(hours=30)
        scores = desk.random.uniform(0, 1, size=100)
        ids = desk.answer(100, scores=scores)
        if window < 2:
            truth = desk.random.random(100) < scores
            for label in (True, False):
                desk.observe([each for each, right in zip(ids, truth, strict=True) if right == label], label)
        desk.commit()
    workspace = Workspace(desk.settings)
    workspace.__dict__["clock"] = desk.clock
    return workspace


def test_windows_have_a_figure_by_labels_and_one_without(told: Workspace) -> None:
    found = performance(told, None, version=None, limit=20)
    assert (found.version, found.metric, found.estimated) == ("v1", "roc_auc", True)
    assert [(window.rows, window.labelled) for window in found.windows] == [(100, 100), (100, 100), (100, 0)]
    whole, bare = found.windows[0].figures[0], found.windows[2].figures[0]
    assert whole.realised.lower < whole.realised.value < whole.realised.upper
    assert (bare.realised.value, bare.realised.lower, bare.realised.upper) == (None, 0.0, 1.0)
    for window in found.windows:
        for each in window.figures:
            assert each.estimated.lower < each.estimated.value < each.estimated.upper


def test_the_last_windows_and_another_metric(told: Workspace) -> None:
    whole = performance(told, PRODUCT, version="v1", limit=20)
    found = performance(told, PRODUCT, version="v1", metric="accuracy", limit=1)
    assert (found.metric, found.windows[0].figures[0].metric) == ("accuracy", "accuracy")
    assert [window.first for window in found.windows] == [whole.windows[-1].first]
    with pytest.raises(UsageError, match="is not told window by window"):
        performance(told, PRODUCT, version=None, metric="nonsense", limit=1)
    with pytest.raises(UsageError, match="no version"):
        performance(told, PRODUCT, version="v9", limit=1)


def test_labels_that_are_sent_again_change_nothing(desk: Desk, told: Workspace) -> None:
    desk.wait(hours=1)
    before = performance(told, None, version=None, limit=20)
    held = told.lake.outcomes(PRODUCT)
    for value, label in (("true", True), ("false", False)):
        desk.observe(held.filter(pl.col("value") == value)["prediction_id"].to_list(), label)
    desk.commit()
    assert told.lake.outcomes(PRODUCT).height == 2 * held.height
    assert performance(told, None, version=None, limit=20) == before


def test_a_page_shows_both(told: Workspace) -> None:
    found = performance(told, None, version=None, limit=20)
    page = performance_page(found)
    assert all(word in page for word in ("by labels", "estimated", "roc_auc", "accuracy"))
    known = found.windows[1]  # the last one with labels
    assert f"{known.figures[0].realised.value:.4g}</" in page
    assert f"from {known.first:%Y-%m-%d %H:%M} on" in page
    assert all(f'class="band {tone}"' in page for tone in ("accent", "first"))


def test_inputs_far_from_what_was_learned_from_are_told(told: Workspace) -> None:
    found = performance(told, None, version=None, limit=20)
    assert found.learned_from == 400
    assert all(0 < window.rests_on <= 400 for window in found.windows)
    last = replace(found.windows[-1], rests_on=101)
    near = replace(found, windows=(*found.windows[:-1], last))
    far = replace(found, windows=(*found.windows[:-1], replace(last, rests_on=99)))
    assert near.far == ""
    assert "these count as 99 here" in far.far
    assert far.far in performance_page(far)
    assert far.far not in performance_page(near)
    assert replace(found, windows=()).far == ""


def test_a_page_without_an_estimator_says_why_and_draws_nothing_of_it(told: Workspace) -> None:
    page = performance_page(replace(performance(told, None, version=None, limit=20), estimated=False))
    assert UNESTIMATED in page
    assert 'class="band first"' not in page
    assert 'class="band accent"' in page
    assert "last window, estimated" not in page


def test_a_version_that_has_not_answered_has_nothing_to_show(desk: Desk) -> None:
    digest = desk.register("v1")
    desk.write(ChampionChanged(version="v1", digest=digest, previous=None, release=None, reason="test"))
    found = performance(Workspace(desk.settings), None, version=None, limit=20)
    assert (found.windows, found.estimated) == ((), False)
    assert "has not answered" in performance_page(found)
