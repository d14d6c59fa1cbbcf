"""Decay of a ranking: what is judged where the metric is one, beside the losses and under the same guarantee."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from scipy.special import ndtri

from windlass.decisions.decay import DecayEvidence, Ranking, decide_decay
from windlass.decisions.loss_reference import LossReference, summarise_losses, summarise_ranking
from windlass.decisions.rising import Judged, path_of
from windlass.decisions.statistics.losses import brier, least_losses, most_losses
from windlass.decisions.statistics.stretches import misordered

AREA = 0.85


class Answers(NamedTuple):
    """Probabilities of a model that was calibrated where it ranked by `AREA`, and what came true."""

    truth: np.ndarray
    said: np.ndarray

    def then(self, other: Answers) -> Answers:
        return Answers(*map(np.concatenate, zip(self, other, strict=True)))


def answers(rng: np.random.Generator, rows: int, *, rate: float, area: float = AREA, usual: float = 0.0) -> Answers:
    """`usual`: the rate that the model takes for granted; 0: the same."""
    usual, apart = usual or rate, float(ndtri(AREA)) * np.sqrt(2)
    truth = rng.random(rows) < rate
    scores = rng.normal(size=rows) + float(ndtri(area)) * np.sqrt(2) * truth
    odds = usual / (1 - usual) * np.exp(apart * scores - apart**2 / 2)
    return Answers(truth.astype(float), odds / (1 + odds))


def references(held: Answers) -> tuple[LossReference, LossReference]:
    losses, ranking = summarise_losses(brier(*held), bounded=True), summarise_ranking(*held)
    assert losses is not None
    assert ranking is not None
    return losses, ranking


def evidence(held: Answers, given: Answers, *, ranked: bool = True) -> DecayEvidence:
    losses, ranking = references(held)
    known = np.isfinite(given.truth)
    least = np.where(known, brier(*given), least_losses(given.said, "binary"))
    most = np.where(known, brier(*given), most_losses(given.said, "binary"))
    own = Ranking(reference=ranking, truth=given.truth, scores=given.said)
    return DecayEvidence(reference=losses, losses=least, most=most, ranking=own if ranked else None)


@pytest.mark.parametrize("rate", [0.02, 0.05])
def test_a_ranking_of_a_rare_class_that_falls_is_found_where_the_losses_hardly_move(
    rng: np.random.Generator, now: datetime, rate: float
) -> None:
    held = answers(rng, 20_000, rate=rate)
    given = answers(rng, 10_000, rate=rate).then(answers(rng, round(150 / rate), rate=rate, area=0.7))
    found = decide_decay(evidence(held, given), now)
    assert (found.verdict, found.numbers["ranking"]) == ("alarm", True)
    assert "Among rows of the same time the ROC AUC of the last" in found.reasons[0]
    told = re.search(r"is (0\.\d+); on the holdout it was (0\.\d+)\.", found.reasons[0])
    assert told is not None
    assert [float(each) for each in told.groups()] == pytest.approx([0.7, AREA], abs=0.05)
    assert found.count("recent_rows") == pytest.approx(150 / rate, rel=0.3)
    assert decide_decay(evidence(held, given, ranked=False), now).verdict == "quiet"


def test_it_is_found_in_time(rng: np.random.Generator, now: datetime) -> None:
    """One row in fifty is positive: within 6,000 rows, which are 120 positives, in 18 of 20 streams."""
    found = 0
    for _ in range(20):
        given = answers(rng, 6000, rate=0.02, area=0.7)
        found += decide_decay(evidence(answers(rng, 20_000, rate=0.02), given), now).verdict == "alarm"
    assert found >= 18


def test_a_class_that_becomes_more_frequent_is_no_fall_of_the_ranking(rng: np.random.Generator, now: datetime) -> None:
    """The losses of a model that takes the old rate for granted rise; how it ranks does not change."""
    given = answers(rng, 5000, rate=0.02).then(answers(rng, 5000, rate=0.15, usual=0.02))
    judged = evidence(answers(rng, 20_000, rate=0.02), given)
    found = decide_decay(judged, now)
    assert (found.verdict, found.numbers["ranking"]) == ("alarm", False)
    quiet = DecayEvidence(reference=judged.reference, losses=np.zeros(10_000), ranking=judged.ranking)
    found = decide_decay(quiet, now)
    assert found.verdict == "quiet"
    assert "positives are told from negatives as well as there" in found.reasons[0]


def test_evidence_of_a_ranking_grows_by_one_a_row(rng: np.random.Generator) -> None:
    """Streams without a change, held against the very mean: what the stakes on all stretches have won comes to as much
    as these have rows, on average, though there are fewer stretches than rows."""
    ranking = LossReference(mean=1 - AREA, variance=0.0, rows=10**9, bound=1.0)
    won, rows = [], []
    for _ in range(3000):
        first, last, least, most = misordered(*answers(rng, 200, rate=0.1))
        ranks = Judged(reference=ranking, share=0.5, first=first, last=last, least=least, most=most)
        won.append(path_of(ranks, 200, errors=0.0)[-1])
        rows.append(last[-1] + 1)
    beyond = np.asarray(won) - rows
    error = beyond.std(ddof=1) / np.sqrt(len(beyond))
    assert error < 0.05 * np.mean(rows)
    assert abs(beyond.mean()) < 4 * error


def test_the_alarm_ends_when_positives_are_told_from_negatives_again(rng: np.random.Generator, now: datetime) -> None:
    held = answers(rng, 20_000, rate=0.05)
    fallen = answers(rng, 6000, rate=0.05, area=0.6)
    assert decide_decay(evidence(held, fallen), now).numbers["ranking"] is True
    still = fallen.then(answers(rng, 14_000, rate=0.05, area=0.6))
    assert decide_decay(evidence(held, still), now).verdict == "alarm"
    healed = fallen.then(answers(rng, 14_000, rate=0.05))
    assert decide_decay(evidence(held, healed), now).verdict == "quiet"


def test_outcomes_that_have_not_come_neither_raise_an_alarm_nor_end_one(
    rng: np.random.Generator, now: datetime
) -> None:
    """The worst that can be left out: first all positives that rank well are late, then all that rank badly."""
    held = answers(rng, 20_000, rate=0.05)
    given = answers(rng, 6000, rate=0.05)
    middle = np.median(given.said[given.truth == 1])
    late = Answers(np.where((given.truth == 1) & (given.said > middle), np.nan, given.truth), given.said)
    assert decide_decay(evidence(held, late), now).verdict == "quiet"
    left_out = np.isfinite(late.truth)
    found = decide_decay(evidence(held, Answers(late.truth[left_out], late.said[left_out])), now)
    assert (found.verdict, found.numbers["ranking"]) == ("alarm", True)  # so the care is needed
    fallen = answers(rng, 6000, rate=0.05, area=0.6)
    more = answers(rng, 14_000, rate=0.05, area=0.6)
    hidden = Answers(
        np.where((more.truth == 1) & (more.said < np.quantile(more.said, 0.8)), np.nan, more.truth), more.said
    )
    assert decide_decay(evidence(held, fallen.then(hidden)), now).verdict == "alarm"
    left_out = np.isfinite(hidden.truth)
    shown = fallen.then(Answers(hidden.truth[left_out], hidden.said[left_out]))
    assert decide_decay(evidence(held, shown), now).verdict == "quiet"


def test_a_holdout_of_few_positives_is_no_reference_or_promises_nothing(
    rng: np.random.Generator, now: datetime
) -> None:
    few = answers(rng, 1000, rate=0.5)
    assert summarise_ranking(few.truth[:290], few.said[:290]) is None
    held = answers(rng, 3000, rate=0.02)
    losses, ranking = references(held)
    assert not losses.is_short
    assert ranking.is_short
    found = decide_decay(evidence(held, answers(rng, 500, rate=0.02)), now)
    assert found.numbers["promised"] is False
    assert "The holdout is too small to tell for how long losses are alike" in found.reasons[0]
    assert not references(answers(rng, 3000, rate=0.3))[1].is_short


def test_a_reference_of_an_older_bundle_is_of_losses() -> None:
    older = b'{"mean": 0.1, "variance": 0.09, "rows": 960, "bound": 1.0}'
    assert not msgspec.json.decode(older, type=LossReference).is_short
