"""What no file can show: answers of people, dated and by role, in a YAML file that is reviewed like code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml

from windlass.assessment.catalogue import Catalogue, Practice
from windlass.assessment.reading.yaml import read_yaml
from windlass.assessment.records import Evidence, Finding, State
from windlass.errors import UsageError

FILE = "maturity.yaml"
HOLDS_FOR = timedelta(days=365)
"""After this an answer has to be given again."""
_MOST_LETTERS = 1_000_000
_TOLD_BY_PEOPLE = frozenset({"people", "strategy", "operations"})
_SAID = ("yes", "no", "not-applicable")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said of one practice."""

    practice: str
    answer: str
    """yes, no or not-applicable."""
    role: str
    """Who said it, by role: an answer belongs to a team, not to a name."""
    at: date
    says: str = ""
    link: str = ""
    """An artifact that shows it: a path in the repository, or an address."""


def read_answers(root: Path, catalogue: Catalogue) -> tuple[Answer, ...]:
    """The answers kept in a project; UsageError names the entry that cannot be used."""
    path = root / FILE
    if not path.is_file() or path.is_symlink():
        return ()
    with path.open(encoding="utf-8", errors="replace") as file:
        documents, why = read_yaml(file.read(_MOST_LETTERS))
    if why:
        raise UsageError(f"the answers cannot be read: {why}", where=str(path), remedy="mend the file")
    top = (documents[0] if documents else None) or {}
    entries = top.get("answers", []) if isinstance(top, dict) else None
    if not isinstance(entries, list):
        raise UsageError(
            "it holds no list of answers",
            where=str(path),
            remedy="begin it with `answers:`, and below it one entry for each practice, as --interview writes them",
        )
    return tuple(_answer(entry, number, path, catalogue) for number, entry in enumerate(entries, start=1))


def _answer(entry: Any, number: int, path: Path, catalogue: Catalogue) -> Answer:
    try:
        answer = msgspec.convert(dict(entry) if isinstance(entry, dict) else entry, Answer, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"answer {number} is incomplete: {error}",
            where=str(path),
            remedy="give practice, answer (yes, no, not-applicable), role and at (a date)",
        ) from error
    if answer.practice not in catalogue.practices or answer.answer not in _SAID:
        raise UsageError(
            f"answer {number} says {answer.answer!r} of {answer.practice!r}",
            where=str(path),
            remedy=f"name a practice of the catalogue, and answer {', '.join(_SAID)}",
        )
    return answer


def with_answers(
    findings: Mapping[str, Finding], answers: Iterable[Answer], *, catalogue: Catalogue, root: Path, today: date
) -> dict[str, Finding]:
    """Findings with what people said: alone it declares, with an artifact that is there it counts for more.

    Raises UsageError for an answer of a day that has not come.
    """
    amended = dict(findings)
    for answer in answers:
        if answer.at > today:
            raise UsageError(
                f"the answer on {answer.practice} is of {answer.at}, which has not come",
                where=str(root / FILE),
                remedy="give the day on which it was given",
            )
        if today - answer.at <= HOLDS_FOR:
            amended[answer.practice] = _with(amended[answer.practice], answer, catalogue, root)
    return amended


def _with(finding: Finding, answer: Answer, catalogue: Catalogue, root: Path) -> Finding:
    said = Evidence(path=FILE, why=f"{answer.role} says {answer.answer}: {answer.says}"[:300], at=answer.at.isoformat())
    if answer.answer == "not-applicable":
        if not is_there(answer.link, root):  # or a level would be reached by saying that nothing applies
            alone = msgspec.structs.replace(said, why=f"{said.why} (a link to what shows it is missing)")
            return msgspec.structs.replace(finding, turned_down=(alone, *finding.turned_down))
        return msgspec.structs.replace(finding, state=State.NOT_APPLICABLE, evidence=(said, *finding.evidence))
    if answer.answer == "no":
        state = State.ABSENT if finding.state is State.UNKNOWN else finding.state
        return msgspec.structs.replace(finding, state=state, turned_down=(said, *finding.turned_down))
    state = State.DECLARED
    shown: tuple[Evidence, ...] = (said,)
    if is_there(answer.link, root):
        # For what only people can tell an artifact is the proof; for what code could show it is less than code.
        by_people = catalogue.practices[answer.practice].group in _TOLD_BY_PEOPLE
        state = State.WIRED if by_people else State.PRESENT
        shown = (Evidence(path=answer.link, why="the artifact that was named"), said)
    if state.rank <= finding.state.rank:
        return msgspec.structs.replace(finding, evidence=(*finding.evidence, *shown))
    return msgspec.structs.replace(finding, state=state, evidence=(*shown, *finding.evidence))


def is_there(link: str, root: Path) -> bool:
    """Whether an artifact can be opened: an address is taken as it is, a path has to lie in the project, and to be
    neither all of it nor the answers themselves."""
    if link.startswith(("https://", "http://")):
        return True
    top, place = root.resolve(), (root / link).resolve()
    return place.is_relative_to(top) and place not in (top, top / FILE) and place.exists()


def open_questions(catalogue: Catalogue, findings: Mapping[str, Finding], answers: Sequence[Answer]) -> list[Practice]:
    """The practices that somebody could tell more of: those with a question, not shown, not answered."""
    answered = {answer.practice for answer in answers}
    return [
        practice
        for practice in catalogue.practices.values()
        if practice.detect.interview and practice.id not in answered and not findings[practice.id].state.holds
    ]


def check_answers_can_be_kept(root: Path) -> None:
    """Raise UsageError, before anybody is asked, where writing would follow a link out of the project."""
    path = root / FILE
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UsageError(
            "the answers cannot be kept in what is no file of the project", where=str(path), remedy="remove it"
        )


def write_answers(root: Path, answers: Sequence[Answer]) -> Path:
    """Keep the answers, in order of practice, in a form that is easily reviewed."""
    path = root / FILE
    entries = [_entry(answer) for answer in sorted(answers, key=lambda each: each.practice)]
    text = yaml.safe_dump({"answers": entries}, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(f"# Answers to `windlass assess --interview`. Review them like code.\n{text}", encoding="utf-8")
    return path


def _entry(answer: Answer) -> dict[str, str]:
    entry = {"practice": answer.practice, "answer": answer.answer, "role": answer.role, "at": answer.at.isoformat()}
    return entry | {name: value for name, value in (("says", answer.says), ("link", answer.link)) if value}
