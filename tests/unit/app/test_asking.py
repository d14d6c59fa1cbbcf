from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from windlass.app.act import ask
from windlass.app.lease import context_for
from windlass.controller.commands import Answer, Commands
from windlass.controller.context import LoopContext
from windlass.errors import ProductError, UsageError
from windlass.records.event import CommandFinished, CommandName, CommandWithdrawn, ProductPaused
from windlass.records.lease import Fence

from .conftest import PRODUCT, Office  # type: ignore[import-not-found]


def request(office: Office, name: CommandName = "pause", **keywords: Any) -> str:
    return ask(
        office.workspace,
        name,
        product=PRODUCT,
        reason="because",
        say=office.said.append,
        rest=office.rest,
        real_time=office.real_time,
        **keywords,
    )


def living(office: Office, fence: Fence, *, answers_after: float) -> Callable[[], None]:
    """A controller that renews its lease and carries out what is pending, from some second on."""

    def look() -> None:
        office.ledger.renew(fence, 10)
        if office.seconds >= answers_after:
            Commands(context=context_for(office.workspace, fence)).handle()

    return look


def test_without_a_holder_it_is_done_here(office: Office) -> None:
    assert request(office) == "p is paused; it goes on serving"
    assert (office.said, office.seconds, office.ledger.lease()) == ([], 0.0, None)


def test_a_living_holder_answers_and_nothing_is_said_meanwhile(office: Office) -> None:
    office.meanwhile = living(office, office.hold("controller"), answers_after=0.5)
    assert request(office).startswith("p is paused")
    assert office.said == []
    assert office.seconds < 1
    (finished,) = office.bodies(CommandFinished)
    assert finished.done  # type: ignore[attr-defined]


def test_the_lease_of_a_dead_holder_is_waited_for_and_told(office: Office) -> None:
    office.hold("who-was-killed", 10)
    assert request(office).startswith("p is paused")
    assert 9.9 < office.seconds < 10.2
    assert office.said == ["waiting: who-was-killed holds the lease; if that process is dead, it runs out within 10 s"]
    assert len(office.bodies(ProductPaused)) == 1


def test_a_lease_longer_than_ones_patience_is_waited_for_too(office: Office) -> None:
    office.workspace.settings = msgspec.structs.replace(office.workspace.settings, lease_seconds=40.0)
    office.hold("who-was-killed", 40)
    assert request(office).startswith("p is paused")
    assert 39.9 < office.seconds < 41


def test_a_holder_that_lives_and_does_not_answer_is_refused_and_the_request_taken_back(office: Office) -> None:
    office.meanwhile = living(office, office.hold("busy"), answers_after=1e9)
    with pytest.raises(UsageError, match="busy holds the lease and is alive, but has not answered within 30 s") as told:
        request(office)
    assert told.value.remedy
    assert 30 <= office.seconds < 31
    assert office.said == ["waiting: busy holds the lease and is alive"]
    assert len(office.bodies(CommandWithdrawn)) == 1
    assert office.workspace.state().pending == ()


def test_a_holder_that_follows_a_dead_one_is_a_new_one(office: Office) -> None:
    """That the first one was dead must not be held against the second, nor the other way round."""
    office.hold("dead", 10)
    taken: list[Fence] = []

    def takes_over() -> None:
        if not taken and office.ledger.lease() is None:
            taken.append(office.hold("second", 10))
        if taken:
            living(office, taken[0], answers_after=12.5)()

    office.meanwhile = takes_over
    assert request(office).startswith("p is paused")
    assert ["dead" in office.said[0], "second" in office.said[-1], "alive" in office.said[-1]] == [True] * 3


def test_who_is_interrupted_takes_the_request_back(office: Office) -> None:
    office.hold("dead", 10)

    def interrupt() -> None:
        if office.seconds > 3:
            raise KeyboardInterrupt

    office.meanwhile = interrupt
    with pytest.raises(KeyboardInterrupt):
        request(office, "promote", version="v2")
    assert office.said[-1] == "the request was taken back"
    assert office.workspace.state().pending == ()


def test_what_was_done_is_not_taken_back(office: Office) -> None:
    """Interrupted while the run that was asked for is under way: the request has been answered."""

    def act(context: LoopContext) -> None:
        Commands(context=context, train=lambda _pending: Answer(message="run r started")).handle()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        request(office, "train", act=act)
    assert (office.bodies(CommandWithdrawn), office.said) == ([], [])
    assert office.ledger.lease() is None  # and the lease is given back


def test_what_cannot_be_begun_is_raised_as_it_is_and_taken_back(office: Office) -> None:
    def act(_context: LoopContext) -> None:
        raise ProductError("not valid Python", where="p.py:3", remedy="mend that line")

    with pytest.raises(ProductError, match="not valid Python"):
        request(office, "train", act=act)
    (withdrawn,) = office.bodies(CommandWithdrawn)
    assert withdrawn.reason == "not valid Python"  # type: ignore[attr-defined]
    assert office.ledger.lease() is None


def test_a_refusal_says_why_and_what_helps(office: Office) -> None:
    with pytest.raises(UsageError) as told:
        request(office, "resume")
    assert str(told.value) == "p is not paused\n  remedy: nothing is to be done"


def test_a_person_leaves_the_run_that_another_waits_for(office: Office) -> None:
    """Without an engine nobody can do it, and to refuse it would be to answer for somebody else."""
    office.hold("dead", 10)

    def interrupt() -> None:
        raise SystemExit  # as if killed: nothing is taken back

    office.meanwhile = interrupt
    with pytest.raises(SystemExit):
        request(office, "train")
    office.meanwhile = lambda: None
    assert request(office).startswith("p is paused")
    assert [pending.request.name for pending in office.workspace.state().pending] == ["train"]
