from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from windlass.decisions.statistics.completeness import Usual, complete_rows, groups_of, representative_rows, unseen_rows

HOUR, DAY = 1.0, 24.0
USUAL = Usual(share=0.1, rows=100)


def test_all_labels_there_is_complete_and_none_is_not() -> None:
    at = np.arange(100.0)
    assert complete_rows(at, np.ones(100, dtype=bool), now=100, within=1000) == 100
    assert complete_rows(at, np.zeros(100, dtype=bool), now=100, within=1000) <= 3
    assert complete_rows(at, at != 50, now=100, within=1000) == 100
    assert complete_rows(at[:0], np.ones(0, dtype=bool), now=100, within=1) == 0


def test_what_is_older_than_a_label_may_take_is_not_waited_for() -> None:
    at = np.arange(100.0)
    assert complete_rows(at, np.zeros(100, dtype=bool), now=100, within=0) == 100
    never = np.zeros(100, dtype=bool)
    assert complete_rows(at, never, now=130, within=31) == 100
    # Where nine in ten never come, a few more that are missing say nothing.
    assert complete_rows(at, never, now=120, within=31) > 95


@pytest.mark.parametrize("early_share", [0.02, 0.3, 0.5, 0.9, 0.98])
def test_an_early_class_is_never_alone(early_share: float) -> None:
    """Positives are known after an hour, negatives after five days: what counts has both as the world has them."""
    rng = np.random.default_rng(7)
    at = np.sort(rng.uniform(0, 60 * DAY, 6000))
    early = rng.random(6000) < early_share
    known = at + np.where(early, HOUR, 5 * DAY) <= 60 * DAY
    count = complete_rows(at, known, now=60 * DAY, within=7 * DAY)
    newest = early[:count][-1000:][known[:count][-1000:]]
    assert at[count - 1] > 52 * DAY
    assert newest.mean() == pytest.approx(early_share, abs=0.06)


@pytest.mark.parametrize("never", [0.03, 0.2, 0.5])
def test_labels_that_never_come_hold_nothing_up(never: float) -> None:
    rng = np.random.default_rng(7)
    at = np.sort(rng.uniform(0, 60 * DAY, 6000))
    comes = rng.random(6000) >= never
    known = comes & (at + DAY <= 60 * DAY)
    count = complete_rows(at, known, now=60 * DAY, within=20 * DAY)
    assert 58.5 * DAY < at[count - 1] < 59.1 * DAY


def test_what_is_usual_may_be_told() -> None:
    at, known = np.arange(200.0), np.arange(200) % 2 == 0
    assert complete_rows(at, known, now=200, within=1000, usual=Usual(share=0.01, rows=1000)) < 40
    assert complete_rows(at, known, now=200, within=1000, usual=Usual.of(known)) == 200
    assert Usual.of(known).share == pytest.approx(0.5, abs=0.03)
    assert Usual.of(known[:0]) == Usual(share=0.1, rows=10)


def test_labels_that_stay_away_by_chance_seldom_cost_rows(plausible: Callable[[int, int, float], bool]) -> None:
    """3 of 100 never come, whatever their class: a stretch is left out in few of many stationary histories."""
    left_out = []
    for seed in range(200):
        known = np.random.default_rng(seed).random(3000) >= 0.03
        left_out.append(3000 - complete_rows(np.arange(3000.0), known, now=3000, within=1500))
    assert plausible(int(np.count_nonzero(left_out)), 200, 0.05)
    assert np.mean(left_out) < 15


@given(known=arrays(np.bool_, st.integers(0, 60)), now=st.integers(-5, 70), within=st.integers(0, 80))
def test_it_is_a_count_of_rows_after_which_nothing_is_left_out(known: np.ndarray, now: int, within: int) -> None:
    at = np.arange(len(known), dtype=np.float64)
    count = complete_rows(at, known, now=now, within=within, usual=USUAL)
    assert np.count_nonzero(at <= now - within) <= count <= len(known)
    assert complete_rows(at[:count], known[:count], now=now, within=within, usual=USUAL) == count


# -- rows that stand for all of their time ---------------------------------------------------------------------------


def stream(seed: int, *, slow: float, fast: float = 2.0, rows: int = 8000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moments over 80 days, when labels come, and classes, whose share rises from a fifth to a half; class 0 takes
    `slow` days on average, class 1 takes `fast`."""
    random = np.random.default_rng(seed)
    at = np.sort(random.uniform(0, 80.0, rows))
    codes = (random.random(rows) < np.linspace(0.2, 0.5, rows)).astype(np.int64)
    return at, at + random.exponential(np.where(codes == 1, fast, slow)), codes


def seen_by(now: float, known_at: np.ndarray) -> np.ndarray:
    return np.where(known_at <= now, known_at, np.nan)


def test_young_rows_count_in_the_shares_that_their_classes_have() -> None:
    shares, kept = [], []
    for seed in range(20):
        at, known_at, codes = stream(seed, slow=8.0)
        chosen = representative_rows(at, seen_by(80.0, known_at), codes, now=80.0, within=60.0)
        young = at > 72.0
        shares.append(codes[chosen & young].mean() - codes[young].mean())
        kept.append((chosen & young).sum() / ((known_at <= 80.0) & young).sum())
        naive = codes[(known_at <= 80.0) & young].mean() - codes[young].mean()
        assert naive > 0.1
    assert np.mean(shares) == pytest.approx(0, abs=3 * np.std(shares) / np.sqrt(20) + 0.005)
    assert np.mean(np.abs(shares)) < 0.06
    assert 0.3 < np.mean(kept) < 0.95


@pytest.mark.parametrize("apart", [(1,), (7,), (1, 2, 3, 6)])
@pytest.mark.parametrize("now", [80.05, 80.95])
def test_classes_keep_their_shares_where_labels_come_in_deliveries(apart: tuple[int, ...], now: float) -> None:
    """Soon after a delivery and long after it; class 0 takes four days on average, class 1 half a day. Of rows that
    were known in part when something was made, what became known since is judged likewise."""
    young, unseen = [], []
    for seed in range(20):
        at, known_at, codes = stream(seed, slow=4.0, fast=0.5)
        moments = np.cumsum(np.random.default_rng(seed).choice(apart, 200)) - 7
        known_at = seen_by(now, moments[np.searchsorted(moments, known_at)])
        chosen = representative_rows(at, known_at, codes, now=now, within=60.0)
        newest = at > now - 8
        young.append(codes[chosen & newest].mean() - codes[newest].mean())
        at, known_at, codes = at[chosen], known_at[chosen], codes[chosen]
        judges = unseen_rows(at, known_at, codes, then=now - 10.3, now=now, within=60.0) & (at <= now - 10.3)
        older = (at <= now - 10.3) & (at > now - 15.3)
        if (judges & older).any():
            unseen.append(codes[judges & older].mean() - codes[older].mean())
    for found in (young, unseen):
        assert np.mean(found) == pytest.approx(0, abs=3 * np.std(found) / np.sqrt(len(found)) + 0.015)


@pytest.mark.parametrize("apart", [(), (1,), (7,)])
@pytest.mark.parametrize("now", [77.3, 80.95])
@pytest.mark.parametrize("told", [0.0, 0.7])
def test_silence_is_told_by_deliveries_too(apart: tuple[int, ...], now: float, told: float) -> None:
    """What does not happen is known of some rows at once, of the others by silence: after ten days, when what happened
    may still wait for the delivery of the week. Soon after one, and just before the next."""
    found = []
    for seed in range(20):
        at, ready, happened = stream(seed, slow=0.5, fast=5.0)
        ready = np.minimum(ready, at + 9.99)
        moments = np.cumsum(np.random.default_rng(seed).choice(apart, 200)) - 7.0 if apart else None
        known_at = ready if moments is None else moments[np.searchsorted(moments, ready)]
        known_at[(happened == 0) & (np.random.default_rng(seed).random(len(at)) > told)] = np.inf
        there = known_at <= now
        first = np.minimum(np.where(there, known_at, np.inf), at + 10.0)
        first = np.where(first <= now, first, np.nan)
        label = np.where(there, happened, 0)  # as it is known now: silence says 0
        chosen = representative_rows(at, first, label, now=now, within=10.0)
        newest = chosen & (at > now - 18)
        found.append(label[newest].mean() - (0.2 + 0.3 * at[newest] / 80).mean())
    assert np.mean(found) == pytest.approx(0, abs=3 * np.std(found) / np.sqrt(20) + 0.003)


def test_where_all_classes_take_as_long_hardly_a_label_is_left_out() -> None:
    at, known_at, codes = stream(1, slow=2.0)
    chosen = representative_rows(at, seen_by(80.0, known_at), codes, now=80.0, within=60.0)
    known = known_at <= 80.0
    assert chosen.sum() > 0.99 * known.sum()
    assert not np.any(chosen & ~known)


def test_labels_that_never_come_are_no_reason_to_doubt_the_delays() -> None:
    at, known_at, codes = stream(1, slow=8.0)
    known_at[np.random.default_rng(9).random(len(at)) < 0.3] = np.inf
    chosen = representative_rows(at, seen_by(80.0, known_at), codes, now=80.0, within=60.0)
    assert (chosen & (at > 72.0)).sum() > 50


@pytest.mark.parametrize("told", [0.0, -np.inf])
def test_delays_that_do_not_explain_what_is_missing_are_not_believed(told: float) -> None:
    """Every outcome is told as of its row, or nobody saw when it came: then rows wait until their time is complete."""
    at, known_at, codes = stream(1, slow=8.0)
    known = known_at <= 80.0
    chosen = representative_rows(at, np.where(known, at + told, np.nan), codes, now=80.0, within=60.0)
    assert at[chosen].max() < 75.0
    complete = complete_rows(at, known, now=80.0, within=60.0)
    assert np.array_equal(chosen, known & (np.arange(len(at)) < complete))


def test_a_class_that_is_hardly_seen_is_judged_with_others() -> None:
    at, known_at, codes = stream(1, slow=8.0)
    rare = codes.copy()
    rare[::400] = 2
    chosen, same = (
        representative_rows(at, seen_by(80.0, known_at), each, now=80.0, within=60.0) for each in (rare, codes)
    )
    assert abs(int(chosen.sum()) - int(same.sum())) < 40


def test_numbers_are_grouped_by_the_quarter_they_are_in() -> None:
    assert groups_of(np.array([0.0, 1.0, 2.0, 3.0, np.nan]), classes=False)[:4].tolist() == [0, 1, 2, 3]
    assert groups_of(np.array([1.0, 0.0, np.nan]), classes=True).tolist() == [1, 0, -1]
    assert groups_of(np.array([np.nan, np.nan]), classes=False).tolist() == [-1, -1]


@given(
    delay=arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 30)),
    seed=st.integers(0, 1000),
    now=st.integers(0, 70),
    within=st.integers(0, 80),
)
def test_only_known_labels_count_and_all_of_complete_rows(delay: np.ndarray, seed: int, now: int, within: int) -> None:
    at = np.arange(len(delay), dtype=np.float64)
    groups = np.random.default_rng(seed).integers(0, 3, len(at))
    known_at = seen_by(now, at + delay)
    chosen = representative_rows(at, known_at, groups, now=now, within=within)
    assert chosen.shape == at.shape
    assert not np.any(chosen & np.isnan(known_at))
    complete = complete_rows(at, ~np.isnan(known_at), now=now, within=within)
    assert np.array_equal(chosen[:complete], ~np.isnan(known_at[:complete]))


# -- of these the ones whose label was not known before --------------------------------------------------------------


def test_what_was_not_known_before_counts_in_the_shares_that_the_classes_have() -> None:
    """Class 0 takes eight days and class 1 two, so of what came after day 70 most is of class 0."""
    shares, naive = [], []
    for seed in range(20):
        at, known_at, codes = stream(seed, slow=8.0)
        rows = np.flatnonzero(representative_rows(at, seen_by(80.0, known_at), codes, now=80.0, within=60.0))
        at, known_at, codes = at[rows], known_at[rows], codes[rows]
        unseen = unseen_rows(at, known_at, codes, then=70.0, now=80.0, within=60.0)
        assert not np.any(unseen & (known_at <= 70.0))
        assert np.all(unseen[at > 70.0])
        old = (at > 65.0) & (at <= 70.0)
        assert (unseen & old).sum() > 10
        shares.append(codes[unseen & old].mean() - codes[old].mean())
        naive.append(codes[old & (known_at > 70.0)].mean() - codes[old].mean())
    assert np.mean(naive) < -0.1
    assert np.mean(shares) == pytest.approx(0, abs=3 * np.std(shares) / np.sqrt(20) + 0.005)


def test_of_labels_that_nobody_saw_come_only_the_rows_of_later_are_unseen() -> None:
    at = np.arange(10.0)
    unseen = unseen_rows(at, np.full(10, -np.inf), np.zeros(10, dtype=np.int64), then=6.0, now=10.0, within=5.0)
    assert np.flatnonzero(unseen).tolist() == [7, 8, 9]
    assert not unseen_rows(at, at + 0.5, np.zeros(10, dtype=np.int64), then=10.0, now=10.0, within=5.0).any()
    assert not len(unseen_rows(at[:0], at[:0], np.zeros(0, dtype=np.int64), then=1.0, now=2.0, within=5.0))
