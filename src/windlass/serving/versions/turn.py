"""What a thread does for callers, as it looks to whoever watches: which champion it is asking, and whether it gets on.

A champion is waited for, since nobody else could answer, but not for ever. A call cannot be ended, only left alone: its
callers are told something else then, and what it says later nobody may hear. Which of the two it is, is decided once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from windlass.serving.versions.patience import Calls

T = TypeVar("T")
_here = threading.local()


class Asked(NamedTuple):
    """A champion that is being asked about n rows."""

    product: str
    version: str
    calls: Calls
    rows: int


class Turn:
    """One piece of work of one thread."""

    def __init__(self) -> None:
        self.asked: Asked | None = None
        """None while nothing that hangs would be the champion's."""
        self.returned = 0
        """Calls of a model that have come back."""
        self.thread = 0
        self._counts: bool | None = None
        self._deciding = threading.Lock()

    @staticmethod
    def here() -> Turn | None:
        """That of this thread; None on the event loop, where nobody could watch."""
        return getattr(_here, "turn", None)

    def take(self, work: Callable[[], T]) -> T:
        """Do the work in this thread."""
        _here.turn, self.thread = self, threading.get_ident()
        try:
            return work()
        finally:
            _here.turn = None

    def ask(self, asked: Asked, work: Callable[[], T]) -> T:
        """Do a part of it, which is calls of the champion."""
        self.asked = asked
        try:
            return work()
        finally:
            self.asked = None

    def claim(self) -> bool:
        """Whether its answers count, which from here on they do; False once it has been given up."""
        with self._deciding:
            self._counts = self._counts is not False
            return self._counts

    def give_up(self) -> bool:
        """Whether its answers will not count; False if they do already, or if it has been given up before."""
        with self._deciding:
            first, self._counts = self._counts is None, bool(self._counts)
            return first

    @property
    def given_up(self) -> bool:
        return self._counts is False
