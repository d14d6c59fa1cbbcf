"""One story of kills, from the first champion to the way back, and what was wrong at its end."""

from __future__ import annotations

import signal

from .checker import violations  # type: ignore[import-not-found]
from .lives import REACHED  # type: ignore[import-not-found]
from .world import PRODUCT, Nursery, World  # type: ignore[import-not-found]


def tell(world: World, nursery: Nursery, story: tuple[tuple[str, ...], ...]) -> list[str]:
    """Kill at every point of the story and let a fresh process bring each stage to its end; sentences of what does not
    hold then. Raises AssertionError when a point killed nobody, or a life ended by something else."""
    first, second, back = story
    _live(world, nursery, first, champion="v1")
    world.edit("C=1.0", "C=0.1")
    world.ask("train")
    _live(world, nursery, second, champion="v2")
    world.ask("rollback")
    _live(world, nursery, back, champion="v1")
    world.retire()
    assert nursery.live(world.folder, "v1") == REACHED
    found: list[str] = violations(
        world.paths,
        world.ledger_url,
        PRODUCT,
        acknowledged=world.acknowledged,
        reported=world.reported,
        asked=world.asked,
        champions=["v1", "v2", "v1"],
    )
    return found


def _live(world: World, nursery: Nursery, points: tuple[str, ...], *, champion: str) -> None:
    """One life after the other until every armed point has killed one, and then one that comes to the end."""
    world.arm(points, nursery)
    ends = []
    for _ in points:
        world.answer()
        ends.append(nursery.live(world.folder, champion))
        if ends[-1] == REACHED:
            break
    left = sorted(path.name for path in nursery.points.iterdir())
    assert (left, set(ends) - {-signal.SIGKILL}) == ([], set()), (left, ends)
    world.answer()
    assert nursery.live(world.folder, champion) == REACHED
