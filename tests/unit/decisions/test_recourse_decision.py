from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from windlass.decisions.recourse import ALPHA, RecourseEvidence, decide_recourse, to_be_asked
from windlass.product.policy import Gate


def world(rng: np.random.Generator, rows: int = 400, **skills: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels, and answers that are right about them by so much: 0 not at all, negative ones are wrong."""
    signal = rng.normal(size=rows)
    truth = (rng.random(rows) < 1 / (1 + np.exp(-2 * signal))).astype(int)
    answers = {
        name: 1 / (1 + np.exp(-(2 * skill * signal + 0.5 * rng.normal(size=rows)))) for name, skill in skills.items()
    }
    return truth, answers


def evidence(truth: np.ndarray, answers: dict[str, np.ndarray], **changes: Any) -> RecourseEvidence:
    said = dict(answers)
    return RecourseEvidence(
        kind="binary",
        truth=truth,
        champion=said.pop("champion"),
        candidate=said.pop("candidate", None),
        earlier=said,
        **changes,
    )


def test_a_version_that_is_right_again_is_gone_back_to(rng: np.random.Generator, now: datetime) -> None:
    truth, answers = world(rng, champion=-0.5, candidate=0.1, v1=1.0, v2=0.6, v3=-1.0)
    decision = decide_recourse(evidence(truth, answers), Gate("roc_auc"), now)
    assert (decision.judgement, decision.verdict, decision.numbers["version"]) == ("recourse", "back", "v1")
    assert "v1 is clearly better on the same 400 rows" in decision.reasons[0]
    assert decision.numbers["v1"] > decision.numbers["v2"] > 0.6 > decision.numbers["v3"]
    assert decision.numbers["score_shift"] > 0
    assert decision.numbers["score_gap"] > 0.1


@pytest.mark.parametrize(
    ("answered", "champion", "asked"),
    [
        ((), "v1", ()),
        (("v1",), "v1", ()),
        (("v1", "v2"), "v3", ("v2", "v1")),
        (("v1", "v2", "v3", "v4", "v5"), "v6", ("v5", "v4", "v3", "v1")),
        (("v1", "v2", "v3", "v4"), "v1", ("v4", "v3", "v2")),
        (("v1", "v2", "v3", "v1", "v4"), "v5", ("v4", "v1", "v3")),
        (("v3", "v4", "v5", "v6"), None, ("v6", "v5", "v4", "v3")),
    ],
)
def test_the_last_three_and_the_first_are_asked(
    answered: tuple[str, ...], champion: str | None, asked: tuple[str, ...]
) -> None:
    assert to_be_asked(answered, champion=champion) == asked


@pytest.mark.parametrize(("skill", "verdict"), [(1.5, "forward"), (None, "back"), (0.5, "back")])
def test_of_a_candidate_and_an_earlier_version_the_better_goes_and_of_equals_the_earlier_one(
    skill: float | None, verdict: str, rng: np.random.Generator, now: datetime
) -> None:
    truth, answers = world(rng, rows=4000, champion=-0.5, candidate=skill or 0.0, v1=1.0, v2=0.7)
    if skill is None:
        answers["candidate"] = answers["v1"]
    decision = decide_recourse(evidence(truth, answers), Gate("roc_auc"), now)
    assert (decision.verdict, "as well as the candidate" in decision.reasons[0]) == (verdict, verdict == "forward")
    rejected = {name: said for name, said in answers.items() if name != "candidate"}
    assert decide_recourse(evidence(truth, rejected), Gate("roc_auc"), now).numbers["version"] == "v1"


def test_where_no_earlier_version_is_better_it_goes_forward(rng: np.random.Generator, now: datetime) -> None:
    truth, answers = world(rng, champion=0.6, v1=0.6, v2=0.2)
    decision = decide_recourse(evidence(truth, answers, remarks=("v3 could not be asked.",)), None, now)
    assert decision.verdict == "forward"
    assert decision.reasons == (
        "No earlier version is clearly better than the champion on the same 400 rows.",
        "v3 could not be asked.",
    )


def test_what_misses_the_gates_bounds_is_nothing_to_go_back_to(rng: np.random.Generator, now: datetime) -> None:
    truth, answers = world(rng, champion=-0.5, v1=0.3)
    assert decide_recourse(evidence(truth, answers), Gate("roc_auc", at_least=0.6), now).verdict == "back"
    assert decide_recourse(evidence(truth, answers), Gate("roc_auc", at_least=0.95), now).verdict == "forward"
    assert decide_recourse(evidence(truth, answers), Gate("brier", at_most=0.05), now).verdict == "forward"


@pytest.mark.parametrize("rows", [0, 29])
def test_too_few_rows_tell_nothing(rows: int, rng: np.random.Generator, now: datetime) -> None:
    truth, answers = world(rng, rows, champion=-1.0, v1=1.0)
    decision = decide_recourse(evidence(truth, answers), Gate("roc_auc"), now)
    assert (decision.verdict, f"only {rows} rows can be compared" in decision.reasons[0]) == ("forward", True)


def test_a_proven_gain_that_is_next_to_nothing_is_no_reason(rng: np.random.Generator, now: datetime) -> None:
    truth, answers = world(rng, 20_000, champion=0.5)
    slightly = np.clip(answers["champion"] + 0.002 * (2 * truth - 1), 0, 1)
    found = decide_recourse(evidence(truth, answers | {"v1": slightly}), Gate("brier"), now)
    assert found.verdict == "forward"


def test_numbers_and_several_classes_are_judged_too(rng: np.random.Generator, now: datetime) -> None:
    truth = rng.normal(size=300)
    near, far = truth + 0.1 * rng.normal(size=300), truth + rng.normal(size=300)
    found = RecourseEvidence(kind="regression", truth=truth, champion=far, candidate=None, earlier={"v1": near})
    decision = decide_recourse(found, None, now)
    assert (decision.numbers["version"], decision.numbers["score_scale"] != 1.0) == ("v1", True)
    classes = rng.integers(0, 3, 300)
    right, guessed = np.eye(3)[classes] * 0.7 + 0.1, np.full((300, 3), 1 / 3)
    several = RecourseEvidence(
        kind="multiclass", truth=classes, champion=guessed, candidate=None, earlier={"v1": right}
    )
    assert decide_recourse(several, None, now).numbers["version"] == "v1"


def test_equal_versions_are_seldom_gone_back_to(
    rng: np.random.Generator, now: datetime, plausible: Callable[[int, int, float], bool]
) -> None:
    """Three that are as good as the champion: at most 5 in 100 over all of them."""
    back = 0
    for _ in range(300):
        truth, answers = world(rng, 200, champion=0.5, v1=0.5, v2=0.5, v3=0.5)
        back += decide_recourse(evidence(truth, answers), Gate("brier"), now).verdict == "back"
    assert plausible(back, 300, ALPHA)
