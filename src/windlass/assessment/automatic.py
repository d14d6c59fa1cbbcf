"""Training that nobody has to start."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.facts import Facts, Sighting, once
from windlass.assessment.reach.routes import By, Route


@once
def automatic_routes(facts: Facts) -> tuple[tuple[Sighting, Route], ...]:
    """Training calls with each way to them that needs nobody."""
    return tuple(_automatic(facts))


def _automatic(facts: Facts) -> Iterator[tuple[Sighting, Route]]:
    for sighting in facts.training:
        if sighting.module.is_notebook and sighting.by < By.ITSELF:
            continue
        for route in facts.graph.routes(sighting.key):
            if route.by is By.ITSELF and not _is_tried_out(facts, sighting, route):
                yield sighting, route


def _is_tried_out(facts: Facts, sighting: Sighting, route: Route) -> bool:
    """Whether CI only sees that it still runs, an example on each push or a smoke test: nobody gets that model."""
    if route.start.workflow is None:
        return False
    if _SMOKE.search(route.start.evidence.why) or any(_ANSWERS.match(each.why) for each in route.chain[:2]):
        return True
    envs = {each.path for each in route.chain if _OF_TESTS.search(each.path)}
    if envs and any(run.tests and run.path in envs and run.route.start is route.start for run in facts.graph.runs):
        return True  # an environment of tests that trains only to have a model for them
    return not route.start.is_scheduled and any(_EXAMPLES.search(each.path) for each in (*route.chain, sighting.here()))


_OF_TESTS = re.compile(r"(^|/)(tox\.ini|noxfile\.py)$")
_SMOKE = re.compile(r"\bsmoke(\b|_)|\b(test|dummy|fake|ci)[ _-](models?|artifacts?)\b", re.IGNORECASE)
_EXAMPLES = re.compile(r"(^|/)(examples?|tutorials?|docs|demos?|fixtures?)/")
_ANSWERS = re.compile(r"(\w+ run )?(python3? -m )?(streamlit run|uvicorn|gunicorn|flask run|fastapi (run|dev))\b")
"""A job that only sees whether a service starts: what it would train when asked is trained for nobody."""
