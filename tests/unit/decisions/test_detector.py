from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from windlass.decisions import vigil as vigils
from windlass.decisions.statistics import detector as detectors
from windlass.decisions.statistics.detector import RUN_LENGTH, Detector
from windlass.decisions.statistics.urn import Bins
from windlass.decisions.vigil import Vigil

SHARES = np.array([0.1, 0.2, 0.3, 0.3, 0.1])


def reference(rng: np.random.Generator, *, rows: int = 2000, columns: int = 5) -> Bins:
    weights = rng.multinomial(rows, SHARES, columns).astype(np.float64)
    return Bins(
        weights=np.hstack([weights, np.full((columns, 1), 0.5)]),
        ordered=np.ones(columns, dtype=np.bool_),
        special=np.arange(6)[None].repeat(columns, axis=0) == 5,
        stretch=np.empty((columns, 0)),
        uneven=np.empty((columns, 0)),
    )


def window(rng: np.random.Generator, bins: Bins, *, moved: float = 0.0) -> np.ndarray:
    """500 rows in each column; in the first one some moved from one end to the other."""
    counts = rng.multinomial(500, SHARES, len(bins.weights))
    counts[0] = rng.multinomial(500, SHARES + np.array([-moved, 0, 0, 0, moved]))
    return np.hstack([counts, np.zeros((len(counts), 1), dtype=np.int64)])


def test_false_alarms_are_as_rare_as_is_said(
    rng: np.random.Generator, plausible: Callable[[int, int, float], bool]
) -> None:
    """120 references, each with 15 windows from where it came from: the evidence passes c within n in n / c of them."""
    passed = dict.fromkeys((60, 150, 600), 0)
    for _ in range(120):
        bins = reference(rng, columns=3)
        watched, most = Detector.fresh(bins.weights.shape), 0.0
        for _ in range(15):
            watched = watched.after(bins, window(rng, bins))
            most = max(most, np.exp(watched.log_mean))
        for bound in passed:
            passed[bound] += most >= bound
    for bound, count in passed.items():
        assert plausible(count, 120, 15 / bound)


def test_the_evidence_of_a_column_is_a_window_a_window_on_average(rng: np.random.Generator) -> None:
    sums = []
    for _ in range(30):
        bins = reference(rng, columns=20)
        watched = Detector.fresh(bins.weights.shape)
        for _ in range(8):
            watched = watched.after(bins, window(rng, bins))
        sums.append(np.exp(watched.log_evidence))
    found = np.concatenate(sums)
    assert found.mean() < 8 + 4 * found.std() / np.sqrt(len(found))


def test_a_slow_drift_adds_up(rng: np.random.Generator) -> None:
    """No window shows it alone; together they do, and the column and its beginning are named."""
    bins = reference(rng, rows=100_000)
    alone, watched = [], Detector.fresh(bins.weights.shape)
    for place in range(40):
        rows = window(rng, bins, moved=0.02 if place >= 10 else 0.0)
        alone.append(Detector.fresh(bins.weights.shape).after(bins, rows).log_mean)
        watched = watched.after(bins, rows)
    assert max(alone) < np.log(RUN_LENGTH)
    assert watched.log_mean >= np.log(RUN_LENGTH)
    assert watched.log_evidence.argmax() == 0
    assert (watched.log_evidence[1:] < np.log(RUN_LENGTH)).all()
    assert 4 <= watched.since[0] <= 24  # of old starts, some are kept


def test_thinning_keeps_few_starts_and_loses_nothing(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment when a start goes, its worth is with its heir: the sum is what it was."""
    monkeypatch.setattr(detectors, "SHOWN", 1e-300)
    bins = reference(rng)
    watched = Detector.fresh(bins.weights.shape)
    for _ in range(60):
        rows = window(rng, bins)
        thinned = watched.after(bins, rows)
        with monkeypatch.context() as patch:
            patch.setattr(detectors, "_thinned", lambda starts, won, window, varying: starts)
            full = watched.after(bins, rows)
        np.testing.assert_allclose(thinned.log_evidence, full.log_evidence)
        worth = detectors.log_evidence(bins, thinned.starts[0].before, thinned.total - thinned.starts[0].before)
        heirs = np.logaddexp.reduce(
            [
                start.log_stake + detectors.log_evidence(bins, start.before, thinned.total - start.before)
                for start in thinned.starts
            ]
        )
        np.testing.assert_allclose(heirs, thinned.log_evidence)
        assert np.isfinite(worth).all()
        watched = thinned
    assert len(watched.starts) <= 13
    assert watched.starts[-1].window == 60


def test_windows_that_can_show_nothing_never_come_to_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """One column is always the same, one always missing, for longer than the guarantee; then the first changes."""
    monkeypatch.setattr(vigils, "RUN_LENGTH", 200)
    weights = np.array([[1000.0, 0.5, 0.5], [0.5, 0.5, 1000.0]])
    special = np.arange(3)[None].repeat(2, axis=0) == 2
    bins = Bins(
        weights=weights,
        ordered=np.ones(2, dtype=np.bool_),
        special=special,
        stretch=np.empty((2, 0)),
        uneven=np.empty((2, 0)),
    )
    vigil, same = Vigil.begin(bins), np.array([[20, 0, 0], [0, 0, 20]])
    for _ in range(400):
        vigil = vigil.after(bins, same)
        assert vigil.alarm is None
    assert vigil.log_mean < np.log(2)  # nothing builds up, and nothing is shown as if it did
    for _ in range(5):
        vigil = vigil.after(bins, np.array([[0, 20, 0], [0, 0, 20]]))
    assert vigil.alarm is not None
    named = vigil.log_evidence >= np.log(200)
    assert named.tolist() == [True, False]


def test_the_evidence_is_never_more_than_the_sum(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    for moved in (0.0, 0.01, 0.03):
        bins = reference(rng, columns=20)
        watched = Detector.fresh(bins.weights.shape)
        for _ in range(20):
            rows = window(rng, bins, moved=moved)
            with monkeypatch.context() as patch:
                patch.setattr(detectors, "SHOWN", 1e-300)
                sums = watched.after(bins, rows).log_evidence
            watched = watched.after(bins, rows)
            assert (watched.log_evidence <= sums + 1e-9).all()
            assert (watched.log_evidence[watched.log_evidence >= np.log(detectors.SHOWN)] > 0).all()


def test_an_empty_window_and_a_column_without_rows_are_no_evidence(rng: np.random.Generator) -> None:
    bins = reference(rng)
    watched = Detector.fresh(bins.weights.shape).after(bins, np.zeros((5, 6), dtype=np.int64))
    np.testing.assert_allclose(watched.log_evidence, 0, atol=1e-9)
    rows = window(rng, bins, moved=0.1)
    rows[0] = 0
    assert Detector.fresh(bins.weights.shape).after(bins, rows).log_evidence[0] == pytest.approx(0)


def test_an_alarm_stands_while_the_rows_differ_and_ends_when_they_do_not(rng: np.random.Generator) -> None:
    bins, verdicts = reference(rng), []
    vigil = Vigil.begin(bins)
    for place in range(40):
        vigil = vigil.after(bins, window(rng, bins, moved=0.06 if 5 <= place < 20 else 0.0))
        verdicts.append(vigil.alarm is not None)
        assert (vigil.log_mean >= np.log(RUN_LENGTH)) == verdicts[-1]
    began, ended = verdicts.index(True), 40 - verdicts[::-1].index(True)
    assert 5 <= began <= 9
    assert all(verdicts[began:ended])
    assert 20 <= ended <= 32
    assert vigil.windows == 40


def test_since_counts_all_windows_also_after_an_alarm(rng: np.random.Generator) -> None:
    bins = reference(rng)
    vigil = Vigil.begin(bins)
    for place in range(30):
        vigil = vigil.after(bins, window(rng, bins, moved=0.08 if place < 3 or place >= 24 else 0.0))
        if place == 2:
            assert vigil.alarm is not None
            assert vigil.since[0] == 1
    assert vigil.alarm is not None
    assert 23 <= vigil.since[0] <= 26  # the 25th was the first
    assert vigil.rows_since(0).sum() <= 8 * 500
