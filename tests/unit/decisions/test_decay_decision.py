from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
import numpy as np
import pytest

from windlass.decisions import rising
from windlass.decisions.decay import RUN_LENGTH, DecayEvidence, SliceLosses, decide_decay
from windlass.decisions.loss_reference import LossReference, summarise_losses, upper_mean
from windlass.decisions.statistics.sequential import change_evidence


def brier(rng: np.random.Generator, rows: int, level: float = 1.0) -> np.ndarray:
    """Losses in 0..1 with mean 0.13 times `level`."""
    return rng.beta(0.5 * level, 0.5 * (1 / 0.13 - level), rows)


def test_decay_is_found_and_dated(rng: np.random.Generator, now: datetime) -> None:
    reference = summarise_losses(brier(rng, 5000), bounded=True)
    losses = np.concatenate([brier(rng, 3000), brier(rng, 1500, 1.6)])
    decision = decide_decay(DecayEvidence(reference=reference, losses=losses, pending=7), now)
    assert (decision.judgement, decision.verdict) == ("decay", "alarm")
    assert 1300 < decision.numbers["recent_rows"] < 1700
    assert decision.numbers["recent"] == pytest.approx(0.208, rel=0.1)
    assert decision.numbers["pending"] == 7
    assert "on the holdout it was 0.1" in decision.reasons[0]


def test_an_alarm_that_stands_while_outcomes_are_missing_speaks_of_no_fall(
    rng: np.random.Generator, now: datetime
) -> None:
    """Outcomes that have not come count as the least they can be, and so look like good ones."""
    reference = summarise_losses((rng.random(5000) < 0.1).astype(float), bounded=True)
    known = np.concatenate([rng.random(1000) < 0.1, rng.random(100) < 0.5]).astype(float)
    missing = np.zeros(600)
    least, most = np.append(known, missing), np.append(known, missing + 1)
    decision = decide_decay(DecayEvidence(reference=reference, losses=least, most=most, pending=600), now)
    assert decision.verdict == "alarm"
    assert "Whether they are down again" in decision.reasons[0]
    assert "(-" not in decision.reasons[0]


@pytest.mark.parametrize(("rate", "most"), [(0.15, 600), (0.20, 210)])
def test_a_rise_of_the_error_rate_is_found_in_time(
    rng: np.random.Generator, now: datetime, rate: float, most: int
) -> None:
    """From 10 % after 5,000 rows, the reference learned of 50,000: the mean delay of 400 streams."""
    delays = []
    for _ in range(400):
        reference = summarise_losses((rng.random(50_000) < 0.1).astype(float), bounded=True)
        losses = np.concatenate([rng.random(5000) < 0.1, rng.random(4000) < rate]).astype(float)
        raised = np.flatnonzero(change_evidence(losses, upper_mean(reference)) >= RUN_LENGTH)  # type: ignore[arg-type]
        if raised[0] >= 5000:
            delays.append(raised[0] - 4999)
    assert len(delays) > 380
    assert np.mean(delays) <= most
    standing = DecayEvidence(reference=reference, losses=losses[: raised[0] + 1])
    assert decide_decay(standing, now).verdict == "alarm"


def test_better_or_the_same_is_quiet(rng: np.random.Generator, now: datetime) -> None:
    reference = summarise_losses(brier(rng, 5000), bounded=True)
    for level in (1.0, 0.6):
        assert decide_decay(DecayEvidence(reference=reference, losses=brier(rng, 4000, level)), now).verdict == "quiet"


def test_too_little_to_judge(rng: np.random.Generator, now: datetime) -> None:
    reference = summarise_losses(brier(rng, 5000), bounded=True)
    assert decide_decay(DecayEvidence(reference=reference, losses=np.ones(99)), now).verdict == "wait"
    assert "no holdout" in decide_decay(DecayEvidence(reference=None, losses=np.ones(500)), now).reasons[0]
    assert summarise_losses(np.ones(99), bounded=True) is None
    assert summarise_losses(np.full(500, np.nan), bounded=True) is None


def test_false_alarms_keep_to_the_stated_rate(
    rng: np.random.Generator, now: datetime, plausible: Callable[[int, int, float], bool]
) -> None:
    """Within n rows at most n / run_length, the reference being a sample of 2,000 itself."""
    alarms = 0
    for _ in range(150):
        reference = summarise_losses(brier(rng, 2000), bounded=True)
        evidence = DecayEvidence(reference=reference, losses=brier(rng, 4000))
        alarms += decide_decay(evidence, now, run_length=40_000).verdict == "alarm"
    assert plausible(alarms, 150, 0.1)


def autocorrelated(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Losses whose neighbours err alike: a memory of some twenty rows."""
    state = np.convolve(rng.normal(size=rows + 100), 0.9 ** np.arange(100))[100 : rows + 100] * np.sqrt(1 - 0.81)
    return np.clip(0.15 + 0.08 * state, 0, 1)


def test_neighbours_that_err_alike_are_judged_in_blocks(
    rng: np.random.Generator, now: datetime, plausible: Callable[[int, int, float], bool]
) -> None:
    alarms = blocked = 0
    for _ in range(60):
        reference = summarise_losses(autocorrelated(rng, 3000), bounded=True)
        assert reference is not None
        blocked += reference.block > 5
        evidence = DecayEvidence(reference=reference, losses=autocorrelated(rng, 5000))
        alarms += decide_decay(evidence, now).verdict == "alarm"
    assert blocked > 55
    assert plausible(alarms, 60, 0.05)


def test_regression_is_judged_in_its_own_units(rng: np.random.Generator, now: datetime) -> None:
    reference = summarise_losses(np.abs(rng.standard_t(3, 4000)) * 100, bounded=False)
    assert reference is not None
    worse = np.abs(rng.standard_t(3, 3000)) * 160
    alarm = decide_decay(DecayEvidence(reference=reference, losses=worse), now)
    assert alarm.verdict == "alarm"
    assert alarm.numbers["recent"] == pytest.approx(worse.mean(), rel=0.1)
    same = np.abs(rng.standard_t(3, 3000)) * 100
    assert decide_decay(DecayEvidence(reference=reference, losses=same), now).verdict == "quiet"


def test_the_reference_is_granted_its_own_error(rng: np.random.Generator) -> None:
    few, many = (summarise_losses(brier(rng, rows), bounded=True) for rows in (200, 20_000))
    assert few is not None
    assert many is not None
    assert upper_mean(few) - few.mean > 5 * (upper_mean(many) - many.mean)


def test_an_alarm_does_not_flicker_and_does_end(rng: np.random.Generator, now: datetime) -> None:
    """However long it stood: all that its evidence has grown by in 20,000 rows need not go again."""
    reference = summarise_losses(brier(rng, 5000), bounded=True)
    stream = np.concatenate([brier(rng, 1000), brier(rng, 20_000, 1.6), brier(rng, 3000), brier(rng, 3000, 1.6)])
    verdicts = [
        decide_decay(DecayEvidence(reference=reference, losses=stream[:rows]), now).verdict
        for rows in range(500, len(stream), 500)
    ]
    changes = [rows for rows in range(1, len(verdicts)) if verdicts[rows] != verdicts[rows - 1]]
    assert [verdicts[place] for place in changes] == ["alarm", "quiet", "alarm"]
    ended, again = (500 * (place + 1) for place in changes[1:])
    assert 21_000 < ended <= 23_000
    assert 24_000 < again <= 25_500
    dated = decide_decay(DecayEvidence(reference=reference, losses=stream), now).count("recent_rows")
    assert 2800 < dated < 3200  # of the second rise alone


def test_false_ends_keep_to_the_stated_rate(
    rng: np.random.Generator, now: datetime, plausible: Callable[[int, int, float], bool]
) -> None:
    """While half of the rise is left, within n rows after the alarm at most n / run_length."""
    ends = 0
    reference = summarise_losses(brier(rng, 5000), bounded=True)
    for _ in range(150):
        losses = np.concatenate([brier(rng, 2000, 1.6), brier(rng, 4000, 1.3)])
        ends += (
            decide_decay(DecayEvidence(reference=reference, losses=losses), now, run_length=40_000).verdict != "alarm"
        )
    assert plausible(ends, 150, 0.1)


def test_what_is_not_known_yet_neither_raises_an_alarm_nor_ends_it(rng: np.random.Generator, now: datetime) -> None:
    reference = summarise_losses(brier(rng, 5000), bounded=True)
    good, bad = brier(rng, 6000), brier(rng, 2000, 1.6)
    late = rng.random(6000) < 0.1
    least, most = np.where(late, 0.0, good), np.where(late, 1.0, good)
    told = DecayEvidence(reference=reference, losses=least, most=most)
    assert decide_decay(told, now).verdict == "quiet"
    after = DecayEvidence(reference=reference, losses=np.append(bad, least), most=np.append(bad, most))
    assert decide_decay(after, now).verdict == "alarm"
    known = DecayEvidence(reference=reference, losses=np.append(bad, good))
    assert decide_decay(known, now).verdict == "quiet"


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_losses_without_spread(value: float, now: datetime) -> None:
    reference = summarise_losses(np.full(200, value), bounded=True)
    decision = decide_decay(DecayEvidence(reference=reference, losses=np.full(500, 0.5)), now)
    assert decision.verdict in ("alarm", "quiet")
    perfect = summarise_losses(np.zeros(200), bounded=True)
    assert decide_decay(DecayEvidence(reference=perfect, losses=np.full(500, 0.2)), now).verdict == "alarm"
    zero = summarise_losses(np.zeros(200), bounded=False)
    assert decide_decay(DecayEvidence(reference=zero, losses=np.ones(500)), now).verdict == "wait"


def test_bursts_that_come_and_go_are_judged_in_time_that_grows_with_the_rows(
    rng: np.random.Generator, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each burst is an alarm, and each calm ends it. Rows are looked at a few times each, not once for every alarm."""
    reference = summarise_losses((rng.random(20_000) < 0.1).astype(float), bounded=True)
    rates = np.tile(np.repeat([0.1, 0.9], [900, 100]), 40)
    losses = (rng.random(len(rates)) < rates).astype(float)
    looked_at: list[int] = []

    def counted(values: np.ndarray, null: float | np.ndarray, stakes: np.ndarray) -> np.ndarray:
        looked_at.append(len(values))
        return change_evidence(values, null, stakes)

    monkeypatch.setattr(rising, "change_evidence", counted)
    found = [decide_decay(DecayEvidence(reference=reference, losses=losses), now)]
    assert len(looked_at) > 100  # alarms and ends
    assert sum(looked_at) < 20 * len(losses)
    for stretch in (50, 10**6):  # where it is looked first changes nothing
        monkeypatch.setattr(rising, "_STRETCH", stretch)
        found.append(decide_decay(DecayEvidence(reference=reference, losses=losses), now))
    assert found[0] == found[1] == found[2]


def bursts(rng: np.random.Generator, rows: int, stay: int) -> np.ndarray:
    """Errors of a model that has good and bad times, of 4 and 16 %, which last `stay` rows on average."""
    turns = rng.random(rows) < 1 / stay
    bad = (np.cumsum(turns) + rng.integers(2)) % 2 == 1
    return (rng.random(rows) < np.where(bad, 0.16, 0.04)).astype(float)


def test_where_bad_times_last_for_hundreds_of_rows_no_rate_of_false_alarms_is_promised(
    rng: np.random.Generator, now: datetime, plausible: Callable[[int, int, float], bool]
) -> None:
    promised = broken = 0
    for _ in range(60):
        reference = summarise_losses(bursts(rng, 5000, 400), bounded=True)
        found = decide_decay(DecayEvidence(reference=reference, losses=bursts(rng, 20_000, 400)), now)
        assert ("no rate of false alarms is promised" in found.reasons[0]) is not found.numbers["promised"]
        promised += found.numbers["promised"] is True
        broken += found.numbers["promised"] is True and found.verdict == "alarm"
    assert promised < 10
    assert plausible(broken, 60, 20_000 / RUN_LENGTH)


def test_blocks_grow_until_their_means_do_not_follow_each_other(rng: np.random.Generator) -> None:
    references = [summarise_losses(bursts(rng, 10_000, 10), bounded=True) for _ in range(40)]
    assert sum(each is not None and each.independent for each in references) > 30
    assert max(each.block for each in references if each is not None) > 4


@pytest.mark.parametrize(("rows", "promised"), [(206, False), (880, False), (960, True)])
def test_a_holdout_of_some_hours_promises_nothing_though_its_losses_look_independent(
    rng: np.random.Generator, now: datetime, rows: int, promised: bool
) -> None:
    reference = summarise_losses(brier(rng, rows), bounded=True)
    assert reference is not None
    assert reference.independent
    for losses in (brier(rng, 500), np.full(500, 0.9)):
        found = decide_decay(DecayEvidence(reference=reference, losses=losses), now)
        assert found.numbers["promised"] is promised
        assert ("too small to tell for how long losses are alike, so no rate" in found.reasons[0]) is not promised


def test_a_holdout_too_short_to_show_how_long_losses_are_alike_promises_nothing(
    rng: np.random.Generator, now: datetime
) -> None:
    half = np.repeat([0.0, 0.1], 1000)
    reference = summarise_losses(0.1 + half + 0.05 * rng.random(2000), bounded=True)
    assert reference is not None
    assert not reference.independent
    verdicts = {}
    for losses in (half + 0.05, np.full(5000, 0.9)):
        found = decide_decay(DecayEvidence(reference=reference, losses=losses), now)
        verdicts[found.verdict] = found.reasons[0], found.numbers["promised"]
    assert verdicts.keys() == {"quiet", "alarm"}
    for reason, promised in verdicts.values():
        assert reason.endswith("so no rate of false alarms is promised.")
        assert promised is False
    sound = summarise_losses(brier(rng, 2000), bounded=True)
    found = decide_decay(DecayEvidence(reference=sound, losses=brier(rng, 2000)), now)
    assert "promised" not in found.reasons[0]
    assert found.numbers["promised"] is True
    slices = (SliceLosses(column="a", group="b", reference=reference, places=np.arange(500)),)
    found = decide_decay(DecayEvidence(reference=sound, losses=brier(rng, 2000), slices=slices), now)
    assert found.numbers["promised"] is False


def test_a_reference_of_an_older_bundle_still_loads() -> None:
    older = b'{"mean": 0.1, "variance": 0.09, "rows": 500, "bound": 1.0, "block": 6}'
    assert msgspec.json.decode(older, type=LossReference).independent


def test_an_alarm_that_stands_shows_the_evidence_that_it_was_raised_with(
    rng: np.random.Generator, now: datetime
) -> None:
    reference = summarise_losses((rng.random(20_000) < 0.1).astype(float), bounded=True)
    risen = (rng.random(3000) < 0.2).astype(float)
    shown = [
        decide_decay(DecayEvidence(reference=reference, losses=np.append(risen, np.zeros(rows))), now)
        for rows in (0, 100)
    ]
    assert [each.verdict for each in shown] == ["alarm", "alarm"]
    first, later = (each.numbers["evidence"] for each in shown)
    assert later == first >= RUN_LENGTH
