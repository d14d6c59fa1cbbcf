from __future__ import annotations

from windlass.app.queries import status, versions
from windlass.records.event import ChampionChanged, ReferenceFixed, VersionRegistered

from .conftest import Office  # type: ignore[import-not-found]


def told(office: Office) -> tuple[object, list[object]]:
    """What the views say of the champion, and of each version."""
    (row,) = status(office.workspace)
    return row["watched_against"], [each["watched_against"] for each in versions(office.workspace, None)]


def test_what_a_version_is_watched_against_is_said_in_words(office: Office) -> None:
    assert told(office) == (None, [])
    fence = office.hold("controller")
    office.write(
        VersionRegistered(version="v1", digest="a", run=None, metrics={}),
        VersionRegistered(version="v2", digest="b", run="run-1", metrics={}),
        ChampionChanged(version="v1", digest="a", previous=None, release=None, reason="test"),
        fence=fence,
    )
    learned = "the rows it learned from"
    waits = "its first 2,000 answers, for drift alone, once it has given them"
    assert told(office) == (waits, [waits, learned])
    office.write(ReferenceFixed(version="v1", rows=1000, through=1200, digest="c"), fence=fence)
    first = "its first 1,000 answers, for drift alone"
    assert told(office) == (first, [first, learned])
