"""Requests that came again: a caller who got no answer sends his request once more, and it must count once.

Of a request that its caller has named, the ids of the answers are made of that name and of its rows, so that a repeat
has the same ids, whichever worker it comes to. Here they are told apart before they reach the table, which is never
searched or rewritten for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from windlass.records.capture import PredictionBatch

MOST = 200_000
"""Answers that are remembered; who repeats himself later than that counts twice."""
Identity = tuple[Any, ...]
"""Id, version, stage, and whether the version failed: who failed and then answers has done two things."""


class Recent:
    """The last answers to named requests; to be told of those that are in the table, and of no others."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._order: deque[Identity] = deque()
        self._known: set[Identity] | None = None

    def fresh(
        self, batches: Sequence[PredictionBatch], before: Callable[[int], Iterable[Identity]]
    ) -> tuple[list[PredictionBatch], list[Identity]]:
        """The batches without rows that are in the table already or come twice among them, and who the others are.

        `before` gives the last so many answers of the table; it is asked once, when the first named request comes.
        """
        if not any(batch.named for batch in batches):
            return list(batches), []
        if self._known is None:
            self._known = set()
            self.add(before(self._most))
        kept, came = list[PredictionBatch](), dict[Identity, None]()
        for batch in batches:
            if not batch.named:
                kept.append(batch)
                continue
            places = []
            for place, name in enumerate(batch.ids):
                identity = (name, batch.version, batch.stage, batch.error is not None)
                if identity not in self._known and identity not in came:
                    came[identity] = None
                    places.append(place)
            if places:
                kept.append(batch if len(places) == len(batch.ids) else batch.take(places))
        return kept, list(came)

    def add(self, came: Iterable[Identity]) -> None:
        """Remember what has been committed."""
        if self._known is None:
            return
        for identity in came:
            if identity not in self._known:
                self._known.add(identity)
                self._order.append(identity)
        while len(self._order) > self._most:
            self._known.discard(self._order.popleft())
