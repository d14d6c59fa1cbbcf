"""Decay of declared slices, under the guarantee that holds for all of them together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from windlass.decisions.decay import RUN_LENGTH, DecayEvidence, SliceLosses, decide_decay
from windlass.decisions.loss_reference import LossReference, summarise_losses
from windlass.decisions.rising import Judged, path_of, shared_errors

GROUPS = 8


def reference(losses: Any) -> LossReference:
    found = summarise_losses(losses, bounded=True)
    assert found is not None
    return found


def judged(held: LossReference | None, places: Any, losses: Any) -> Judged:
    assert held is not None
    own = losses[places]
    return Judged(reference=held, share=1.0, first=places, last=places, least=own, most=own)


def evidence(rng: np.random.Generator, rates: Any, rows: int, *, since: int, rise: float) -> DecayEvidence:
    """Errors of 10 % in each of eight equal groups, from the row `since` on higher in the first one."""
    held = rng.integers(GROUPS, size=20_000)
    errors = (rng.random(20_000) < rates[held]).astype(float)
    group = rng.integers(GROUPS, size=rows)
    worse = (group == 0) & (np.arange(rows) >= since)
    losses = (rng.random(rows) < np.where(worse, rates[0] + rise, rates[group])).astype(float)
    slices = tuple(
        SliceLosses(
            column="region",
            group=f"r{each}",
            reference=reference(errors[held == each]),
            places=np.flatnonzero(group == each),
        )
        for each in range(GROUPS)
    )
    return DecayEvidence(reference=reference(errors), losses=losses, slices=slices)


def test_a_slice_that_decays_is_named_and_dated_where_the_whole_hardly_moves(
    rng: np.random.Generator, now: datetime
) -> None:
    given = evidence(rng, np.full(GROUPS, 0.1), 10_000, since=4000, rise=0.15)
    found = decide_decay(given, now)
    assert (found.verdict, found.numbers["slice"]) == ("alarm", "region = r0")
    assert "of region = r0 is 0.2" in found.reasons[0]
    assert 5000 < found.numbers["recent_rows"] < 7000
    whole = DecayEvidence(reference=given.reference, losses=given.losses[:7000])
    assert decide_decay(whole, now).verdict == "quiet"


def test_the_whole_is_still_judged(rng: np.random.Generator, now: datetime) -> None:
    given = evidence(rng, np.full(GROUPS, 0.1), 6000, since=6000, rise=0.0)
    worse = np.concatenate([given.losses[:3000], (rng.random(3000) < 0.2).astype(float)])
    found = decide_decay(DecayEvidence(reference=given.reference, losses=worse, slices=given.slices), now)
    assert (found.verdict, found.numbers["slice"]) == ("alarm", None)


def test_the_alarm_of_a_slice_ends_by_its_own_rows(rng: np.random.Generator, now: datetime) -> None:
    given = evidence(rng, np.full(GROUPS, 0.1), 20_000, since=2000, rise=0.2)
    assert decide_decay(given, now).numbers["slice"] == "region = r0"
    well = given.slices[0].places[given.slices[0].places >= 10_000]
    losses = given.losses.copy()
    losses[well] = rng.random(len(well)) < 0.1
    healed = DecayEvidence(reference=given.reference, losses=losses, slices=given.slices)
    assert decide_decay(healed, now).verdict == "quiet"
    before = DecayEvidence(reference=given.reference, losses=losses[:10_000], slices=given.slices)
    cut = tuple(replace(each, places=each.places[each.places < 10_000]) for each in before.slices)
    assert decide_decay(replace(before, slices=cut), now).verdict == "alarm"


def test_together_they_grow_by_one_a_row_at_most(rng: np.random.Generator) -> None:
    """Streams without a change: within n rows the sum passes n / 0.03 with a chance of 0.03 at most.

    Of 200 streams more than 13 would with a chance of 0.005.
    """
    rows, passed = 2000, 0
    for _ in range(200):
        given = evidence(rng, rng.uniform(0.05, 0.3, GROUPS), rows, since=rows, rise=0.0)
        errors = shared_errors(GROUPS + 1)
        whole = judged(given.reference, np.arange(rows), given.losses)
        paths = [0.5 * path_of(whole, rows, errors)]
        paths += [
            0.5 * path_of(judged(each.reference, each.places, given.losses), rows, errors) for each in given.slices
        ]
        passed += bool(np.max(np.sum(paths, axis=0)) >= rows / 0.03)
    assert passed <= 13


def test_a_row_more_of_a_group_moves_its_evidence_alone(rng: np.random.Generator) -> None:
    held = LossReference(mean=0.1, variance=0.09, rows=10_000, bound=1.0)
    losses = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    path = path_of(judged(held, np.array([2, 3]), losses), len(losses), 2.0)
    assert list(path[:2]) == [0.0, 0.0]
    assert 0 < path[2] < path[3] == path[4] == path[5]
    nobody = judged(held, np.array([], dtype=np.int64), losses)
    assert not path_of(nobody, len(losses), 2.0).any()


def test_quiet_andshared_errors(rng: np.random.Generator, now: datetime) -> None:
    given = evidence(rng, np.full(GROUPS, 0.1), 5000, since=5000, rise=0.0)
    found = decide_decay(given, now)
    assert found.verdict == "quiet"
    assert found.numbers["evidence_needed"] == RUN_LENGTH
    assert shared_errors(1) == pytest.approx(2.0)
    assert 2.7 < shared_errors(9) < 2.9
