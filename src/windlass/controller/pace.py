"""How often something costly is done."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

_SHARE, _LEAST_SHARE = 20, 2
_LONG = timedelta(hours=1)


class Pace:
    """Keeps what is done for each product to a twentieth of a processor: what took t of it is due again 20 t later.

    So a look that costs 5 ms is taken at every tick, and one that has to read a million rows does not hold up the rest.
    What it waited for, a processor or a disk, is not its cost, since a canary is to be found out as soon on a busy
    machine; but at least twice the time that went by is left to the rest.
    `of` says what the work is about: about something else it is due at once. Policies are in event time: where that
    runs ahead of the real one, under a clock that somebody moves, an hour of it is enough, and 2 t.
    """

    def __init__(
        self,
        real_time: Callable[[], float],
        event_time: Callable[[], datetime],
        processor_time: Callable[[], float],
    ) -> None:
        self._real_time = real_time
        self._event_time = event_time
        self._processor_time = processor_time
        self._last: dict[str, _Look] = {}

    def due(self, product: str, *, of: Hashable = None) -> bool:
        last = self._last.get(product)
        if last is None or last.of != of:
            return True
        share = _LEAST_SHARE if self._event_time() - last.at >= _LONG else _SHARE
        return self._real_time() >= last.ended + max(share * last.worked, _LEAST_SHARE * last.took)

    @contextmanager
    def spend(self, product: str, *, of: Hashable = None) -> Iterator[None]:
        """Around the work; one that fails is not repeated any sooner."""
        began, before = self._real_time(), self._processor_time()
        try:
            yield
        finally:
            ended = self._real_time()
            self._last[product] = _Look(
                of=of,
                at=self._event_time(),
                ended=ended,
                took=ended - began,
                worked=self._processor_time() - before,
            )


@dataclass(frozen=True, kw_only=True)
class _Look:
    """When the work was done last."""

    of: Hashable
    at: datetime
    """In event time."""
    ended: float
    took: float
    worked: float
    """Of a processor's time."""
