"""How large batches are, and who is turned away, so that a request is answered within the budget."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.serving.answers.latency import Cost, Latency
from windlass.serving.limits import ROWS_TOGETHER


@dataclass
class Played:
    """What came of requests of one row each, under a clock of their own."""

    took: list[float] = field(default_factory=list)
    """Seconds of each that was let in, in order."""
    batches: list[int] = field(default_factory=list)
    turned_away: int = 0
    held: int = 0
    """Times that somebody waited for an idle server."""
    seconds: float = 0.0


LEARNED = 64
"""Batches after which what they take is known."""


def play(budget: float, arrivals: Iterator[float], serve: Callable[[int], float]) -> Played:
    """Serve them as `Batcher` does: at once when idle, else those who wait together."""
    now, played, queue, ends = 0.0, Played(), deque[float](), None
    judge = Latency(budget, now=lambda: now)
    batch: list[float] = []
    began = 0.0

    def begin() -> float | None:
        nonlocal batch, began
        batch, began = [queue.popleft() for _ in range(min(len(queue), judge.most_rows))], now
        if not batch:
            return None
        judge.begins(len(batch))
        played.batches.append(len(batch))
        return now + serve(len(batch))

    def end() -> float | None:
        judge.took(now - began, len(batch))
        played.took.extend(now - each for each in batch)
        return begin()

    for arrival in arrivals:
        while ends is not None and ends <= arrival:
            now = ends
            ends = end()
        now = arrival
        late = queue and (now - queue[0] > judge.limit or judge.until_answered(len(queue) + 1) > judge.limit)
        if late:
            played.turned_away += 1
            continue
        queue.append(now)
        if ends is None:
            ends = begin()
            played.held += bool(queue)
    played.seconds = now
    while ends is not None:
        now = ends
        ends = end()
    return played


def poisson(rate: float, count: int, seed: int) -> Iterator[float]:
    dice, at = random.Random(seed), 0.0
    for _ in range(count):
        at += dice.expovariate(rate)
        yield at


@settings(max_examples=30)
@given(
    each=st.floats(0.0, 0.1),
    row=st.floats(0.00005, 0.02),
    budget=st.floats(0.05, 2.0),
    load=st.floats(0.1, 8.0),
    seed=st.integers(0, 1000),
)
def test_whoever_is_let_in_is_answered_within_the_budget_and_the_server_does_what_it_can(
    each: float, row: float, budget: float, load: float, seed: int
) -> None:
    half = budget / 2 if each + row <= budget / 2 else 2 * (each + row)
    largest = int(max(1, min((half - each) / row, ROWS_TOGETHER)))
    capacity = largest / (each + row * largest)
    played = play(budget, poisson(load * capacity, 3000, seed), lambda rows: each + row * rows)
    assert played.held == 0
    learned = played.took[sum(played.batches[:LEARNED]) :]
    late = [seconds / (2 * half) for seconds in learned if seconds > 2 * half * 1.001]
    assert len(late) <= max(0.01 * len(learned), 3 * largest), "three batches, where there are few"
    assert max(late, default=0) <= 1.5
    assert max(played.batches[LEARNED:], default=0) <= largest + 1
    if load < 0.3:
        assert played.turned_away <= 0.05 * 3000
    if load > 2 and len(played.batches) > 2 * LEARNED:
        assert len(played.took) / played.seconds > 0.85 * capacity


def test_a_slow_moment_is_soon_forgotten_and_a_version_that_has_become_slow_is_not_waited_for() -> None:
    def after(slow: range) -> Played:
        batch = iter(range(10**9))
        return play(
            0.4,
            poisson(700.0, 9000, 1),
            lambda rows: (0.002 + 0.001 * rows) * (20 if next(batch) in slow else 1),
        )

    moment = after(range(500, 503))
    assert moment.turned_away < 0.1 * 9000
    assert max(moment.took[-5000:]) <= 0.4, "and nobody is any more"
    for_good = after(range(500, 10**9))
    assert max(for_good.took[-50:]) <= 0.4


def test_what_differs_by_chance_keeps_nearly_all_within_the_budget() -> None:
    dice = random.Random(7)
    played = play(0.3, poisson(3000.0, 30_000, 2), lambda rows: (0.01 + 0.001 * rows) * dice.uniform(0.5, 1.5))
    learned = sorted(played.took[sum(played.batches[:LEARNED]) :])
    assert learned[int(0.99 * len(learned))] <= 0.3
    assert len(played.took) / played.seconds > 0.9 * 140 / 0.15


def test_batches_of_one_size_do_not_make_it_forget_what_a_row_takes() -> None:
    cost = Cost()
    for rows in (1, 5, 10, *[100] * 10_000):
        cost.took(0.01 + 0.002 * rows, rows)
    assert (cost.each, cost.row) == pytest.approx((0.01, 0.002))
    assert cost.rows_within(0.101) == 45


def test_while_nothing_is_known_nobody_is_turned_away_and_larger_batches_are_tried_step_by_step() -> None:
    latency = Latency(1.0)
    assert (latency.most_rows, latency.until_answered(1000)) == (ROWS_TOGETHER, 0.0)
    latency.took(0.4, 1)
    assert latency.most_rows == 2, "twice as many as were seen; more might take longer than half a second"
    latency.took(0.4, 2)
    assert latency.most_rows == 4
    quick = Latency(1.0)
    quick.took(0.001, 1)
    assert quick.most_rows == ROWS_TOGETHER, "even in proportion they take less"


def test_a_budget_that_one_row_exceeds_does_not_make_it_answer_one_at_a_time() -> None:
    latency = Latency(0.1)
    for rows in (1, 2, 4, 8, 16, 32, 64):
        latency.took(1.0 + 0.01 * rows, rows)
    assert latency.limit == pytest.approx(4 * 1.01)
    assert latency.most_rows in (101, 102), "which take twice as long as one"


def test_one_pause_turns_nobody_away_and_what_stays_as_slow_is_learned() -> None:
    latency = Latency(2.0, now=lambda: 0.0)
    for _ in range(1000):
        latency.took(0.005, 1)
    latency.took(1.5, 1)
    assert latency.until_answered(200) < 2.0
    slow = 0
    while latency.until_answered(200) < 2.0:
        latency.took(1.5, 1)
        slow += 1
    assert slow < 64
