from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import dirichlet_multinomial

from windlass.decisions.statistics.urn import Bins, least_shift, log_evidence


def bins(weights: list[list[float]], *, ordered: bool = True, dispersion: float = 1.0) -> Bins:
    table = np.array(weights, dtype=np.float64)
    special = np.zeros(table.shape, dtype=np.bool_)
    special[:, [0, -1]] = True
    return Bins(
        weights=table,
        ordered=np.full(len(table), ordered),
        special=special,
        stretch=np.full((len(table), 1), 1000.0 if dispersion > 1 else np.inf),
        uneven=np.full((len(table), 1), (dispersion - 1) / 1000),
    )


@pytest.mark.parametrize("ordered", [True, False])
def test_the_expectation_is_one_over_all_that_can_happen(ordered: bool) -> None:
    """Not simulated: every way in which six rows can fall into five bins, with the chance that the urn gives it."""
    weights = [1.0, 6.0, 5.0, 9.0, 0.5]
    total = 0.0
    for counts in product(range(7), repeat=5):
        if sum(counts) == 6:
            chance = dirichlet_multinomial.pmf(counts, weights, 6)
            evidence = log_evidence(bins([weights], ordered=ordered), np.zeros((1, 5)), np.array([counts]))[0]
            total += chance * np.exp(evidence)
    assert total == pytest.approx(1, abs=1e-9)


def test_the_expectation_is_one_given_what_came_before() -> None:
    weights, before = [1.0, 8.0, 5.0, 0.5], [4, 0, 9, 1]
    after = np.add(weights, before)
    total = 0.0
    for counts in product(range(5), repeat=4):
        if sum(counts) == 4:
            evidence = log_evidence(bins([weights]), np.array([before]), np.array([counts]))[0]
            total += dirichlet_multinomial.pmf(counts, after, 4) * np.exp(evidence)
    assert total == pytest.approx(1, abs=1e-9)


def test_that_nothing_comes_where_nothing_can_come_is_no_evidence() -> None:
    """A constant column: the urn expects a row beyond it now and then, and none will ever come."""
    constant = bins([[1.0, 1500.0, 1.0, 0.5]])
    for rows in (1500, 10**5, 10**8):
        assert log_evidence(constant, np.zeros((1, 4)), np.array([[0, rows, 0, 0]]))[0] <= 0


def rows_in(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)


@pytest.mark.parametrize(("reference", "window"), [(300, 300), (300, 3000), (3000, 300)])
def test_a_reference_that_is_a_sample_brings_no_false_evidence(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool], reference: int, window: int
) -> None:
    """Markov's bound, averaged over references: evidence of c in at most 1 of c pairs without drift."""
    wins = []
    for _ in range(60):
        weights, counts = [], []
        for _ in range(50):
            ordered = np.sort(rng.normal(size=reference))
            edges = ordered[np.linspace(0, reference - 1, 11).round().astype(int)]
            edges[0] = np.nextafter(edges[0], -np.inf)
            own = rows_in(edges, ordered).astype(float)
            own[[0, 1, -1]] += [1, -1, 1]
            weights.append([*own, 0.5])
            counts.append([*rows_in(edges, rng.normal(size=window)), 0])
        wins.append(log_evidence(bins(weights), np.zeros((50, 13)), np.array(counts)))
    found = np.exp(np.concatenate(wins))
    assert found.mean() < 1 + 4 * found.std() / np.sqrt(len(found))
    for bound in (2, 5, 20, 100):
        assert plausible(int((found >= bound).sum()), len(found), 1 / bound)


def test_a_reference_taken_for_the_truth_would_cry_wolf(rng: np.random.Generator) -> None:
    """The same with an urn so large that the reference is no sample any more: its noise becomes evidence."""
    shares = rng.multinomial(500, np.full(10, 0.1), 200) + 0.5
    counts = rng.multinomial(5000, np.full(10, 0.1), 200)
    honest = log_evidence(bins(shares.tolist()), np.zeros((200, 10)), counts)
    truth = log_evidence(bins((shares * 1e6).tolist()), np.zeros((200, 10)), counts)
    assert (honest > np.log(100)).mean() <= 0.02
    assert (truth > np.log(100)).mean() > 0.5


@pytest.mark.parametrize(
    ("change", "rows"),
    [("shift", 20_000), ("spread", 20_000), ("missing", 5_000), ("beyond", 200), ("hole", 5_000)],
)
def test_each_kind_of_change_is_found(rng: np.random.Generator, change: str, rows: int) -> None:
    known = np.sort(rng.normal(size=20_000))
    edges = known[np.linspace(0, len(known) - 1, 21).round().astype(int)]
    values = rng.normal(size=rows)
    if change == "shift":
        values += 0.1
    elif change == "spread":
        values *= 1.1
    elif change == "beyond":
        values[:20] += 9
    elif change == "hole":
        values = np.where((values > 0.2) & (values < 0.5) & (rng.random(rows) < 0.3), -values, values)
    gone = rows // 50 if change == "missing" else 0
    weights, counts = rows_in(edges, known) + 1.0, rows_in(edges, values[gone:])
    found = log_evidence(bins([[*weights, 200.5]]), np.zeros((1, 23)), np.array([[*counts, gone]]))
    same = rng.multinomial(rows, weights / weights.sum())
    assert found[0] > np.log(8760)
    assert log_evidence(bins([[*weights, 0.5]]), np.zeros((1, 23)), np.array([[*same, 0]]))[0] < np.log(100)


def test_the_least_shift_is_found_as_often_as_is_said(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """One column alone, 4,000 rows on either side: 95 of 100 at the least shift, few at half of it."""
    rows, threshold = 4000, np.log(8760)
    least = least_shift(rows, rows, log_threshold=threshold)
    found = {1.05: 0, 0.5: 0}
    for share in found:
        for _ in range(200):
            ordered = np.sort(rng.normal(size=rows))
            edges = ordered[np.linspace(0, rows - 1, 21).round().astype(int)]
            weights = np.append(rows_in(edges, ordered) + 0.5, 0.5)
            counts = np.append(rows_in(edges, rng.normal(share * least, 1, rows)), 0)
            found[share] += log_evidence(bins([weights.tolist()]), np.zeros((1, 23)), counts[None])[0] >= threshold
    assert plausible(200 - found[1.05], 200, 0.05)
    assert found[0.5] < 100
    assert least_shift(rows, np.inf, log_threshold=threshold) < least
    assert least_shift(10, 10, log_threshold=threshold) == np.inf


def test_what_stretches_of_the_reference_did_is_no_news() -> None:
    """Nor is what windows do that are shorter than all stretches, or runs of windows that are longer."""
    weights, counts = [[1000.0] * 10], np.array([[130, 70] * 5])
    assert log_evidence(bins(weights), np.zeros((1, 10)), counts)[0] > np.log(8760)
    assert log_evidence(bins(weights, dispersion=20.0), np.zeros((1, 10)), counts)[0] < 1
    assert log_evidence(bins(weights, dispersion=20.0), np.zeros((1, 10)), counts // 10)[0] < 1
    assert log_evidence(bins(weights, dispersion=20.0), np.zeros((1, 10)), 1000 * counts)[0] < np.log(8760)


def test_rows_that_fall_more_evenly_than_the_worst_way_lets_expect_are_no_news() -> None:
    """The reference is worth some 50 rows; rows that come exactly in its shares are likelier from an urn of 3,000."""
    even = np.full((1, 10), 500)
    assert log_evidence(bins([[1000.0] * 10], dispersion=200.0), np.zeros((1, 10)), even)[0] < 0


def test_a_run_differs_no_more_than_the_stretches_that_it_is_put_together_of(rng: np.random.Generator) -> None:
    """Sums of a daily cycle of 24 rows with weather on top, which is a variance of 1 among single rows."""
    rows = np.arange(200_000)
    noise = np.convolve(rng.normal(size=len(rows) + 199), np.full(200, 200**-0.5), "valid")
    series = np.sin(rows * 2 * np.pi / 24) + 0.3 * noise
    series = (series - series.mean()) / series.std()

    def between(length: int) -> float:
        return float((series[: len(rows) // length * length].reshape(-1, length).mean(axis=1) ** 2).mean())

    lengths = [4, 8, 16, 32, 64, 128, 256]
    table = bins([[1000.0] * 10])
    known = replace(
        table, stretch=np.array([lengths], dtype=np.float64), uneven=np.array([[between(each) for each in lengths]])
    )
    runs = [1, 3, 4, 6, 13, 24, 25, 32, 36, 49, 100, 250, 256, 500, 1000, 5000]
    bounds = [float(known.variance(np.array([float(run)]))[0]) for run in runs]
    for run, bound in zip(runs, bounds, strict=True):
        assert between(run) <= 1.02 * bound  # how runs that are no multiple of a stretch are cut is up to chance
    assert bounds[:2] == [1, 1]
    assert bounds[runs.index(24)] < 0.5  # and not all of it either
    assert bounds[-1] < 0.1
    assert table.variance(np.array([5000.0])).tolist() == [0]


@settings(max_examples=60)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 50.0, 1e7]), st.integers(0, 10**7)), min_size=5, max_size=5),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_any_counts_give_evidence(columns: list[list[tuple[float, int]]], ordered: bool) -> None:
    weights = [[weight for weight, _ in column[:-1]] + [column[-1][0] + 0.5] for column in columns]
    rows = [[count if weight else 0 for weight, count in column[:-1]] + [column[-1][1]] for column in columns]
    counts = np.array(rows)
    found = log_evidence(bins(weights, ordered=ordered), np.zeros(counts.shape), counts)
    assert np.isfinite(found).all()
    assert (found[counts.sum(axis=1) == 0] <= 1e-9).all()  # no rows, no evidence
