"""What a process that waits can know of the one that holds the lease."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from windlass.app.holder import Holder
from windlass.records.lease import Lease

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Watch:
    """A holder under a clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ended: set[int] = set()
        """Tokens of processes that are known to have ended."""
        self.holder = Holder(seconds=10, ended=lambda lease: lease.token in self.ended, real_time=lambda: self.seconds)

    def see(self, token: int, *, until: float) -> Lease:
        lease = Lease(holder=f"holder-{token}", token=token, expires_at=NOON + timedelta(seconds=until))
        self.holder.see(lease)
        return lease


def test_one_that_renews_is_alive_and_never_silent() -> None:
    watch = Watch()
    for turn in range(10):
        watch.seconds = 3.0 * turn
        watch.see(1, until=10 + 3 * turn)
        assert watch.holder.silent is None
    assert watch.holder.alive


def test_one_that_does_not_is_silent_once_its_time_is_over() -> None:
    watch = Watch()
    lease = watch.see(1, until=10)
    watch.seconds = 10.0
    watch.see(1, until=10)
    assert watch.holder.silent is None
    watch.seconds = 10.1
    assert watch.holder.silent == lease
    assert not watch.holder.alive


def test_a_clock_that_is_set_back_does_not_make_a_living_one_dead() -> None:
    watch = Watch()
    watch.see(1, until=10)
    watch.seconds = 5.0
    watch.see(1, until=-3600)  # renewed after the clock went back
    watch.seconds = 12.0
    assert watch.holder.alive
    assert watch.holder.silent is None


def test_one_that_is_known_to_have_ended_is_not_waited_for() -> None:
    watch = Watch()
    watch.see(1, until=10)
    watch.ended.add(1)
    lease = watch.see(1, until=10)
    assert watch.holder.silent == lease
    watch.see(2, until=10)
    assert watch.holder.silent is None


def test_another_holder_begins_anew() -> None:
    watch = Watch()
    watch.see(1, until=10)
    watch.seconds = 11.0
    watch.see(2, until=21)
    assert watch.holder.silent is None
    assert not watch.holder.alive


def test_nobody_is_not_silent() -> None:
    watch = Watch()
    watch.holder.see(None)
    watch.seconds = 100.0
    assert watch.holder.silent is None
