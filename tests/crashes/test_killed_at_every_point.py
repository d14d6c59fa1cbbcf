"""kill -9 at every named point, on both databases; each time a fresh process takes up by itself what was under way.

All points of a stage are armed at once, and each kills once: whoever comes after a kill gets a little further.
"""

from __future__ import annotations

import signal

import pytest

from .checker import violations  # type: ignore[import-not-found]
from .lives import REACHED  # type: ignore[import-not-found]
from .stories import ON_POSTGRES, STORIES  # type: ignore[import-not-found]
from .world import PRODUCT, Nursery, World  # type: ignore[import-not-found]


@pytest.mark.parametrize(
    ("world", "story"),
    [
        *(pytest.param("sqlite", story, id=f"sqlite-{name}") for name, story in STORIES.items()),
        pytest.param("postgres", ON_POSTGRES, id="postgres"),
    ],
    indirect=["world"],
)
def test_a_fresh_process_brings_it_to_its_end(
    world: World, nursery: Nursery, story: tuple[tuple[str, ...], ...]
) -> None:
    first, second, back = story
    live(world, nursery, first, champion="v1")
    world.edit("C=1.0", "C=0.1")
    world.ask("train")
    live(world, nursery, second, champion="v2")
    world.ask("rollback")
    live(world, nursery, back, champion="v1")
    world.retire()
    assert nursery.live(world.folder, "v1") == REACHED
    assert not violations(
        world.paths,
        world.ledger_url,
        PRODUCT,
        acknowledged=world.acknowledged,
        reported=world.reported,
        asked=world.asked,
        champions=["v1", "v2", "v1"],
    )


def live(world: World, nursery: Nursery, points: tuple[str, ...], *, champion: str) -> None:
    """One life after the other until every armed point has killed one, and then one that comes to the end."""
    world.arm(points, nursery)
    ends = []
    for _ in points:
        world.answer()
        ends.append(nursery.live(world.folder, champion))
        if ends[-1] == REACHED:
            break
    left = sorted(path.name for path in nursery.points.iterdir())
    assert (left, set(ends) - {-signal.SIGKILL}) == ([], set())
    world.answer()
    assert nursery.live(world.folder, champion) == REACHED
