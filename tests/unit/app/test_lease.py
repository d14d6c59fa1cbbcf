"""Getting the right to act, and giving it back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from windlass.app.lease import acquire, holder_name, holding
from windlass.app.workspace import Workspace
from windlass.controller.context import LoopContext
from windlass.errors import LeaseLost, UsageError
from windlass.records.lease import Fence
from windlass.settings import Settings
from windlass.staging import Staging


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(Settings(project=tmp_path, workspace=tmp_path / ".windlass"), create=True) as opened:
        yield opened


def test_whoever_gets_it_has_taken_every_store_over(workspace: Workspace) -> None:
    context = acquire(workspace)
    assert context is not None
    assert all(Staging(store, context.held()).folder.is_dir() for store in workspace.paths.stores)
    assert acquire(workspace) is None


def test_it_is_given_back_also_after_an_error(workspace: Workspace) -> None:
    def fail() -> None:
        with holding(workspace):
            raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        fail()
    assert workspace.ledger.lease() is None
    with holding(workspace) as first, holding(workspace) as second:
        assert first is not None
        assert second is None
    assert workspace.ledger.lease() is None


def test_what_keeps_the_stores_from_being_taken_over_gives_it_back(workspace: Workspace) -> None:
    workspace.paths.root.mkdir(exist_ok=True)
    workspace.paths.routings.write_text("in the way")
    with pytest.raises(UsageError, match="cannot be taken over"):
        acquire(workspace)
    assert workspace.ledger.lease() is None
    workspace.paths.routings.unlink()
    assert acquire(workspace) is not None


def test_a_ledger_that_was_begun_anew_beside_old_stores_does_not_repeat_their_tokens(
    workspace: Workspace, tmp_path: Path
) -> None:
    for _ in range(3):
        with holding(workspace) as context:
            assert context is not None
    old = context.held()
    settings = Settings(
        project=tmp_path, workspace=workspace.settings.workspace, ledger=f"sqlite:///{tmp_path / 'new.db'}"
    )
    with Workspace(settings, create=True) as anew, holding(anew) as fresh:
        assert fresh is not None
        assert fresh.held().token == old.token + 1
        with pytest.raises(LeaseLost):
            Staging(anew.paths.lake, old).make("flights", "a")


def test_two_holders_of_the_same_name_are_two(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windlass.app.lease.holder_name", lambda _workspace: "controller")
    first = acquire(workspace)
    assert first is not None
    assert acquire(workspace) is None
    _expire(workspace, first)
    second = acquire(workspace)
    assert second is not None
    assert (first.held().holder, second.held().holder) == ("controller", "controller")
    with pytest.raises(LeaseLost):
        Staging(workspace.paths.registry, first.held()).make("flights", "a")
    with pytest.raises(LeaseLost):
        workspace.ledger.renew(first.held(), 10)
    workspace.ledger.release(first.held())  # which is not his any more
    assert workspace.ledger.lease() is not None


def test_no_two_processes_are_called_the_same(workspace: Workspace) -> None:
    names = {holder_name(workspace) for _ in range(1000)}
    assert len(names) == 1000


def _expire(workspace: Workspace, context: LoopContext) -> None:
    """As if its holder had been silent for too long."""
    workspace.ledger.renew(Fence(holder=context.held().holder, token=context.held().token), 1e-6)
