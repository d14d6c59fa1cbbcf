"""A warning before labels come: what is to be expected of the answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from windlass.decisions.statistics.losses import absolute, brier
from windlass.decisions.warning import ExpectedLosses, decide_warning, learn_expected

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def answers(rows: int, seed: int, *, sure: float = 0.4) -> tuple[Any, Any]:
    """Calibrated probabilities, the surer the smaller `sure` is, and what came of them."""
    random = np.random.default_rng(seed)
    scores = random.beta(sure, sure, rows)
    return scores, (random.random(rows) < scores).astype(int)


def learned(rows: int = 2000, seed: int = 0) -> ExpectedLosses:
    scores, truth = answers(rows, seed)
    found = learn_expected(scores, brier(truth, scores), bounded=True)
    assert found is not None
    return found


def test_what_an_answer_loses_is_told_by_how_sure_it_is() -> None:
    found = learned()
    scores = np.array([0.01, 0.5, 0.99])
    assert found.of(scores) == pytest.approx(scores * (1 - scores), abs=0.05)
    held, truth = answers(2000, 0)
    assert found.of(held).mean() == pytest.approx(float(brier(truth, held).mean()))
    assert found.reference.mean == pytest.approx(found.of(held).mean())


def test_answers_that_become_unsure_are_warned_of_without_any_label() -> None:
    found = learned()
    unsure, _ = answers(2000, 1, sure=1.0)
    judged = decide_warning(found.reference, found.of(unsure), NOW)
    assert (judged.judgement, judged.verdict) == ("warning", "alarm")
    assert judged.reasons[0].startswith("By the last 2000 answers alone a mean loss of 0.16")
    assert judged.numbers["answers"] == 2000


def test_numbers_are_told_apart_by_their_size() -> None:
    random = np.random.default_rng(2)
    size = random.uniform(1, 10, 2000)
    found = learn_expected(size, absolute(size + size * random.normal(size=2000), size), bounded=False)
    assert found is not None
    assert decide_warning(found.reference, found.of(random.uniform(1, 10, 2000)), NOW).verdict == "quiet"
    assert decide_warning(found.reference, found.of(random.uniform(5, 10, 2000)), NOW).verdict == "alarm"


def test_a_change_of_the_relation_alone_shows_in_no_answer() -> None:
    found = learned()
    scores, truth = answers(2000, 3)
    assert brier(1 - truth, scores).mean() > 0.4
    assert decide_warning(found.reference, found.of(scores), NOW).verdict == "quiet"


def test_false_warnings_are_as_rare_as_stated() -> None:
    """Within 10,000 answers at most one stream in ten on average: of 40 more than 9 once in a hundred at that rate."""
    warned = 0
    for seed in range(40):
        found = learned(seed=100 + seed)
        scores, _ = answers(10_000, 1000 + seed)
        warned += decide_warning(found.reference, found.of(scores), NOW).verdict == "alarm"
    assert warned <= 9


@pytest.mark.parametrize("rows", [0, 99])
def test_of_few_rows_nothing_is_learned(rows: int) -> None:
    scores, truth = answers(rows, 4)
    assert learn_expected(scores, brier(truth, scores), bounded=True) is None


def test_where_all_answers_are_alike_nothing_is_learned() -> None:
    assert learn_expected(np.full(500, 0.3), np.full(500, 0.2), bounded=True) is None


def test_without_a_holdout_or_answers_it_waits() -> None:
    assert decide_warning(None, np.zeros(500), NOW).verdict == "wait"
    assert decide_warning(learned().reference, np.zeros(0), NOW).verdict == "wait"
