from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from windlass.controller.commands import Answer, Commands, before
from windlass.controller.releases import Releases
from windlass.errors import LeaseLost, LedgerError, UsageError
from windlass.product.policy import Release
from windlass.records.event import (
    ChampionChanged,
    CommandFinished,
    CommandName,
    CommandWithdrawn,
    ProductPaused,
    ProductResumed,
    ReleaseApproved,
    ReleaseFinished,
)
from windlass.records.state import PastChampion, PendingCommand, ProductState, VersionState
from windlass.release import director
from windlass.release.routing import read_routing

from .conftest import NOON, POLICIES, PRODUCT, Desk  # type: ignore[import-not-found]


def started(pending: PendingCommand) -> Answer:
    return Answer(message=f"started for {pending.actor}")


def carry_out(desk: Desk, train: Any = started) -> list[CommandFinished]:
    """Handle what is pending; the answers."""
    seen = desk.ledger.head()
    Commands(context=desk.context, train=train).handle()
    return [event.body for event in desk.ledger.events((CommandFinished,), after=seen)]  # type: ignore[misc]


def answer(desk: Desk, name: CommandName, version: str | None = None, **keywords: Any) -> CommandFinished:
    """Ask for something and have it carried out."""
    command = desk.ask(name, version, **keywords)
    (finished,) = carry_out(desk)
    assert finished.command == command
    return finished


def champion(desk: Desk, name: str) -> None:
    """`name` answers from now on, as after a release that went well."""
    version = desk.state.versions[name]
    desk.write(
        *director.install(desk.state, version, policies=POLICIES, release="", now=NOON, reason="test", probation=False)
    )


def in_release(desk: Desk, stage: str) -> None:
    """v1 answers; v2 has come to `stage`."""
    for name in ("v1", "v2"):
        desk.register(name)
    champion(desk, "v1")
    desk.write(
        *director.begin(
            desk.state, desk.state.versions["v2"], policies=POLICIES, release="release-2", now=NOON, reason="test"
        )
    )
    while director.active_release(desk.state).stage != stage:
        decision = desk.bodies(ReleaseFinished)
        assert not decision
        desk.write(
            *director.advance(
                desk.state,
                policy=POLICIES.release,
                decision=director._verdict("advance", "test", now=NOON),
            )
        )


def test_a_pause_holds_until_it_is_ended(desk: Desk) -> None:
    assert answer(desk, "pause").done
    assert desk.state.paused == "because"
    assert answer(desk, "resume").done
    assert desk.state.paused is None
    refused = answer(desk, "resume")
    assert not refused.done
    assert "not paused" in refused.message
    assert len(desk.bodies(ProductPaused)) == len(desk.bodies(ProductResumed)) == 1


def test_a_run_is_started_by_whoever_has_an_engine(desk: Desk) -> None:
    finished = answer(desk, "train")
    assert (finished.done, finished.message) == (True, "started for ada")


def test_who_has_no_engine_leaves_runs_to_those_who_have_one(desk: Desk) -> None:
    desk.ask("train")
    pause = desk.ask("pause")
    (finished,) = carry_out(desk, None)
    assert (finished.command, finished.done) == (pause, True)
    assert [pending.request.name for pending in desk.context.state.pending] == ["train"]
    assert [finished.message for finished in carry_out(desk)] == ["started for ada"]


def test_what_was_taken_back_is_not_done(desk: Desk) -> None:
    command = desk.ask("pause")
    desk.ledger.append(CommandWithdrawn(command=command, reason="interrupted"), at=NOON, actor="ada", product=PRODUCT)
    assert carry_out(desk) == []
    assert desk.state.paused is None


def test_a_promotion_answers_at_once_and_is_watched(desk: Desk) -> None:
    for name in ("v1", "v2"):
        desk.register(name)
    champion(desk, "v1")
    assert answer(desk, "promote", "v2").message == "v2 answers now"
    assert desk.state.champion == desk.state.versions["v2"]
    assert desk.state.release is not None
    assert (desk.state.release.stage, desk.state.release.previous) == ("probation", "v1")
    (changed,) = [body for body in desk.bodies(ChampionChanged) if body.version == "v2"]
    assert changed.reason == "ada asked to promote: because"
    routing = read_routing(desk.paths.routing(PRODUCT))
    assert routing is not None
    assert routing.champion is not None
    assert (routing.champion.version, routing.mode) == ("v2", "shadow")


def test_a_rollback_goes_to_the_champion_before_and_ends_the_probation(desk: Desk) -> None:
    in_release(desk, "probation")
    assert answer(desk, "rollback").message == "v1 answers now"
    assert desk.state.champion == desk.state.versions["v1"]
    assert desk.state.release is None
    (finished,) = desk.bodies(ReleaseFinished)
    assert (finished.version, finished.outcome) == ("v2", "rolled_back")


@pytest.mark.parametrize(("stage", "outcome"), [("shadow", "abandoned"), ("canary", "rolled_back")])
def test_a_rollback_out_of_a_release_withdraws_it_and_leaves_the_champion(desk: Desk, stage: str, outcome: str) -> None:
    in_release(desk, stage)
    assert answer(desk, "rollback").message == "v2 is withdrawn; v1 goes on answering"
    assert desk.state.champion == desk.state.versions["v1"]
    (finished,) = desk.bodies(ReleaseFinished)
    assert (finished.version, finished.outcome) == ("v2", outcome)
    assert finished.decision.reasons == ("ada asked to rollback: because",)


def test_a_rollback_may_name_its_version(desk: Desk) -> None:
    in_release(desk, "probation")
    desk.register("v3")
    assert answer(desk, "rollback", "v3").done
    assert desk.state.champion == desk.state.versions["v3"]
    assert desk.state.release is None


@pytest.mark.parametrize(
    ("name", "version", "why"),
    [
        ("promote", "v1", "champion already"),
        ("promote", "v9", "no version 'v9'"),
        ("promote", None, "which version"),
        ("rollback", "v1", "champion already"),
        ("rollback", None, "no earlier champion"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    desk: Desk, name: CommandName, version: str | None, why: str
) -> None:
    desk.register("v1")
    champion(desk, "v1")
    before_it = desk.state
    refused = answer(desk, name, version)
    assert not refused.done
    assert why in refused.message
    assert "remedy" in refused.message
    assert desk.state == before_it


@pytest.mark.parametrize("name", ["promote", "rollback", "pause", "resume"])
@pytest.mark.parametrize("product", ["unheard-of", None])
def test_a_product_nobody_knows_is_refused_and_not_made(desk: Desk, name: CommandName, product: str | None) -> None:
    assert not answer(desk, name, product=product).done
    assert set(desk.context.state.products) == {PRODUCT}


@pytest.mark.parametrize("name", ["promote", "rollback"])
def test_a_damaged_version_is_never_chosen(desk: Desk, name: CommandName) -> None:
    for version in ("v1", "v2"):
        digest = desk.register(version)
    champion(desk, "v1")
    (model,) = desk.paths.bundle(PRODUCT, digest).glob("model*")
    model.chmod(0o600)
    model.write_bytes(model.read_bytes() + b" ")
    refused = answer(desk, name, "v2")
    assert not refused.done
    assert model.name in refused.message
    assert desk.state.champion == desk.state.versions["v1"]


def test_each_request_is_carried_out_once(desk: Desk) -> None:
    for name in ("v1", "v2"):
        desk.register(name)
    champion(desk, "v1")
    desk.ask("promote", "v2")
    assert len(carry_out(desk)) == 1
    assert carry_out(desk) == []
    assert [body.version for body in desk.bodies(ChampionChanged)] == ["v1", "v2"]


def test_requests_are_carried_out_in_the_order_they_came(desk: Desk) -> None:
    for name in ("v1", "v2", "v3"):
        desk.register(name)
    champion(desk, "v1")
    asked = [desk.ask("promote", "v2"), desk.ask("pause"), desk.ask("promote", "v3"), desk.ask("rollback")]
    assert [finished.command for finished in carry_out(desk)] == asked
    assert [body.version for body in desk.bodies(ChampionChanged)] == ["v1", "v2", "v3", "v2"]


def test_a_request_that_breaks_its_handler_is_refused_rather_than_tried_for_ever(desk: Desk) -> None:
    def broken(_pending: PendingCommand) -> str:
        raise KeyError("surprise")

    desk.ask("train")
    after = desk.ask("pause")
    first, second = carry_out(desk, broken)
    assert (first.done, "KeyError" in first.message) == (False, True)
    assert (second.command, second.done) == (after, True)


def test_who_has_lost_the_lease_carries_nothing_out(desk: Desk) -> None:
    desk.ask("pause")
    assert desk.context.fence is not None
    desk.ledger.release(desk.context.fence)
    taken = desk.ledger.acquire("another", 60)
    with pytest.raises(LeaseLost):
        carry_out(desk)
    assert taken is not None
    assert [pending.request.name for pending in desk.context.state.pending] == ["pause"]
    assert desk.state.paused is None


def test_a_ledger_that_cannot_be_written_refuses_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that could not be noted as done is still pending, and is carried out later."""
    desk.ask("pause")

    def full(*_bodies: Any, **_keywords: Any) -> None:
        raise LedgerError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.context.ledger, "append", full)
        with pytest.raises(LedgerError):
            carry_out(desk)
    assert carry_out(desk)[0].done


def test_a_routing_record_that_cannot_be_written_does_not_undo_the_request(desk: Desk) -> None:
    for name in ("v1", "v2"):
        desk.register(name)
    champion(desk, "v1")
    desk.paths.routing(PRODUCT).mkdir()  # a folder where a file should be
    assert answer(desk, "promote", "v2").done
    assert desk.state.champion == desk.state.versions["v2"]


@pytest.mark.parametrize(
    ("reigns", "expected"),
    [
        (["v1", "v2"], "v1"),
        (["v1", "v2", "v3"], "v2"),
        (["v1", "v2", "v3", "v2"], "v1"),  # rolled back once already: further, not forward again
        (["v1", "v2", "v1", "v3"], "v1"),  # v2 was taken back, so nobody goes back to it
        (["v1", "v2", "v3", "v1"], None),
        (["v1"], None),
        ([], None),
    ],
)
def test_the_champion_before_is_the_last_one_that_was_not_taken_back(reigns: list[str], expected: str | None) -> None:
    versions = [VersionState(version=name, digest=name, run=None, metrics={}, registered_at=NOON) for name in reigns]
    past = tuple(PastChampion(version=version, since=NOON, until=NOON, reason="") for version in versions[:-1])
    product = ProductState(name="p", champion=versions[-1] if versions else None, previous_champions=past)
    if expected is None:
        with pytest.raises(UsageError, match="no earlier champion"):
            before(product)
    else:
        assert before(product) == expected


# -- approval --------------------------------------------------------------------------------------------------------


def careful(desk: Desk, **release: Any) -> Releases:
    """v1 answers, v2 waits in its canary for nothing but a person."""
    desk.register("v1")
    leading = Releases(context=desk.new_context())
    leading.step(PRODUCT)
    desk.declare(replace(POLICIES, release=Release(canary=[0.5], minimum=20, probation="6h", approval=True, **release)))
    desk.register("v2")
    leading.step(PRODUCT)
    desk.wait(hours=1)
    desk.answer(40, version="v1")
    desk.answer(40, version="v2", stage="canary")
    desk.commit(leading)
    return leading


def stage(desk: Desk) -> str | None:
    return None if desk.state.release is None else desk.state.release.stage


def test_a_release_waits_for_a_person_who_is_recorded(desk: Desk) -> None:
    leading = careful(desk)
    leading.step(PRODUCT)
    assert (stage(desk), desk.state.release.approved_by) == ("canary", None)  # type: ignore[union-attr]
    assert answer(desk, "approve", "v2").message.startswith("v2 is approved")
    (approved,) = desk.bodies(ReleaseApproved)
    assert (approved.version, approved.by, approved.reason) == ("v2", "ada", "because")
    leading.step(PRODUCT)
    assert (stage(desk), desk.state.champion.version) == ("probation", "v2")  # type: ignore[union-attr]


def test_approval_hides_no_harm(desk: Desk) -> None:
    leading = careful(desk)
    assert answer(desk, "approve").done
    desk.answer(40, version="v1")
    desk.answer(200, version="v2", stage="canary", error="it raised")
    desk.answer(40, version="v1")
    desk.commit(leading)
    leading.step(PRODUCT)
    assert desk.bodies(ReleaseFinished)[-1].outcome == "rolled_back"


def test_who_is_never_answered_gives_up_at_the_deadline(desk: Desk) -> None:
    leading = careful(desk, deadline="2d")
    desk.wait(days=2)
    leading.step(PRODUCT)
    finished = desk.bodies(ReleaseFinished)[-1]
    assert (finished.version, finished.outcome) == ("v2", "rolled_back")
    assert any("`windlass approve`" in reason for reason in finished.decision.reasons)


def test_the_first_version_and_one_without_stages_wait_too(desk: Desk) -> None:
    desk.declare(replace(POLICIES, release=Release(probation="0s", approval=True)))
    leading = Releases(context=desk.new_context())
    for name in ("v1", "v2"):
        before_it = desk.state.champion
        desk.register(name)
        leading.step(PRODUCT)
        leading.step(PRODUCT)
        assert (stage(desk), desk.state.champion) == ("started", before_it)
        assert answer(desk, "approve").done
        leading.step(PRODUCT)
        assert (stage(desk), desk.state.champion.version) == (None, name)  # type: ignore[union-attr]


def test_what_needs_no_approval_cannot_be_approved(desk: Desk) -> None:
    assert "no release that waits" in answer_after_declaring(desk).message
    in_release(desk, "canary")
    assert "needs no approval" in answer(desk, "approve").message
    assert "v7 is not being released" in answer(desk, "approve", "v7").message


def answer_after_declaring(desk: Desk) -> CommandFinished:
    desk.declare()
    return answer(desk, "approve")


def test_nobody_approves_twice(desk: Desk) -> None:
    careful(desk)
    assert answer(desk, "approve").done
    assert "ada approved v2 already" in answer(desk, "approve").message
