"""How a probe is registered."""

from __future__ import annotations

from collections.abc import Callable

from windlass.assessment.facts import Facts, once
from windlass.assessment.records import Finding

Probe = Callable[[Facts], Finding]
PROBES: dict[str, Probe] = {}
"""By id of the practice."""


def probe(practice: str) -> Callable[[Probe], Probe]:
    """Let the decorated function answer for a practice of the catalogue."""

    def register(function: Probe) -> Probe:
        assert practice not in PROBES, f"{practice} has two probes"
        PROBES[practice] = once(function)
        return PROBES[practice]

    return register
