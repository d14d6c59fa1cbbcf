"""kill -9 at every named point, on both databases; each time a fresh process takes up by itself what was under way.

All points of a stage are armed at once, and each kills once: whoever comes after a kill gets a little further.
"""

from __future__ import annotations

import pytest

from .stories import ON_POSTGRES, STORIES  # type: ignore[import-not-found]
from .telling import tell  # type: ignore[import-not-found]
from .world import Nursery, World  # type: ignore[import-not-found]


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
    assert not tell(world, nursery, story)
