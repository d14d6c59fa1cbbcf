"""Answers of people: what they count for, and what is refused."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from windlass.assessment.catalogue import load_catalogue
from windlass.assessment.interview import (
    FILE,
    HOLDS_FOR,
    Answer,
    open_questions,
    read_answers,
    with_answers,
    write_answers,
)
from windlass.assessment.records import Evidence, Finding, State
from windlass.errors import UsageError

CATALOGUE = load_catalogue()
TODAY = date(2026, 11, 26)
UNKNOWN = {name: Finding(id=name, state=State.UNKNOWN) for name in CATALOGUE.practices}


def answer(practice: str, said: str = "yes", *, link: str = "", at: date = TODAY) -> Answer:
    return Answer(practice=practice, answer=said, role="lead", at=at, link=link, says="so it is")


def state(root: Path, given: Answer, before: State = State.UNKNOWN) -> State:
    findings = UNKNOWN | {given.practice: Finding(id=given.practice, state=before)}
    return with_answers(findings, [given], catalogue=CATALOGUE, root=root, today=TODAY)[given.practice].state


def test_an_answer_alone_declares(tmp_path: Path) -> None:
    assert state(tmp_path, answer("skills-adequate")) is State.DECLARED


def test_with_an_artifact_it_counts_for_more(tmp_path: Path) -> None:
    (tmp_path / "rota.md").write_text("who and when")
    assert state(tmp_path, answer("skills-adequate", link="rota.md")) is State.WIRED
    assert state(tmp_path, answer("skills-adequate", link="gone.md")) is State.DECLARED
    assert state(tmp_path, answer("skills-adequate", link="../outside.md")) is State.DECLARED
    assert state(tmp_path, answer("skills-adequate", link="https://example.org/rota")) is State.WIRED
    # What code would show is not shown by a link to something.
    assert state(tmp_path, answer("service-cd", link="https://example.org/cd")) is State.PRESENT


def test_it_never_takes_away_what_files_show(tmp_path: Path) -> None:
    assert state(tmp_path, answer("service-cd"), State.WIRED) is State.WIRED
    assert state(tmp_path, answer("service-cd", "no"), State.WIRED) is State.WIRED
    assert state(tmp_path, answer("skills-adequate", "no")) is State.ABSENT


@pytest.mark.parametrize("before", [State.UNKNOWN, State.ABSENT, State.PRESENT, State.WIRED])
def test_that_it_does_not_apply_counts_with_an_artifact_alone(tmp_path: Path, before: State) -> None:
    """By saying so of every practice a project would be at any level."""
    (tmp_path / "why.md").write_text("we have one model, and no features to share")
    assert state(tmp_path, answer("feature-consistency", "not-applicable"), before) is before
    linked = answer("feature-consistency", "not-applicable", link="why.md")
    assert state(tmp_path, linked, before) is State.NOT_APPLICABLE


def test_what_says_nothing_is_no_artifact(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("answers: []")
    (tmp_path / "src").mkdir()
    for link in (".", "", FILE, "src/..", f"src/../{FILE}"):
        assert state(tmp_path, answer("skills-adequate", link=link)) is State.DECLARED
    assert state(tmp_path, answer("skills-adequate", link="src")) is State.WIRED


def test_an_answer_of_a_day_that_has_not_come_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"skills-adequate is of 2026-11-27, which has not come"):
        state(tmp_path, answer("skills-adequate", at=TODAY + timedelta(days=1)))


def test_an_old_answer_has_to_be_given_again(tmp_path: Path) -> None:
    assert state(tmp_path, answer("skills-adequate", at=TODAY - HOLDS_FOR)) is State.DECLARED
    assert state(tmp_path, answer("skills-adequate", at=TODAY - HOLDS_FOR - timedelta(days=1))) is State.UNKNOWN


def test_what_is_written_is_read_again_in_order(tmp_path: Path) -> None:
    given = [answer("stakeholder-involvement", "no"), answer("ml-strategy", link="https://example.org")]
    assert write_answers(tmp_path, given) == tmp_path / FILE
    assert list(read_answers(tmp_path, CATALOGUE)) == sorted(given, key=lambda each: each.practice)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("answers: [{practice: ml-strategy}]", "answer 1 is incomplete"),
        ("answers: [{practice: nonsense, answer: 'yes', role: a, at: 2026-01-01}]", "'nonsense'"),
        ("answers: [{practice: ml-strategy, answer: maybe, role: a, at: 2026-01-01}]", "'maybe'"),
        ("answers: [1]", "answer 1 is incomplete"),
        ("answers: [", "cannot be read"),
    ],
)
def test_nonsense_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read_answers(tmp_path, CATALOGUE)
    assert str(tmp_path / FILE) in str(caught.value)


def test_only_what_is_open_is_asked() -> None:
    wired = UNKNOWN | {
        "service-cd": Finding(id="service-cd", state=State.WIRED, evidence=(Evidence(path="x", why="y"),))
    }
    asked = {each.id for each in open_questions(CATALOGUE, wired, [answer("ml-strategy")])}
    assert "service-cd" not in asked
    assert "ml-strategy" not in asked
    assert "skills-adequate" in asked
