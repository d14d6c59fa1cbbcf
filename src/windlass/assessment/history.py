"""The path of a project: each assessment with its commit and its rules, and what made the difference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from windlass.assessment.interview import FILE as ANSWERS
from windlass.assessment.records import Assessment, State
from windlass.errors import UsageError

FILE = Path(".windlass") / "maturity.jsonl"
_MOST_BYTES = 100_000_000
_IGNORED = "# Made by windlass assess. To share the path of the project: git add -f .windlass/maturity.jsonl\n*\n"
_WITHOUT = "with --no-history nothing is kept or compared"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One assessment, as far as a later one is compared with it."""

    at: str
    commit: str | None
    rules: str
    mode: str
    levels: dict[str, int | None]
    """By model; of a monorepo by the folder of a project and model, and so are the states."""
    states: dict[str, State]
    answers: dict[str, str] = {}
    """What people say of practices in `maturity.yaml`, as far as it counts."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An assessment beside the one before it."""

    now: Kept
    cause: str
    """first, project, interview, interview and project, rules, rules and project, mode, or nothing."""
    better: tuple[str, ...] = ()
    """Practices that are shown better than before, as `id: before -> now`."""
    worse: tuple[str, ...] = ()


def kept(found: Assessment) -> Kept:
    """What is kept of an assessment."""
    parts = {f"{part.path} ": part for part in found.projects} or {"": found}
    return Kept(
        at=found.at,
        commit=found.commit,
        rules=found.rules,
        mode=found.mode,
        levels={f"{where}{name}": score.level for where, part in parts.items() for name, score in part.models.items()},
        states={f"{where}{each.id}": State(each.state) for where, part in parts.items() for each in part.practices},
        answers={
            f"{where}{each.id}": said.why
            for where, part in parts.items()
            for each in part.practices
            for said in (*each.evidence, *each.turned_down)
            if said.path == ANSWERS and said.at
        },
    )


def read_history(root: Path) -> list[Kept]:
    """The oldest first; UsageError names the line that cannot be read, or a link in the way, which is not followed."""
    path = root / FILE
    for place in (path.parent, path):
        if place.is_symlink():
            raise UsageError("a symbolic link, which is not followed", where=str(place), remedy=_WITHOUT)
    if not path.exists():
        return []
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise UsageError(f"no file of at most {_MOST_BYTES // 1_000_000} MB", where=str(path), remedy=_WITHOUT)
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(msgspec.json.decode(line, type=Kept))
        except msgspec.MsgspecError as error:
            raise UsageError(
                f"line {number} is no assessment: {error}",
                where=str(path),
                remedy=f"remove the line, or the file; {_WITHOUT}",
            ) from error
    return found


def keep(root: Path, found: Assessment) -> None:
    """Add an assessment, unless it says the same of the same commit as the last one; OSError if that fails."""
    new, before = kept(found), read_history(root)
    if before and msgspec.structs.replace(before[-1], at=new.at) == new:
        return
    path = root / FILE
    if not path.parent.exists():  # a folder that is there already is the project's own business, and its git's
        path.parent.mkdir()
        (path.parent / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    with path.open("ab") as file:
        file.write(msgspec.json.encode(new) + b"\n")


def changes(history: Sequence[Kept]) -> list[Change]:
    """Each assessment with what differs from the one before, and whether rules or project did it."""
    found: list[Change] = []
    for place, now in enumerate(history):
        if place == 0:
            found.append(Change(now=now, cause="first"))
            continue
        before = history[place - 1]
        moved = [
            (name, before.states[name], state)
            for name, state in now.states.items()
            if before.states.get(name, state) != state
        ]
        ranks = {name: state.rank - old.rank for name, old, state in moved}
        said = {name: f"{name}: {old} -> {state}" for name, old, state in moved}
        found.append(
            Change(
                now=now,
                cause=_cause(before, now, tuple(name for name, _, _ in moved)),
                better=tuple(said[name] for name in said if ranks[name] > 0),
                worse=tuple(said[name] for name in said if ranks[name] < 0),
            )
        )
    return found


def _cause(before: Kept, now: Kept, moved: tuple[str, ...]) -> str:
    if before.rules != now.rules:
        # The same commit under other rules: all that moved is theirs. Otherwise nobody can tell the two apart.
        return "rules" if before.commit is not None and before.commit == now.commit else "rules and project"
    if not moved:
        return "nothing"
    by_people = [name for name in moved if before.answers.get(name) != now.answers.get(name)]
    if by_people:
        return "interview" if len(by_people) == len(moved) else "interview and project"
    return "mode" if before.mode != now.mode and before.commit == now.commit else "project"
