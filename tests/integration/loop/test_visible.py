"""What was answered is seen by monitoring with the next look, and looks are half a second apart."""

from __future__ import annotations

from typing import Any

from windlass.records.event import ChampionChanged
from windlass.settings import Settings

from .conftest import PRODUCT  # type: ignore[import-not-found]


def test_an_answer_is_in_the_lake_after_one_look_and_before_its_segment_ends(world: Any) -> None:
    world.start()
    world.wait_for(ChampionChanged)
    for answered in (120, 240):
        world.serve(120)
        assert world.controller_lake.predictions(PRODUCT).height == answered - 120
        world.look()
        assert world.controller_lake.predictions(PRODUCT).height == answered
        assert list(world.paths.segments(PRODUCT).rglob("*.segment"))  # still written to: nobody waited for its end
    assert Settings().poll_seconds <= 0.5  # with what a look takes, below a second (bench/visible.py)
