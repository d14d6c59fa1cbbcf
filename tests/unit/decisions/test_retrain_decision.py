from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.decisions.figures import decision
from windlass.decisions.retrain import LOOKS, RetrainEvidence, decide_retrain, must_gain, sparing
from windlass.product.policy import Retrain
from windlass.records.decision import Decision

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=20)
HOUR = timedelta(hours=1)


def heard(judgement: str, verdict: str = "alarm", **numbers: object) -> Decision:
    return decision(judgement, verdict, [f"The {judgement} said {verdict}."], numbers, NOW)


def known(**values: object) -> RetrainEvidence:
    return RetrainEvidence(**{"has_champion": True, "last_run_at": LONG_AGO, **values})


EVERYTHING = Retrain(every="10d", on_rows=100, on_drift=True, on_decay=True)


@pytest.mark.parametrize(
    ("evidence", "policy", "trigger"),
    [
        (RetrainEvidence(has_champion=False), None, "first"),
        (known(decay=heard("decay"), drift=heard("drift"), new_labelled=500), EVERYTHING, "decay"),
        (known(decay=heard("decay", "quiet"), drift=heard("drift"), new_labelled=500), EVERYTHING, "drift"),
        (known(drift=heard("drift", "wait"), new_labelled=100), EVERYTHING, "volume"),
        (known(new_labelled=99), EVERYTHING, "schedule"),
        (known(last_run_at=None), Retrain(every="10d"), "schedule"),
        (known(interrupted=True, failures=1, last_run_at=NOW, release_active=True), None, "interrupted"),
        (known(labelled=1000, new_labelled=250), Retrain(), "growth"),
        (known(labelled=1000, new_labelled=500), Retrain(on_growth=0.5), "growth"),
        (known(labelled=1000, new_labelled=250, rejections=4, last_run_at=NOW - 25 * HOUR), Retrain(), "growth"),
    ],
)
def test_each_signal_trains(evidence: RetrainEvidence, policy: Retrain | None, trigger: str) -> None:
    found = decide_retrain(evidence, policy, NOW)
    assert (found.verdict, found.numbers["trigger"]) == ("retrain", trigger)


@pytest.mark.parametrize(
    ("evidence", "policy", "said"),
    [
        (known(trainable=False, decay=heard("decay")), EVERYTHING, "no `extract`"),
        (known(paused=True, decay=heard("decay")), EVERYTHING, "paused"),
        (known(running=True, decay=heard("decay")), EVERYTHING, "under way"),
        (known(release_active=True, decay=heard("decay")), EVERYTHING, "being released"),
        (known(candidate="v2", decay=heard("decay")), EVERYTHING, "v2 is to be released first."),
        (
            known(candidate="v2", candidate_waits_for="an error budget that is not spent", drift=heard("drift")),
            EVERYTHING,
            "v2 is to be released first, which waits for an error budget that is not spent.",
        ),
        (known(release_active=True, interrupted=True, failures=2), EVERYTHING, "being released"),
        (known(decay=heard("decay"), drift=heard("drift")), None, "no retrain policy"),
        (known(decay=heard("decay")), Retrain(on_decay=False), "No signal"),
        (known(drift=heard("drift")), Retrain(), "No signal"),
        (known(labelled=1000, new_labelled=249), Retrain(), "grown by less than 25%"),
        (known(labelled=0, new_labelled=99), Retrain(), "No signal"),
        (known(labelled=1000, new_labelled=900), Retrain(every="90d"), "No signal"),
        (known(labelled=1000, new_labelled=900), Retrain(on_growth=None), "No signal"),
        (known(labelled=1000, new_labelled=250, last_run_at=NOW - HOUR), Retrain(), "cooldown"),
        (
            known(last_run_at=NOW - 5 * HOUR, decay=heard("decay")),
            EVERYTHING,
            "cooldown lasts until 2026-03-02 07:00 UTC",
        ),
        (known(run_starts=(NOW - 30 * HOUR,) * 7, decay=heard("decay")), EVERYTHING, "weekly budget of 7 runs"),
    ],
)
def test_each_reason_to_wait(evidence: RetrainEvidence, policy: Retrain | None, said: str) -> None:
    found = decide_retrain(evidence, policy, NOW)
    assert found.verdict == "wait"
    assert said in found.reasons[0]


def test_a_signal_that_is_held_back_is_still_told() -> None:
    found = decide_retrain(known(last_run_at=NOW - HOUR, decay=heard("decay")), EVERYTHING, NOW)
    assert found.numbers["trigger"] == "decay"
    assert found.reasons[1] == "The decay said alarm."


def test_waiting_for_volume_gives_the_same_reason_row_after_row() -> None:
    """The ledger keeps a decision when its first reason changes; a count in it would write an event a row."""
    reasons = {decide_retrain(known(new_labelled=rows), Retrain(on_rows=100), NOW).reasons[0] for rows in range(100)}
    assert len(reasons) == 1
    full = {decide_retrain(known(new_labelled=rows), Retrain(on_rows=100), NOW).reasons[0] for rows in range(100, 150)}
    assert len(full) == 1


def test_old_runs_do_not_count_against_the_budget() -> None:
    starts = tuple(NOW - timedelta(days=8) for _ in range(20))
    assert decide_retrain(known(run_starts=starts, decay=heard("decay")), EVERYTHING, NOW).verdict == "retrain"


@pytest.mark.parametrize(("failures", "minutes"), [(1, 5), (2, 10), (3, 20), (9, 1280), (10, 1440), (99, 1440)])
def test_failed_runs_back_off(failures: int, minutes: int) -> None:
    """Also for the first version, and shorter than the cooldown: a mended mistake should not cost a day."""
    for has_champion in (True, False):
        last = NOW - timedelta(minutes=minutes) + timedelta(seconds=1)
        early = RetrainEvidence(has_champion=has_champion, last_run_at=last, failures=failures, decay=heard("decay"))
        assert "failed" in decide_retrain(early, EVERYTHING, NOW).reasons[0]
        assert decide_retrain(early, EVERYTHING, NOW + timedelta(seconds=1)).verdict == "retrain"


def test_after_a_decay_each_doubling_of_the_rows_since_the_change_is_worth_a_look() -> None:
    alarm = heard("decay", recent_rows=200)
    decayed = decide_retrain(known(decay=alarm, labelled=9000, new_labelled=900), Retrain(), NOW)
    assert decayed.numbers["changed"] == 200
    early = decide_retrain(known(labelled=9000, changed=200, new_labelled=199), Retrain(), NOW)
    assert early.verdict == "wait"
    again = decide_retrain(known(labelled=9000, changed=200, new_labelled=220), Retrain(), NOW)
    assert (again.verdict, again.numbers["trigger"], again.numbers["changed"]) == ("retrain", "change", 420)
    unasked = decide_retrain(known(labelled=9000, changed=200, new_labelled=900), Retrain(on_growth=None), NOW)
    assert unasked.verdict == "wait"
    # when they are most of what there is, growth is what it always was
    late = decide_retrain(known(labelled=9000, changed=8000, new_labelled=2250), Retrain(), NOW)
    assert "grown by 25%" in late.reasons[0]


def test_a_warning_makes_growth_be_looked_at_sooner() -> None:
    """Before labels tell of a decay, a tenth more of them is worth a look in place of a quarter."""
    warning = heard("warning")
    warned = known(labelled=1000, new_labelled=100, warning=warning)
    decided = decide_retrain(warned, Retrain(), NOW)
    assert (decided.verdict, decided.numbers["trigger"]) == ("retrain", "growth")
    assert decided.reasons == warning.reasons
    assert decide_retrain(replace(warned, new_labelled=99), Retrain(), NOW).verdict == "wait"
    assert decide_retrain(replace(warned, warning=heard("warning", "quiet")), Retrain(), NOW).verdict == "wait"
    for deaf in (Retrain(on_decay=False), Retrain(on_growth=None)):
        assert decide_retrain(warned, deaf, NOW).verdict == "wait"


def test_where_the_last_release_paid_growth_is_looked_at_sooner() -> None:
    """Where its probation proved a gain, 15 % more rows are worth a look in place of 25."""
    paid = heard("rollback", "keep", gain=0.03, p_better=0.02)
    grown = known(labelled=1000, new_labelled=150, probation=paid)
    decided = decide_retrain(grown, Retrain(), NOW)
    assert (decided.verdict, decided.numbers["trigger"]) == ("retrain", "growth")
    assert "grown by 15%" in decided.reasons[0]
    assert (decided.numbers["gain"], decided.numbers["p_better"]) == (0.03, 0.02)
    early = decide_retrain(replace(grown, new_labelled=149), Retrain(), NOW)
    assert (early.verdict, "grown by less than 15%" in early.reasons[0]) == ("wait", True)
    for unproven in (None, heard("rollback", "keep", gain=0.03, p_better=0.3), heard("rollback", "keep")):
        assert decide_retrain(replace(grown, probation=unproven), Retrain(), NOW).verdict == "wait"
    assert decide_retrain(grown, Retrain(on_growth=None), NOW).verdict == "wait"


@pytest.mark.parametrize(
    ("growth", "released", "counts"),
    [
        (0.25, (200, 560, 700), True),
        (0.25, (200, 600, 700, 800), False),  # three of the newest half of 1,150 rows
        (0.25, (575, 600, 700), True),  # the first of them is of the older half
        (0.1, (600, 650, 700, 750, 800, 850), True),
        (0.1, (600, 650, 700, 750, 800, 850, 900), False),
        (4.0, (), True),
        (4.0, (600,), False),  # never none at all
    ],
)
def test_what_the_last_release_brought_counts_as_long_as_versions_are_few(
    growth: float, released: tuple[int, ...], counts: bool
) -> None:
    paid = heard("rollback", "keep", gain=0.03, p_better=0.02)
    evidence = known(labelled=1000, new_labelled=150, probation=paid, released=released)
    found = decide_retrain(evidence, Retrain(on_growth=growth), NOW)
    assert found.numbers["gain"] == (0.03 if counts else None)


@pytest.mark.parametrize(("rejections", "days"), [(0, 1), (1, 2), (2, 4), (3, 8), (50, 32)])
def test_runs_that_gain_nothing_lengthen_the_cooldown(rejections: int, days: int) -> None:
    last = NOW - timedelta(days=days)
    evidence = known(last_run_at=last, rejections=rejections, decay=heard("decay"))
    assert decide_retrain(evidence, EVERYTHING, NOW - timedelta(seconds=1)).verdict == "wait"
    assert decide_retrain(evidence, EVERYTHING, NOW).verdict == "retrain"


def test_a_first_version_that_was_rejected_waits_too() -> None:
    rejected = RetrainEvidence(has_champion=False, last_run_at=NOW - HOUR, rejections=1)
    assert decide_retrain(rejected, None, NOW).verdict == "wait"
    assert decide_retrain(rejected, None, NOW + timedelta(days=3)).numbers["trigger"] == "first"


def test_without_a_cooldown_runs_in_vain_are_not_repeated_at_once() -> None:
    eager = Retrain(every="1d", cooldown="0s")
    vain = RetrainEvidence(has_champion=False, last_run_at=NOW, rejections=1)
    assert decide_retrain(vain, eager, NOW + timedelta(minutes=9)).verdict == "wait"
    assert decide_retrain(vain, eager, NOW + timedelta(minutes=10)).verdict == "retrain"
    assert decide_retrain(known(last_run_at=NOW, decay=heard("decay")), eager, NOW).verdict == "retrain"


@given(
    hours=st.lists(st.integers(1, 12), min_size=1, max_size=120),
    per_week=st.integers(1, 5),
    cooldown=st.integers(0, 72),
    fails=st.lists(st.booleans(), min_size=120, max_size=120),
)
def test_never_a_storm(hours: list[int], per_week: int, cooldown: int, fails: list[bool]) -> None:
    """Every signal always on, asked at random times: no seven days ever hold more runs than the budget."""
    policy = Retrain(every="0s", on_rows=1, on_drift=True, cooldown=timedelta(hours=cooldown), per_week=per_week)
    now, starts, failures = NOW, [], 0
    for step, failed in zip(hours, fails, strict=False):
        now += step * HOUR
        evidence = known(
            last_run_at=starts[-1] if starts else None,
            run_starts=tuple(starts),
            failures=failures,
            decay=heard("decay"),
            drift=heard("drift"),
            new_labelled=1,
        )
        if decide_retrain(evidence, policy, now).verdict == "retrain":
            if starts and not failures:
                assert now - starts[-1] >= timedelta(hours=cooldown)
            starts.append(now)
            failures = failures + 1 if failed else 0
    for start in starts:
        assert sum(start <= other < start + timedelta(days=7) for other in starts) <= per_week


def looked(heard_at: list[set[str]], policy: Retrain) -> list[int]:
    """At which looks a version is made where these signals are heard at the looks after the first, and every run makes
    one."""
    made_at = [0]
    for look, signals in enumerate(heard_at, start=1):
        if look_at(made_at, look, signals, policy).verdict == "retrain":
            made_at.append(look)
    return made_at


def look_at(made_at: list[int], look: int, signals: set[str], policy: Retrain) -> Decision:
    alarms = {name: heard(name) for name in signals - {"growth"}}
    versions = tuple(float(look - each) for each in made_at if each > look - LOOKS)
    grown = 1000 if "growth" in signals else 0
    return decide_retrain(known(versions=versions, labelled=1000, new_labelled=grown, **alarms), policy, NOW)


SIGNALS = st.sets(st.sampled_from(["decay", "drift", "growth"]))


@given(
    heard_at=st.lists(SIGNALS, min_size=19, max_size=70),
    share=st.floats(0.05, 1) | st.just(Retrain().share),
)
def test_versions_are_no_more_than_their_share_of_the_looks(heard_at: list[set[str]], share: float) -> None:
    """Whatever is heard at a look, and though every run makes a version: of no twenty looks in a row have more than the
    share one. The first version counts, so that by default 19 looks after it bring 7 at most, 37 % of what a
    schedule would make that trains at each of them."""
    made_at = looked(heard_at, Retrain(on_drift=True, share=share))
    for last in range(len(heard_at) + 1):
        assert sum(last - LOOKS < each <= last for each in made_at) <= max(1.0, share * LOOKS + 1e-6)
    if share == 0.4:
        assert sum(0 < each < LOOKS for each in made_at) <= 7 <= 0.4 * 19


@given(grown_at=st.lists(st.sampled_from([set(), {"growth"}]), max_size=70))
def test_an_alarm_is_answered_within_eight_looks_whatever_growth_has_made_before(grown_at: list[set[str]]) -> None:
    """Could growth make all versions one after the other, it could be left standing for twelve."""
    made_at = looked(grown_at, Retrain())
    began = len(grown_at) + 1
    assert any(
        look_at(made_at, look, {"decay"}, Retrain()).verdict == "retrain" for look in range(began, began + 8 + 1)
    )


@given(heard_at=st.lists(SIGNALS, min_size=19, max_size=70))
def test_the_first_half_of_the_versions_may_come_one_after_the_other(heard_at: list[set[str]]) -> None:
    policy = Retrain(on_drift=True)
    made_at = looked(heard_at, policy)
    for look, signals in enumerate(heard_at, start=1):
        if signals and sum(look - LOOKS < each < look for each in made_at) <= 4:
            assert look in made_at


def test_growth_leaves_versions_for_alarms() -> None:
    assert looked([{"growth"}] * 19, Retrain()) == [0, 1, 2, 3, 4, 7, 10, 14]
    assert looked([{"growth"}] * 8 + [{"decay"}] * 11, Retrain()) == [0, 1, 2, 3, 4, 7, 9, 10]
    assert looked([{"growth"}] * 5 + [set()] * 7 + [{"decay", "growth"}] * 7, Retrain()) == [0, 1, 2, 3, 4, 13, 14, 15]


def test_the_share_of_the_looks_holds_back_what_signals_ask_for_alone() -> None:
    spent = known(versions=SPENT, labelled=1000, new_labelled=400)
    found = decide_retrain(spent, Retrain(), NOW)
    assert (found.verdict, found.numbers["trigger"]) == ("wait", "growth")
    assert "In 40% of the last 20 looks" in found.reasons[0]
    assert decide_retrain(replace(spent, versions=spent.versions[1:]), Retrain(), NOW).verdict == "retrain"
    for free in (Retrain(share=None), Retrain(on_rows=400), Retrain(every="10d")):
        assert decide_retrain(spent, free, NOW).verdict == "retrain"


@pytest.mark.parametrize(
    ("signal", "ago", "verdict"),
    [
        # Three are left, and 16 looks until the oldest counts no more: spread evenly they come every four.
        ("growth", 2.5, "wait"),
        ("growth", 2.75, "retrain"),
        ("change", 2.5, "wait"),
        ("change", 2.75, "retrain"),
        ("decay", 1.0, "retrain"),
        ("drift", 1.0, "retrain"),
    ],
)
def test_growth_and_change_wait_before_the_last_versions_and_alarms_do_not(
    signal: str, ago: float, verdict: str
) -> None:
    versions = tuple(ago + place for place in (4, 3, 2, 1, 0))
    alarms = {signal: heard(signal)} if signal in ("drift", "decay") else {}
    rows = {"growth": {"new_labelled": 400}, "change": {"new_labelled": 100, "changed": 100}}.get(signal, {})
    found = decide_retrain(known(versions=versions, labelled=1000, **alarms, **rows), Retrain(on_drift=True), NOW)
    assert (found.verdict, found.numbers["trigger"]) == (verdict, signal)
    if verdict == "wait":
        assert found.reasons[0].startswith("Of 8 versions in 20 looks 3 may still be made; they are kept for an alarm")


def test_an_alarm_has_not_to_wait_where_a_run_is_asked_for_anyway() -> None:
    spent = known(versions=(8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0), decay=heard("decay"), new_labelled=100)
    assert decide_retrain(spent, Retrain(), NOW).verdict == "wait"
    for policy in (Retrain(on_rows=100), Retrain(every="10d")):
        found = decide_retrain(spent, policy, NOW)
        assert (found.verdict, found.numbers["trigger"]) == ("retrain", "decay")


SPENT = (19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0)
"""All versions of the usual share."""


@pytest.mark.parametrize(
    ("evidence", "policy"),
    [
        (known(versions=SPENT), Retrain()),
        (known(versions=SPENT, asked_at=NOW - 24 * HOUR), Retrain()),
        (known(run_starts=(NOW - 25 * HOUR,)), Retrain(per_week=1)),
        (known(rejections=3, last_run_at=NOW - 24 * HOUR), Retrain()),
    ],
)
def test_a_decay_that_no_version_may_answer_has_the_earlier_ones_asked(
    evidence: RetrainEvidence, policy: Retrain
) -> None:
    decayed = replace(evidence, earlier=True, decay=heard("decay", recent_rows=120), changed=70)
    found = decide_retrain(decayed, policy, NOW)
    assert (found.verdict, found.numbers["trigger"], found.numbers["changed"]) == ("recourse", "recourse", 120)
    assert found.reasons[0] == "The decay said alarm."
    assert len(found.reasons) == 2, "and why nothing is trained"
    waits = [
        replace(decayed, earlier=False),
        replace(decayed, asked_at=NOW - 23 * HOUR),
        replace(decayed, last_run_at=NOW - 23 * HOUR),
        replace(decayed, candidate="v2"),
        replace(decayed, release_active=True),
        replace(decayed, running=True),
        replace(decayed, paused=True),
    ]
    assert [decide_retrain(each, policy, NOW).verdict for each in waits] == ["wait"] * len(waits)


def test_for_other_signals_earlier_versions_alone_are_never_asked() -> None:
    spent = known(versions=SPENT, earlier=True, labelled=1000, new_labelled=400)
    for each in (spent, replace(spent, drift=heard("drift")), replace(spent, changed=400)):
        assert decide_retrain(each, Retrain(on_drift=True), NOW).verdict == "wait"


@given(hours=st.lists(st.integers(0, 40), min_size=1, max_size=40), cooldown=st.sampled_from([0, 1, 24]))
def test_they_are_asked_once_in_a_cooldown_at_most(hours: list[int], cooldown: int) -> None:
    policy = Retrain(cooldown=timedelta(hours=cooldown), per_week=1)
    asked: list[datetime] = []
    now = NOW
    for hour in hours:
        now += timedelta(minutes=15 * hour)
        last = asked[-1] if asked else None
        standing = known(run_starts=(now,), earlier=True, asked_at=last, decay=heard("decay"))
        if decide_retrain(standing, policy, now).verdict == "recourse":
            asked.append(now)
    least = max(timedelta(hours=cooldown), timedelta(minutes=5))
    assert asked[0] == NOW + timedelta(minutes=15 * hours[0])
    assert all(second - first >= least for first, second in pairwise(asked))


@pytest.mark.parametrize(("made", "few"), [(4, False), (5, True), (8, True)])
def test_a_change_is_sparing_once_more_than_half_of_the_versions_are_made(made: int, few: bool) -> None:
    changed = known(versions=tuple(float(12 + each) for each in range(made)), labelled=1000, changed=100)
    found = decide_retrain(replace(changed, new_labelled=100), Retrain(), NOW)
    assert (found.numbers["trigger"], found.numbers["scarce"]) == ("change", few)
    assert [sparing(signal, found) for signal in ("change", "growth", "decay", "schedule")] == [
        few,
        False,
        False,
        False,
    ]
    assert not sparing("change", None)
    assert decide_retrain(changed, Retrain(share=None), NOW).numbers["scarce"] is False


@pytest.mark.parametrize(
    ("trigger", "changed", "gains"),
    [("growth", 0, True), ("growth", 500, True), ("decay", 99, True), ("decay", 100, False), ("decay", 0, False)]
    + [("change", 99, True), ("change", 100, False)]
    + [(trigger, 50, False) for trigger in ("drift", "schedule", "volume", "first", "manual", None)],
)
def test_who_must_gain(trigger: str | None, changed: int, gains: bool) -> None:
    assert must_gain(trigger, changed) == gains
