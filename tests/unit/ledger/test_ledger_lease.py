"""One holder at a time, and a fence that shows who it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy.exc import OperationalError

from windlass.clock import SimulatedClock
from windlass.errors import LeaseLost, LedgerError
from windlass.ledger import sqlite
from windlass.ledger.ledger import Ledger
from windlass.records.event import ProductPaused, RunLogged
from windlass.records.lease import Fence, Lease

from .conftest import Backdoor  # type: ignore[import-not-found]

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
PAUSE = ProductPaused(reason="holiday")


def holds(ledger: Ledger, fence: Fence) -> bool:
    """Whether a fenced event can be written; its absence after LeaseLost is checked on the way."""
    before = ledger.head()
    try:
        ledger.append(PAUSE, at=NOON, actor="controller", product="flights", fence=fence)
    except LeaseLost:
        assert ledger.head() == before
        return False
    assert ledger.head() == before + 1
    return True


def test_a_free_lease_is_taken_and_shown(ledger: Ledger, real_time: SimulatedClock) -> None:
    assert ledger.lease() is None
    fence = ledger.acquire("one", 10)

    assert fence == Fence(holder="one", token=1)
    assert ledger.lease() == Lease(holder="one", token=1, expires_at=real_time.now() + timedelta(seconds=10))
    assert holds(ledger, fence)


@pytest.mark.parametrize("holder", ["two", "one"])
def test_a_held_lease_is_not_given_again_whatever_the_name(ledger: Ledger, holder: str) -> None:
    fence = ledger.acquire("one", 10)
    assert ledger.acquire(holder, 10) is None
    assert fence is not None
    assert holds(ledger, fence)


def test_of_two_that_saw_it_free_one_gets_it(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "lease", lambda: None)  # what both saw before either wrote
    assert ledger.acquire("one", 10) is not None
    assert ledger.acquire("two", 10) is None


def test_an_expired_lease_goes_to_the_next_and_shuts_the_last_out(ledger: Ledger, real_time: SimulatedClock) -> None:
    first = ledger.acquire("one", 10)
    real_time.advance(timedelta(seconds=10))
    assert ledger.lease() is None
    second = ledger.acquire("two", 10)

    assert first is not None
    assert second == Fence(holder="two", token=2)
    assert not holds(ledger, first)
    assert holds(ledger, second)
    with pytest.raises(LeaseLost, match=r"'one' has lost the lease .*'two' holds it"):
        ledger.renew(first, 10)


def test_an_expired_lease_counts_until_somebody_takes_over(ledger: Ledger, real_time: SimulatedClock) -> None:
    fence = ledger.acquire("one", 10)
    real_time.advance(timedelta(days=1))

    assert fence is not None
    assert holds(ledger, fence)
    ledger.renew(fence, 10)
    assert ledger.acquire("two", 10) is None


def test_renewing_holds_it_longer(ledger: Ledger, real_time: SimulatedClock) -> None:
    fence = ledger.acquire("one", 10)
    assert fence is not None
    real_time.advance(timedelta(seconds=9))
    ledger.renew(fence, 10)
    real_time.advance(timedelta(seconds=9))

    assert ledger.acquire("two", 10) is None


def test_a_lease_given_back_is_free_at_once_and_its_fence_is_void(ledger: Ledger) -> None:
    fence = ledger.acquire("one", 10)
    assert fence is not None
    ledger.release(fence)

    assert not holds(ledger, fence)
    with pytest.raises(LeaseLost, match="nobody holds it"):
        ledger.renew(fence, 10)
    assert ledger.acquire("one", 10) == Fence(holder="one", token=2)


def test_giving_back_a_lost_lease_does_not_hurt_its_holder(ledger: Ledger, real_time: SimulatedClock) -> None:
    first = ledger.acquire("one", 10)
    real_time.advance(timedelta(seconds=11))
    second = ledger.acquire("two", 10)
    assert first is not None
    assert second is not None
    ledger.release(first)

    assert holds(ledger, second)


def test_a_lease_that_was_seen_unchanged_for_too_long_is_taken_whatever_its_date(
    ledger: Ledger, real_time: SimulatedClock
) -> None:
    """The clock was set back by a day after its holder had been killed."""
    first = ledger.acquire("one", 10)
    real_time.advance(timedelta(days=-1))
    silent = ledger.lease()
    assert silent is not None
    assert ledger.acquire("two", 10) is None
    second = ledger.acquire("two", 10, silent=silent)
    assert second == Fence(holder="two", token=2)
    assert not holds(ledger, first)


def test_a_lease_that_was_renewed_meanwhile_is_not_silent(ledger: Ledger, real_time: SimulatedClock) -> None:
    first = ledger.acquire("one", 10)
    silent = ledger.lease()
    real_time.advance(timedelta(seconds=1))
    assert first is not None
    ledger.renew(first, 10)
    assert ledger.acquire("two", 10, silent=silent) is None
    assert holds(ledger, first)


def test_a_token_that_was_seen_elsewhere_is_outdone(ledger: Ledger) -> None:
    first = ledger.acquire("one", 10, above=7)
    assert first == Fence(holder="one", token=8)
    ledger.release(first)
    second = ledger.acquire("two", 10, above=3)
    assert second == Fence(holder="two", token=9)
    assert holds(ledger, second)
    assert not holds(ledger, first)


def test_the_right_token_under_another_name_is_refused(ledger: Ledger) -> None:
    fence = ledger.acquire("one", 10)
    assert fence is not None
    assert not holds(ledger, Fence(holder="two", token=fence.token))
    assert not holds(ledger, Fence(holder="one", token=fence.token + 1))


def test_a_fence_is_checked_for_unfenced_kinds_too(ledger: Ledger) -> None:
    with pytest.raises(LeaseLost):
        ledger.append(RunLogged(run="run-1"), at=NOON, actor="pipeline", fence=Fence(holder="one", token=1))
    assert ledger.head() == 0


@pytest.mark.parametrize(("holder", "seconds"), [("", 10), ("one", 0), ("one", -1)])
def test_a_lease_needs_a_name_and_a_time(ledger: Ledger, holder: str, seconds: float) -> None:
    with pytest.raises(LedgerError, match="cannot be held"):
        ledger.acquire(holder, seconds)


def test_leases_run_on_real_time_unless_told_otherwise(ledger_url: str, backdoor: Backdoor) -> None:
    with Ledger(ledger_url) as one, Ledger(ledger_url) as two:
        assert one.acquire("one", 3600) == Fence(holder="one", token=1)
        assert two.acquire("two", 3600) is None
        backdoor.run("UPDATE lease SET expires_at = :past", past="1970-01-01T00:00:00.000000Z")
        assert two.acquire("two", 3600) == Fence(holder="two", token=2)


def test_the_time_is_asked_for_once_the_lease_is_locked(ledger_url: str, backdoor: Backdoor) -> None:
    """Who waited for the row must not judge by the time at which it began to wait."""
    impatient = "PRAGMA busy_timeout = 1" if ledger_url.startswith("sqlite") else "SET LOCAL lock_timeout = 1"
    asked = 0

    def now() -> datetime:
        nonlocal asked
        asked += 1
        if asked == 2:  # the first look only asks who holds it
            with pytest.raises(OperationalError, match="lock"):
                backdoor.run(f"{impatient}; UPDATE lease SET holder = 'another'")
        return NOON

    with Ledger(ledger_url, now=now) as ledger:
        assert ledger.acquire("one", 10) == Fence(holder="one", token=1)
        assert asked == 2


def test_on_sqlite_setting_the_clock_neither_ends_a_lease_nor_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases run by a clock that nobody sets; the one of the day may say what it likes."""

    class Set(datetime):
        hours = 0

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 3, 1, tzinfo=tz) + timedelta(hours=cls.hours)

    running = 1000.0
    monkeypatch.setattr(sqlite, "datetime", Set)
    monkeypatch.setattr(sqlite, "monotonic", lambda: running)
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        assert ledger.acquire("one", 10) is not None
        for Set.hours in (-24, 24):
            assert ledger.acquire("two", 10) is None
        running += 11
        for Set.hours in (-24, 24):
            assert ledger.lease() is None


class Leases(RuleBasedStateMachine):
    """Whatever happens in whatever order, only the fence given out last, and not given back, can write."""

    fences = Bundle("fences")

    def __init__(self, url: str) -> None:
        super().__init__()
        self.clock = SimulatedClock(NOON)
        self.ledger = Ledger(url, now=self.clock.now)
        self.last: Fence | None = None
        self.expires_at = NOON
        self.token = 0

    def teardown(self) -> None:
        self.ledger.close()

    @rule(target=fences, holder=st.sampled_from(["one", "two"]), seconds=st.integers(1, 20))
    def acquire(self, holder: str, seconds: int) -> Fence | None:
        fence = self.ledger.acquire(holder, seconds)
        if self.last is not None and self.expires_at > self.clock.now():
            assert fence is None
        else:
            assert fence == Fence(holder=holder, token=self.token + 1)
            self.last, self.token = fence, self.token + 1
            self.expires_at = self.clock.now() + timedelta(seconds=seconds)
        return fence

    @rule(fence=fences, seconds=st.integers(1, 20))
    def renew(self, fence: Fence | None, seconds: int) -> None:
        if fence is None:
            return
        if fence == self.last:
            self.ledger.renew(fence, seconds)
            self.expires_at = self.clock.now() + timedelta(seconds=seconds)
        else:
            with pytest.raises(LeaseLost):
                self.ledger.renew(fence, seconds)

    @rule(fence=fences)
    def release(self, fence: Fence | None) -> None:
        if fence is not None:
            self.ledger.release(fence)
            self.last = None if fence == self.last else self.last

    @rule(fence=fences)
    def write(self, fence: Fence | None) -> None:
        if fence is not None:
            assert holds(self.ledger, fence) == (fence == self.last)

    @rule(seconds=st.integers(0, 25))
    def wait(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @invariant()
    def the_lease_is_shown(self) -> None:
        held = self.last is not None and self.expires_at > self.clock.now()
        shown = self.ledger.lease()
        assert (shown and (shown.holder, shown.token)) == (
            (self.last.holder, self.last.token) if held and self.last else None
        )


def test_only_the_fence_given_out_last_can_write(new_ledger_url: Callable[[], str]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Leases(new_ledger_url()), settings=settings(max_examples=20, stateful_step_count=20)
    )
