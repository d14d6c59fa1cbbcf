"""The assessment as Markdown: a plan that can be handed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from windlass.assessment.records import Assessment, Evidence, Investment, ModelScore, State, Target
from windlass.assessment.report.places import address_of, place_of

_MOST = 12


def to_markdown(found: Assessment) -> str:
    """Levels, what holds them up, the way up with its scope, and what could not be read."""
    parts = found.projects or (found,)
    lines = [f"# Maturity of {_text(found.name)}", "", _head(found), "", _text(found.kind_why), ""]
    for part in parts:
        if part is not found:
            lines += [f"## {_text(part.path if part.path != '.' else part.name)}", "", _text(part.kind_why), ""]
        sections = [*_levels(part), *_plan(part), *_evidence(part)]
        lines += sections if part is found else [f"#{line}" if line.startswith("##") else line for line in sections]
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
    yield f"The {len(chosen)} investments below come to {_days(chosen)}, the most rewarding first."
    aim = found.target
    needed = [each for each in found.investments if aim is not None and _is_for(aim, each)]
    if aim is not None and needed and len(needed) < len(found.investments):
        names = ", ".join(f"`{each.id}`" for each in needed)
        yield f"{aim.model} {aim.level} needs {len(needed)} of all there are, which come to {_days(needed)}: {names};"
        yield f"`windlass assess --target {aim.model}:{aim.level}` plans these alone."
    yield ""
    for number, each in enumerate(chosen, start=1):
        yield from _investment(number, each)


def _days(investments: Sequence[Investment]) -> str:
    return f"{sum(each.days[0] for each in investments)} to {sum(each.days[1] for each in investments)} person-days"


def _is_for(aim: Target, investment: Investment) -> bool:
    """Whether the core criteria of the target, or of a level below it, ask for it."""
    levels = [each.partition(":")[2] for each in investment.unlocks if each.startswith(f"{aim.model}:")]
    return any(int(level) <= aim.level for level in levels)


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
    place = f"`{_code(place_of(evidence))}`"
    address = address_of(found, evidence)
    return f"[{place}](<{address}>)" if address and not set("<>\n") & set(address) else place


def _text(text: str) -> str:
    """What stands in files is shown, not rendered."""
    for letter in "\\`*_[]<>|#":
        text = text.replace(letter, f"\\{letter}")
    return " ".join(text.split())


def _code(text: str) -> str:
    return " ".join(text.replace("`", "'").split())
