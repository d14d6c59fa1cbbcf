"""The page of an assessment: a ladder for each model, a radar of its dimensions, each practice with its evidence."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from windlass.assessment.catalogue import load_catalogue
from windlass.assessment.records import Assessment, Finding, ModelScore, State
from windlass.assessment.report.places import address_of, place_of
from windlass.assessment.score import grounds
from windlass.web.radar import radar

if TYPE_CHECKING:
    from jinja2 import Template

_ORDER = (State.PROVEN, State.WIRED, State.PRESENT, State.DECLARED, State.ABSENT, State.UNKNOWN, State.NOT_APPLICABLE)


def render_maturity(found: Assessment) -> str:
    """One self-contained page as HTML text, also for print. Whatever a file says in it is shown, never run."""
    return _template().render(
        found=found,
        parts=[_part(part) for part in found.projects or (found,)],
        practices=load_catalogue().practices,
        address_of=address_of,
        place_of=place_of,
    )


def _part(found: Assessment) -> dict[str, Any]:
    scores = {name: score for name, score in found.models.items() if score.level is not None}
    return {
        "found": found,
        "models": [_model(name, score, found) for name, score in scores.items()],
        "of": {finding.id: finding for finding in found.practices},
        "states": [(state, _of_state(found, state)) for state in _ORDER if _of_state(found, state)],
        "investments": found.investments[:12],
    }


def _of_state(found: Assessment, state: State) -> list[Finding]:
    return [finding for finding in found.practices if finding.state is state]


def _model(name: str, score: ModelScore, found: Assessment) -> dict[str, Any]:
    catalogue = load_catalogue()
    model = catalogue.models[name]
    states = {finding.id: finding.state for finding in found.practices}
    top = score.next_level if score.next_level is not None else max(model.levels)
    levels = sorted(model.levels)
    assessed = {key: level for key, level in score.dimensions.items() if level is not None}
    return {
        "name": name,
        "title": model.title,
        "publisher": model.publisher,
        "score": score,
        "rungs": [(level, model.levels[level], _rung(level, score)) for level in reversed(levels)],
        "radar": radar(score.dimensions, lowest=levels[0], highest=levels[-1]) if len(assessed) > 2 else None,
        "dimensions": score.dimensions,
        "grounds": grounds(model, catalogue, states, up_to=top, asked="interview" in found.mode),
    }


def _rung(level: int, score: ModelScore) -> str:
    if score.level is not None and level <= score.level:
        return "here" if level == score.level else "held"
    return "touched" if score.touched is not None and level <= score.touched else "open"


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("windlass.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("maturity.html.j2")
