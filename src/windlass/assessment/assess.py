"""One assessment from beginning to end."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from windlass.assessment.catalogue import RULES, Catalogue, load_catalogue
from windlass.assessment.facts import Facts
from windlass.assessment.kind import Kind, kind_of
from windlass.assessment.plan import investments, recommend
from windlass.assessment.probes import PROBES
from windlass.assessment.products import with_products
from windlass.assessment.project import Project
from windlass.assessment.reading.git import History, is_bare, read_history, repository_of, submodules_in
from windlass.assessment.reading.tree import Limits, Tree
from windlass.assessment.records import Assessment, Finding, ModelScore, State, Target
from windlass.assessment.report.places import pages_of
from windlass.assessment.score import score_model
from windlass.errors import UsageError

Amend = Callable[[Mapping[str, Finding]], Mapping[str, Finding]]
"""What an interview or a live system changes in the findings of the files."""


_TELLING = 12
"""Commits in 90 days from which on an approach changes; of a history that has fewer in all nobody can say."""


def assess(
    path: Path,
    *,
    now: datetime,
    models: Sequence[str] = (),
    target: Target | None = None,
    amendments: Mapping[str, Amend] | None = None,
    approach_changes: bool | None = None,
    limits: Limits | None = None,
) -> Assessment:
    """Assess the project in a folder. Nothing of it is run or imported.

    `models` names those to be scored, all if it is empty; `amendments` are kept by what they rest on (interview, live).
    Raises UsageError if there is no such folder.
    """
    check_folder(path)
    root = path.resolve()
    project = open_project(root, limits=limits)
    with _uncollected():
        return _assess(
            project,
            now=now,
            models=tuple(models),
            target=target,
            amendments=amendments or {},
            approach_changes=approach_changes,
            within=True,
        )


def check_folder(path: Path) -> None:
    """Raise UsageError unless there is a folder with files to assess."""
    if path.is_file():
        raise UsageError(f"{path} is a file", where="PATH", remedy="name the folder of a project")
    if not path.is_dir():
        raise UsageError(f"there is no folder {path}", where="PATH", remedy="name the folder of a project")
    if is_bare(path):
        raise UsageError(
            f"{path} is a bare repository: it has a history and no files",
            where="PATH",
            remedy=f"git clone {path} FOLDER, and assess that folder",
        )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of cycles: a scan makes none, and looking for them takes time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def open_project(root: Path, *, limits: Limits | None = None, part_of: Project | None = None) -> Project:
    """A folder with its history, and the repository around it.

    A part of a project that was opened before shares with it what was read already, and lies in it if nothing marks a
    repository.
    """
    whole = part_of or Project(tree=Tree(root, limits or Limits()))
    limits = whole.tree.limits
    top = repository_of(root) or _marked(root) or whole.root
    inside = root.relative_to(top).as_posix() if top != root else ""
    tree, history = Tree(root, limits), read_history(root)
    if history.lost:
        tree.unread[".git"] = history.lost
    for folder in submodules_in(tree.text(".gitmodules") or "") if ".gitmodules" in tree else ():
        if not any(path.startswith(f"{folder}/") for path in tree.sizes):
            tree.unread[folder] = "a submodule that is not here: `git submodule update --init` brings it"
    return Project(
        tree=tree,
        history=history,
        outer=whole.repository_at(top) if inside else None,
        inside=inside,
        known=part_of.read_in(root.relative_to(part_of.root).as_posix()) if part_of is not None else {},
    )


def _marked(root: Path) -> Path | None:
    """A copy without its history still has the folder in which GitHub keeps its workflows."""
    return next(
        (folder for folder in (root, *list(root.parents)[:4]) if (folder / ".github" / "workflows").is_dir()), None
    )


def _assess(
    project: Project,
    *,
    now: datetime,
    models: tuple[str, ...],
    target: Target | None,
    amendments: Mapping[str, Amend],
    approach_changes: bool | None,
    within: bool,
) -> Assessment:
    catalogue = load_catalogue()
    facts = Facts(project)
    kind = kind_of(facts)
    findings = with_products({name: _find(name, facts) for name in catalogue.practices}, facts)
    for amend in amendments.values():
        findings = amend(findings)
    asked = "interview" in amendments
    scores = _scores(catalogue, findings, kind, models, asked=asked)
    changes = _approach(project.history, facts) if approach_changes is None else approach_changes
    aim = target or recommend(scores, approach_changes=changes)
    parts = kind.projects if within else ()
    return Assessment(
        kind=kind.name,
        kind_why=kind.why,
        name=project.root.name,
        path=project.inside or ".",
        commit=project.history.head,
        rules=RULES,
        mode="+".join(["files", *(["history"] if project.history.commits else []), *amendments]),
        at=now.isoformat(timespec="seconds"),
        practices=tuple(findings[name] for name in catalogue.practices),
        models=scores,
        investments=investments(catalogue, findings, scores, target) if kind.has_level else (),
        target=aim,
        projects=tuple(
            _assess(
                open_project(project.root / folder, part_of=project),
                now=now,
                models=models,
                target=target,
                amendments=amendments,
                approach_changes=approach_changes,
                within=False,
            )
            for folder in parts
        ),
        unread=project.what_was_not_read(),
        files=len(project.tree.sizes),
        source=pages_of(project.history.origin, project.history.head or ""),
    )


def _find(practice: str, facts: Facts) -> Finding:
    probe = PROBES.get(practice)
    return probe(facts) if probe is not None else Finding(id=practice, state=State.UNKNOWN)


def _scores(
    catalogue: Catalogue, findings: Mapping[str, Finding], kind: Kind, models: tuple[str, ...], *, asked: bool
) -> dict[str, ModelScore]:
    states = {name: finding.state for name, finding in findings.items()}
    scores = {}
    for name, model in catalogue.models.items():
        if models and name not in models:
            continue
        score = score_model(model, catalogue, states, asked=asked)
        if not kind.has_level:
            score = ModelScore(
                level=None,
                touched=None,
                completeness=None,
                dimensions=dict.fromkeys(score.dimensions),
                blockers=(),
                names=score.names,
            )
        scores[name] = score
    return scores


def _approach(history: History, facts: Facts) -> bool | None:
    """Whether the approach changes, as far as the commits of the last 90 days of the history tell; None if too few."""
    if len(history.commits) < _TELLING:
        return None
    newest = history.commits[0].at
    recent = [
        commit for commit in history.commits if (newest - commit.at).days <= 90 and "bot" not in commit.author.lower()
    ]
    return len(recent) >= _TELLING and bool(facts.training)
