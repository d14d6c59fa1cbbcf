"""What `windlass train` says of the version that it made."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from windlass.app.train import _standing
from windlass.records.state import ProductState, ReleaseState, VersionState

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)


def release_of(version: str, stage: str) -> ReleaseState:
    return ReleaseState(
        release="rel-1",
        version=version,
        previous="v1",
        stage=stage,  # type: ignore[arg-type]
        share=0.0,
        started_at=NOON,
        stage_started_at=NOON,
        plan={},
        run=None,
    )


@pytest.mark.parametrize(
    ("champion", "release", "said"),
    [
        ("v2", None, "it answers now"),
        ("v2", release_of("v2", "probation"), "it answers now"),
        ("v1", release_of("v2", "shadow"), "it is being released; v1 answers until it is shown to be safe"),
        ("v1", release_of("v3", "shadow"), "it waits for the release of v3 (shadow), and v1 answers meanwhile"),
        (
            "v3",
            release_of("v3", "probation"),
            "it is released next, which cuts the probation of v3 short; v3 answers meanwhile",
        ),
        ("v1", None, "it is released next, and v1 answers meanwhile"),
        (None, None, "it is released next, and nobody answers meanwhile"),
    ],
)
def test_how_far_its_release_is(champion: str | None, release: ReleaseState | None, said: str) -> None:
    state = ProductState(name="flights", release=release)
    if champion is not None:
        answering = VersionState(version=champion, digest="d" * 64, run="r1", metrics={}, registered_at=NOON)
        state = replace(state, champion=answering)
    assert _standing(state, "v2") == said
