"""The assessment as Markdown: a plan that can be handed over."""

from __future__ import annotations

from collections.abc import Iterator

from windlass.assessment.records import Assessment, Evidence, Investment, ModelScore, State
from windlass.assessment.report.places import address_of

_MOST = 12


def to_markdown(found: Assessment) -> str:
    """Levels, what holds them up, the way up with its scope, and what could not be read."""
    parts = found.projects or (found,)
    lines = [f"# Maturity of {_text(found.name)}", "", _head(found), "", _text(found.kind_why), ""]
    for part in parts:
        if part is not found:
            lines += [f"## {_text(part.path if part.path != '.' else part.name)}", "", _text(part.kind_why), ""]
        lines += [*_levels(part), *_plan(part), *_evidence(part)]
    if found.unread:
        lines += ["## What could not be read", ""]
        lines += [f"- `{_code(each.path)}`: {_text(each.why)}" for each in found.unread[:50]] + [""]
    return "\n".join(lines).rstrip() + "\n"


def _head(found: Assessment) -> str:
    commit = f", commit {found.commit[:12]}" if found.commit else ""
    return f"{found.kind.capitalize()}{commit}, assessed {found.at[:10]} from {found.mode} under rules {found.rules}."


def _levels(found: Assessment) -> Iterator[str]:
    scores = {name: score for name, score in found.models.items() if score.level is not None}
    if not scores:
        return
    yield "## Where it stands"
    yield ""
    yield "| model | level | touched | complete | dimensions | the next level needs |"
    yield "|---|---|---|---|---|---|"
    for name, score in scores.items():
        yield _row(name, score)
    yield ""


def _row(name: str, score: ModelScore) -> str:
    dimensions = ", ".join(
        f"{key} {'not assessed' if level is None else level}" for key, level in score.dimensions.items()
    )
    complete = "-" if score.completeness is None else f"{score.completeness:.0f} %"
    title = score.names.get(str(score.level), "")
    needs = ", ".join(score.blockers) or "-"
    return f"| {name} | {score.level} {_text(title)} | {score.touched} | {complete} | {dimensions} | {needs} |"


def _plan(found: Assessment) -> Iterator[str]:
    if not found.investments:
        return
    yield "## The way up"
    yield ""
    if found.target is not None:
        yield f"Target: **{found.target.model} {found.target.level}**. {_text(found.target.why)}"
        yield ""
    chosen = found.investments[:_MOST]
    least, most = sum(each.days[0] for each in chosen), sum(each.days[1] for each in chosen)
    yield f"The {len(chosen)} investments below come to {least} to {most} person-days, the most rewarding first."
    yield ""
    for number, each in enumerate(chosen, start=1):
        yield from _investment(number, each)


def _investment(number: int, each: Investment) -> Iterator[str]:
    yield f"### {number}. {_text(each.title)}"
    yield ""
    unlocks = f"; needed for {', '.join(each.unlocks)}" if each.unlocks else ""
    yield f"`{each.id}`, {each.state} today; {each.days[0]} to {each.days[1]} person-days{unlocks}."
    yield ""
    yield f"Why: {_text(each.why)}."
    yield ""
    for name, entries in (("Steps", each.steps), ("Deliverables", each.deliverables), ("Done when", each.success)):
        yield f"- {name}: {'; '.join(map(_text, entries))}"
    yield ""


def _evidence(found: Assessment) -> Iterator[str]:
    if all(score.level is None for score in found.models.values()):
        return
    yield "## What was found"
    yield ""
    for state in (State.PROVEN, State.WIRED, State.PRESENT, State.DECLARED):
        here = [finding for finding in found.practices if finding.state is state and finding.evidence]
        if here:
            yield f"### {state.capitalize()}"
            yield ""
            yield from (f"- **{finding.id}**: {_places(found, finding.evidence[:3])}" for finding in here)
            yield ""
    down = [finding for finding in found.practices if finding.turned_down]
    if down:
        yield "### Turned down"
        yield ""
        yield from (f"- **{finding.id}**: {_places(found, finding.turned_down[:3])}" for finding in down)
        yield ""


def _places(found: Assessment, evidence: tuple[Evidence, ...]) -> str:
    return "; ".join(f"{_place(found, each)} {_text(each.why)}" for each in evidence)


def _place(found: Assessment, evidence: Evidence) -> str:
    place = f"`{_code(evidence.path)}:{evidence.line}`"
    address = address_of(found, evidence)
    return f"[{place}](<{address}>)" if address and not set("<>\n") & set(address) else place


def _text(text: str) -> str:
    """What stands in files is shown, not rendered."""
    for letter in "\\`*_[]<>|#":
        text = text.replace(letter, f"\\{letter}")
    return " ".join(text.split())


def _code(text: str) -> str:
    return " ".join(text.replace("`", "'").split())
