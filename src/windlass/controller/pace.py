"""How often something costly is done."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

_SHARE = 20


class Pace:
    """Keeps what is done for each product to a twentieth of the time: what took t is due again 20 t later.

    So a look that costs 5 ms is taken at every tick, and one that has to read a million rows does not hold up the rest.
    `of` says what the work is about: about something else it is due at once.
    """

    def __init__(self, real_time: Callable[[], float]) -> None:
        self._real_time = real_time
        self._due: dict[str, tuple[Hashable, float]] = {}

    def due(self, product: str, *, of: Hashable = None) -> bool:
        last, moment = self._due.get(product, (of, float("-inf")))
        return last != of or self._real_time() >= moment

    @contextmanager
    def spend(self, product: str, *, of: Hashable = None) -> Iterator[None]:
        """Around the work; one that fails is not repeated any sooner."""
        began = self._real_time()
        try:
            yield
        finally:
            ended = self._real_time()
            self._due[product] = of, ended + _SHARE * (ended - began)
