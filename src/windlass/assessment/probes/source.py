"""The source itself: its history, its reviews, and whether its environment is pinned."""

from __future__ import annotations

import re

from windlass.assessment.facts import Facts, Seen, conclude, seen_run
from windlass.assessment.probes.probe import probe
from windlass.assessment.reach.routes import By
from windlass.assessment.records import Evidence, Finding


@probe("code-in-git")
def code_in_git(facts: Facts) -> Finding:
    """A history of more than one commit over more than a week."""
    history = facts.project.history
    if not history.commits:
        outer = facts.project.outer is not None
        marks = [
            path
            for path in (".gitignore", ".gitattributes", ".github", ".gitlab-ci.yml")
            if any(each == path or each.startswith(f"{path}/") for each in facts.project.paths)
        ]
        declared = [Evidence(path=mark, line=1, why="files of git, without the history") for mark in marks[:2]]
        if declared and [mark.path for mark in declared] == [".gitignore"] and not (outer or history.head):
            return conclude("code-in-git", (), declared=declared)  # templates bring one, whoever keeps the files
        if declared or outer or history.head:
            # A copy without its history: that git is used shows, how well does not.
            places = tuple(declared) or (Evidence(path=".", line=1, why="a folder of a repository"),)
            return conclude("code-in-git", [Seen(places, by=By.REQUEST)])
        return conclude("code-in-git", ())
    count, days = len(history.commits), history.days
    place = Evidence(path=".git", line=1, why=f"{count} commits over {days:.0f} days")
    if count > 1 and days >= 7:
        return conclude("code-in-git", [Seen((place,), by=By.ITSELF)])
    if count > 1:
        return conclude("code-in-git", [Seen((place,), by=By.PERSON)])
    return conclude("code-in-git", (), declared=[place])


@probe("pull-request-review")
def pull_requests(facts: Facts) -> Finding:
    """Changes come by merge requests: merges in the history, and CI that runs on them."""
    history = facts.project.history
    merged = [
        commit
        for commit in history.commits
        if commit.parents > 1 or re.search(r"\(#\d+\)$|^Merge pull request|^Merge branch '.+' into", commit.subject)
    ]
    checks = [
        (flow, trigger)
        for flow in facts.project.workflows
        for trigger in flow.triggers
        if trigger.kind == "pull_request"
    ]
    owners = [path for path in facts.project.paths if path.rpartition("/")[2] == "CODEOWNERS"]
    places = [
        Evidence(path=flow.path, line=trigger.line, why="CI runs on pull requests") for flow, trigger in checks[:1]
    ]
    if history.commits and len(merged) >= max(3, len(history.commits) * 0.2):
        place = Evidence(path=".git", line=1, why=f"{len(merged)} of {len(history.commits)} commits came by a merge")
        return conclude(
            "pull-request-review", [Seen((place, *places), by=By.ITSELF if places or owners else By.PERSON)]
        )
    declared = [*places, *(Evidence(path=path, line=1, why="owners are named") for path in owners)]
    return conclude(
        "pull-request-review",
        [Seen(tuple(declared), by=By.PERSON)] if checks and not history.commits else (),
        declared=declared,
    )


_LOCKS = (
    "uv.lock", "poetry.lock", "pipfile.lock", "conda-lock.yml", "renv.lock", "pdm.lock", "pixi.lock",
    "package-lock.json_",
)  # fmt: skip


def pinned(facts: Facts) -> list[Evidence]:
    """Lock files, and lists of requirements that are exact."""
    found = [
        Evidence(path=path, line=1, why="a lock of the whole environment") for path in facts.project.named(*_LOCKS)
    ]
    for path in facts.project.paths:
        if re.search(r"(^|/)requirements[^/]*\.txt$", path):
            lines = [line for line in facts.project.text(path).splitlines() if re.match(r"\s*[A-Za-z]", line)]
            exact = [line for line in lines if "==" in line or " @ " in line]
            if lines and len(exact) >= 0.9 * len(lines):
                found.append(Evidence(path=path, line=1, why=f"{len(exact)} of {len(lines)} requirements are exact"))
    return found


@probe("dependencies-pinned")
def dependencies_pinned(facts: Facts) -> Finding:
    """The environment is pinned; wired if CI or an image installs from what is pinned."""
    locks = pinned(facts)
    installs = [
        seen_run(run)
        for run in facts.runs(
            lambda argv: (
                argv[0] in ("uv", "poetry", "pipenv", "pdm", "pip", "pixi", "conda-lock", "pip3")
                and bool({"sync", "install"} & set(argv))
            )
        )
    ]
    copied = [
        image
        for image in facts.project.images
        if any("install" in command.text or "sync" in command.text for command in image.builds)
    ]
    names = {place.path.rpartition("/")[2] for place in locks}
    used = [
        each
        for each in installs
        if any(name in each.evidence[0].why for name in names)
        or re.search(
            r"(uv sync|poetry install|pipenv (install|sync)|pdm (install|sync)|pixi install)", each.evidence[0].why
        )
    ]
    by = max((each.by for each in used), default=By.PERSON)
    if by < By.ITSELF and any(
        any(name in command.text for name in names) for image in copied for command in image.builds
    ):
        by = By.REQUEST
    way = max(used, key=lambda each: each.by).evidence[:2] if used else ()
    down = [
        Evidence(path=image.path, line=1, why="the image installs without the lock")
        for image in copied
        if locks
        and not any(
            re.search(r"sync|lock|frozen|poetry|pipenv|" + "|".join(map(re.escape, names)), command.text)
            for command in image.builds
        )
    ]
    return conclude("dependencies-pinned", [Seen((place, *way), by=by) for place in locks], turned_down=down)
