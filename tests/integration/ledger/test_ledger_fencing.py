"""Many take the lease from each other as fast as they can: once a token has been followed, it never writes again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from windlass.errors import LeaseLost
from windlass.ledger.ledger import Ledger
from windlass.records.event import ProductPaused

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
EXPIRED = timedelta(days=1)


def contend(url: str, name: str) -> tuple[int, int]:
    """Take the lease again and again from whoever has it, and write under it; how often that went, and was refused.

    Twelve times, and until that went under two tokens: who is the faster is up to the machine.
    """
    written, refused, under = 0, 0, set[int]()
    times = iter(AT + number * EXPIRED for number in range(10_000))  # by this clock every lease has long expired
    with Ledger(url, now=lambda: next(times)) as ledger:
        rounds = 0
        while rounds < 12 or len(under) < 2:
            rounds += 1
            fence = ledger.acquire(name, 1)
            for _ in range(3):
                try:
                    if fence is not None:
                        ledger.append(ProductPaused(reason=str(fence.token)), at=AT, actor=name, fence=fence)
                        written += 1
                        under.add(fence.token)
                except LeaseLost:
                    refused += 1
    return written, refused


def test_tokens_only_rise(ledger_url: str) -> None:
    Ledger(ledger_url).close()
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda name: contend(ledger_url, name), ["a", "b", "c", "d"]))

    with Ledger(ledger_url) as ledger:
        bodies = [event.body for event in ledger.events()]
        tokens = [int(body.reason) for body in bodies if isinstance(body, ProductPaused)]
        assert tokens == sorted(tokens)
        assert len(tokens) == sum(written for written, _ in counts) > 0
        assert len(set(tokens)) >= 8
        assert ledger.verify().ok
