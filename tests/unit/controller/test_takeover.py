"""What the new holder of the lease does first, and what becomes of what its predecessor was about to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from windlass.controller.context import LoopContext
from windlass.controller.takeover import take_over
from windlass.errors import LeaseLost, UsageError
from windlass.lake.lake import Lake
from windlass.lake.table import FENCE
from windlass.records.lease import Fence
from windlass.registry.registry import Registry
from windlass.staging import Staging

from .conftest import PRODUCT, Desk  # type: ignore[import-not-found]


def seize(desk: Desk) -> Fence:
    """The lease, though its holder has not given it back: as if it had expired."""
    held = desk.context.held()
    desk.ledger.release(held)
    fence = desk.ledger.acquire("successor", 60)
    assert fence is not None
    return fence


def under(desk: Desk, fence: Fence, **changes: Any) -> LoopContext:
    return LoopContext(
        ledger=desk.ledger,
        lake=Lake(desk.paths.lake, fence),
        registry=Registry(desk.paths),
        paths=desk.paths,
        clock=desk.clock,
        view=desk.context.view,
        fence=fence,
        **({"settings": desk.settings} | changes),
    )


def folders(desk: Desk) -> dict[str, list[str]]:
    return {store.name: sorted(path.name for path in (store / ".staging").iterdir()) for store in desk.paths.stores}


def test_every_store_is_taken_over(desk: Desk) -> None:
    desk.answer(3)
    desk.context.lake.commit_segments(PRODUCT, desk.paths.segments(PRODUCT), desk.clock.now())
    for store in desk.paths.stores:
        Staging(store, desk.context.held()).make("work", "half")
    fence = seize(desk)
    take_over(under(desk, fence))
    assert folders(desk) == {store: [f"token-{fence.token}"] for store in ("artifacts", "lake", "registry", "routing")}
    assert all(not list(Staging(store, fence).folder.iterdir()) for store in desk.paths.stores)
    table = Lake(desk.paths.lake)._table(PRODUCT, "predictions")
    assert table.transaction(FENCE) == fence.token
    desk.answer(1)
    with pytest.raises(LeaseLost):
        desk.context.lake.commit_segments(PRODUCT, desk.paths.segments(PRODUCT), desk.clock.now())
    assert desk.lake.predictions(PRODUCT).height == 3


def test_one_that_slept_since_it_got_its_token_takes_nothing_over(desk: Desk) -> None:
    late = seize(desk)
    desk.ledger.release(late)
    newest = desk.ledger.acquire("newest", 60)
    assert newest is not None
    take_over(under(desk, newest))
    before = folders(desk)
    with pytest.raises(LeaseLost, match="has lost the lease"):
        take_over(under(desk, late))
    # Its folders are there, and are moved away by the next; it never gets to use them.
    mine = f"token-{late.token}"
    assert {name: [each for each in found if each != mine] for name, found in folders(desk).items()} == before


@pytest.mark.parametrize("step", ["retire_predecessors", "clear_retired"])
def test_one_that_slept_in_the_middle_of_taking_over_goes_no_further(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    late = seize(desk)
    real, slept = getattr(Staging, step), []

    def sleeping(self: Staging) -> None:
        if not slept:
            slept.append(True)
            desk.ledger.release(late)
            newest = desk.ledger.acquire("newest", 60)
            assert newest is not None
            take_over(under(desk, newest))
        real(self)

    monkeypatch.setattr(Staging, step, sleeping)
    if step == "retire_predecessors":
        with pytest.raises(LeaseLost):
            take_over(under(desk, late))
    else:  # there is nothing left to do but to delete what nobody looks for
        take_over(under(desk, late))
    assert folders(desk) == {
        store: [f"token-{late.token + 1}"] for store in ("artifacts", "lake", "registry", "routing")
    }


def test_one_that_slept_before_a_table_does_not_claim_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.answer(1)
    desk.context.lake.commit_segments(PRODUCT, desk.paths.segments(PRODUCT), desk.clock.now())
    late = seize(desk)
    claim = Lake.claim

    def sleeping(self: Lake, **keywords: Any) -> tuple[str, ...]:
        monkeypatch.setattr(Lake, "claim", claim)
        desk.ledger.release(late)
        newest = desk.ledger.acquire("newest", 60)
        assert newest is not None
        take_over(under(desk, newest))
        return claim(self, **keywords)

    monkeypatch.setattr(Lake, "claim", sleeping)
    with pytest.raises(LeaseLost):
        take_over(under(desk, late))
    assert Lake(desk.paths.lake)._table(PRODUCT, "predictions").transaction(FENCE) == late.token + 1


def test_the_lease_is_held_while_many_tables_are_claimed(desk: Desk) -> None:
    for product in ("a", "b", "c"):
        frame = pl.DataFrame({"x": [1]})
        desk.context.lake.ingest(product, "rows", frame, time=None, key=None, now=desk.clock.now())
    fence = seize(desk)
    settings = msgspec.structs.replace(desk.settings, lease_seconds=8.0)
    taking = under(desk, fence, settings=settings, real_time=map(float, range(0, 1000, 3)).__next__)
    renewals: list[float] = []
    renew = desk.ledger.renew

    def noted(fence: Fence, seconds: float) -> None:
        renewals.append(seconds)
        renew(fence, seconds)

    taking.ledger.renew = noted  # type: ignore[method-assign]
    take_over(taking)
    assert renewals == [8.0] * 4  # once to confirm the folders, then before each table


def test_a_workspace_that_cannot_be_written_is_a_clear_error(desk: Desk) -> None:
    fence = seize(desk)
    folder = desk.paths.routings / ".staging"
    for path in folder.iterdir():
        path.rmdir()
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(UsageError, match="cannot be taken over") as caught:
        take_over(under(desk, fence))
    assert caught.value.where == str(folder)


def test_a_damaged_table_keeps_nobody_from_taking_over(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.answer(1)
    desk.context.lake.commit_segments(PRODUCT, desk.paths.segments(PRODUCT), desk.clock.now())
    log: Path = desk.paths.lake / PRODUCT / "predictions" / "_delta_log"
    (log / f"{0:020d}.json").write_text("{")
    take_over(under(desk, seize(desk)))
    assert "a table cannot be taken over" in caplog.text
