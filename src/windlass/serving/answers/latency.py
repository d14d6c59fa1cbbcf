"""What batches of a product take, and what follows for those who wait, within a budget.

A request that comes while a batch is at work waits for the rest of it, and is in the next one. So if no batch takes
longer than half of the budget, whoever finds room in the next one is answered within all of it. How many rows that are
is learned: batches take some time each, and some for each row. Smaller ones than that would only cost the others more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from windlass.serving.limits import ROWS_TOGETHER

_LEARNING = 1 / 32
"""What the newest batch says, of all that is believed: what a machine does for a moment is forgotten after as many."""
_SPREAD = 0.1
"""Of the rows of batches, in parts of their mean, from which what a row takes can be told."""
_MARGIN = 2.0
"""In times of the mean distance from what is expected."""
_MOST_AGAIN = 4.0
"""Times as long as expected that the next batch is thought to take because the last one did, at most: that may have
been the machine, for a moment."""
_TIMES_ALONE = 2
"""What a batch may take, in times of a row alone, where that takes half of the budget or more. Then the budget cannot
be kept, and what each batch costs is shared by as many rows as double it."""


class Cost:
    """Seconds of a batch by its rows: a straight line through what was seen, the newest most, and a margin above it.

    Least squares with exponential forgetting (Ljung, System Identification, 2nd edition, section 11.2). The line never
    falls, and never begins below nothing. What a row takes is neither learned nor forgotten while all batches are of
    about the same size; before it is known it counts for nothing. The margin is twice the mean distance from the line,
    in parts of it: some 1.6 standard deviations, so that two batches in a row keep to it 99 times of 100. After a batch
    that took much longer than expected the next one is expected to do so, too.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._rows = self._seconds = 0.0
        """The means,"""
        self._spread = self._slope = 0.0
        """the variance of the rows, and their covariance with the seconds."""
        self._most = self._off = self._last = 0.0
        self.row = self.each = 0.0

    def took(self, seconds: float, rows: int) -> None:
        """Take in a batch."""
        self._seen += 1
        part = max(_LEARNING, 1 / self._seen)
        if (expected := self.each + self.row * rows) > 0:
            seconds = min(seconds, _MOST_AGAIN * expected)  # a pause is no measure; what stays slow is soon learned
            self._last = seconds / expected
            self._off += part * (abs(self._last - 1) - self._off)
        beyond, longer = rows - self._rows, seconds - self._seconds
        self._rows += part * beyond
        self._seconds += part * longer
        self._spread = (1 - part) * (self._spread + part * beyond * beyond)
        self._slope = (1 - part) * (self._slope + part * beyond * longer)
        self._most = max(rows, (1 - part) * self._most)
        if self._spread > (_SPREAD * self._rows) ** 2:
            self.row = self._slope / self._spread
        self.row = min(max(self.row, 0.0), self._in_proportion)
        self.each = self._seconds - self.row * self._rows

    def of(self, rows: int) -> float:
        """Seconds in which a batch of n rows is expected to be done; 0 while nothing is known."""
        return (self.each + self.row * rows) * self._margin

    def rows_within(self, seconds: float) -> int:
        """The most rows of a batch that is expected to take no longer: one at least, and no more than twice as many as
        were seen of late unless they would take no longer even in proportion."""
        if not self._seen:
            return ROWS_TOGETHER
        seconds /= self._margin
        expected = (seconds - self.each) / self.row if self.row > 0 else math.inf
        known = max(2 * self._most, seconds / self._in_proportion) if self._in_proportion > 0 else math.inf
        return int(max(1, min(expected, known, ROWS_TOGETHER)))

    @property
    def _margin(self) -> float:
        return max(1 + _MARGIN * self._off, self._last)

    @property
    def _in_proportion(self) -> float:
        return self._seconds / self._rows


class Latency:
    """Of one product: how many rows its next batch may have, and how long it is until those who wait are answered."""

    def __init__(self, budget: float, *, now: Callable[[], float] = time.monotonic) -> None:
        """`budget`: seconds from a request until its answer."""
        self._budget = budget
        self._now = now
        self._cost = Cost()
        self._ends = 0.0
        """When the batch at work is expected to end."""
        self.most_rows = ROWS_TOGETHER
        """Of the next batch."""
        self._full = 0.0
        """Seconds that one of so many rows is expected to take: asked for at each request, and new with each batch."""
        self.limit = budget
        """Seconds that a request may take, which is more than the budget where a row alone takes half of that."""

    def begins(self, rows: int) -> None:
        """A batch of n rows is at work."""
        self._ends = self._now() + self._cost.of(rows)

    def leaves(self) -> None:
        """The next batch begins beside the one at work, which takes longer than is usual: nothing is learned of it."""
        self._ends = 0.0

    def took(self, seconds: float, rows: int) -> None:
        """A batch has ended after so long."""
        self._ends = 0.0
        self._cost.took(seconds, rows)
        alone = self._cost.each + self._cost.row
        half = self._budget / 2 if alone <= self._budget / 2 else _TIMES_ALONE * alone
        self.limit = 2 * half
        self.most_rows = self._cost.rows_within(half)
        self._full = self._cost.of(self.most_rows)

    def until_answered(self, rows: int) -> float:
        """Seconds until n rows are answered that wait now: of all batches, since others may yet fill the last one."""
        batches = -(-rows // self.most_rows)
        return max(0.0, self._ends - self._now()) + batches * self._full
