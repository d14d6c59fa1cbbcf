"""The release behind an answer is found among however many: each question reads what belongs to it and no more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from windlass.app.trace import _release
from windlass.app.workspace import Workspace
from windlass.records.decision import Decision
from windlass.records.event import Body, ReleaseAdvanced, ReleaseFinished, ReleaseStarted
from windlass.records.state import VersionState
from windlass.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DECISION = Decision(judgement="release", verdict="advance", reasons=("It answered.",), numbers={}, at=NOON)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """With forty releases: v1 to v20, and each of them once more."""
    settings = Settings(project=tmp_path, workspace=tmp_path / ".windlass")
    with Workspace(settings, create=True) as opened:
        fence = opened.ledger.acquire("one", 60)
        for number in range(40):
            version, release = f"v{number % 20 + 1}", f"release-{number}"
            story: list[Body] = [
                ReleaseStarted(release=release, version=version, previous=None, run=f"run-{version}", plan={}),
                ReleaseAdvanced(release=release, version=version, stage="shadow", share=0.0, decision=DECISION),
                ReleaseFinished(release=release, version=version, outcome="promoted", decision=DECISION),
            ]
            at = NOON + timedelta(hours=number)
            opened.ledger.append(*story, at=at, actor="controller", product="flights", fence=fence)
        yield opened


@pytest.mark.parametrize(("hours", "release"), [(0, "release-6"), (25.9, "release-6"), (26, "release-26")])
def test_it_is_the_one_in_force_when_it_answered(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, hours: float, release: str
) -> None:
    read = 0
    events = workspace.ledger.events

    def counted(*asked: Any, **filters: Any) -> Any:
        nonlocal read
        found = events(*asked, **filters)
        read += len(found)
        return found

    monkeypatch.setattr(workspace.ledger, "events", counted)
    version = VersionState(version="v7", digest="d" * 64, run="run-v7", metrics={}, registered_at=NOON)

    found = _release(workspace, "flights", version, at=NOON + timedelta(hours=hours))

    assert found is not None
    assert found["release"] == release
    assert [stage["stage"] for stage in found["stages"]] == ["release.started", "shadow", "release.finished"]
    assert read == 2 + 3  # both beginnings, and the story of one


def test_a_version_that_was_never_released_has_none(workspace: Workspace) -> None:
    version = VersionState(version="v7", digest="d" * 64, run="run-of-another", metrics={}, registered_at=NOON)
    assert _release(workspace, "flights", version, at=NOON) is None
