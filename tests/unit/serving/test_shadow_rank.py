"""A challenger in shadow goes behind all others of a machine that has room, and not where it would starve."""

from __future__ import annotations

import os
import sys

import pytest

from windlass.serving.shadows.worker import CROWDED, Behind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such rank")


def rank_of(behind: Behind) -> int:
    """The scheduling policy of the next call."""
    ranks: list[int] = []
    behind.work(lambda: ranks.append(os.sched_getscheduler(0)))
    return ranks[0]


def test_the_first_call_is_not_behind_all_others() -> None:
    assert rank_of(Behind()) == os.SCHED_OTHER


@pytest.mark.parametrize("worked", [0.0005, 0.01, 2.0])
def test_it_goes_behind_all_others_while_that_gets_it_on(worked: float) -> None:
    behind = Behind()
    behind.took(worked, 0.9 * CROWDED * worked)
    assert rank_of(behind) == os.SCHED_IDLE
    behind.took(worked, 1.1 * CROWDED * worked)
    assert rank_of(behind) == os.SCHED_OTHER


def test_the_thread_that_called_keeps_its_rank() -> None:
    behind = Behind()
    behind.took(0.01, 0.0)
    behind.work(lambda: None)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_what_a_call_raises_is_raised_and_the_next_one_is_made() -> None:
    def fails() -> None:
        raise ValueError("nothing")

    behind = Behind()
    with pytest.raises(ValueError, match="nothing"):
        behind.work(fails)
    assert rank_of(behind) == os.SCHED_OTHER
