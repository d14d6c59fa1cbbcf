"""A real workspace is pruned of all that its champion does not need, and tells the same of every answer."""

from __future__ import annotations

import json
import tarfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from windlass.app.lease import holding
from windlass.app.trace import trace
from windlass.app.workspace import Workspace
from windlass.ledger.pruning import Pruned
from windlass.ledger.retention import kept_for
from windlass.settings import load_settings

ARCHIVE = Path(__file__).parents[2] / "fixtures" / "workspaces" / "0.1.0.tar.gz"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(tmp_path, filter="tar")
    return Workspace.open(load_settings(directory=tmp_path, environment={"WINDLASS_CLOCK": f"shared:{tmp_path}/clock"}))


def prune(workspace: Workspace, *, before: datetime) -> Pruned:
    with holding(workspace) as context:
        assert context is not None
        kept = kept_for(context.state, {}, before=before)
        return context.notary.prune(kept, at=context.now, actor="cleaner", fence=context.held(), between=context.keep)


def test_what_is_told_of_an_answer_is_told_as_before(workspace: Workspace) -> None:
    answer = json.loads((workspace.settings.project / "story.json").read_text())["answered"]["id"]

    def told() -> Any:
        return msgspec.to_builtins(trace(workspace, answer, product=None))

    with workspace:
        before, state, events = told(), workspace.state(), workspace.ledger.events()
        pruned = prune(workspace, before=workspace.clock.now() + timedelta(days=1))

        assert pruned.removed > 5
        assert told() == before
        assert before["run"]["steps"]
        assert workspace.state() == state
        assert workspace.ledger.events() == [  # what is left stands as it was, with the key and the pruning behind it
            event for event in events if event.sequence in {left.sequence for left in workspace.ledger.events()}
        ] + workspace.ledger.events(after=events[-1].sequence)
        found = workspace.notary.verify()
        assert (found.ok, found.pruned) == (True, pruned.removed), found.problems

    with Workspace(workspace.settings) as again:  # nothing of it was only in memory
        assert again.state().products == state.products


def test_what_is_young_is_left_alone(workspace: Workspace) -> None:
    with workspace:
        before = workspace.ledger.events()
        assert prune(workspace, before=before[0].at) == Pruned()
        assert workspace.ledger.events()[: len(before)] == before
