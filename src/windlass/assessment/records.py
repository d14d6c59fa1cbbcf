"""What an assessment says: states with their evidence, levels with what blocks them."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class State(StrEnum):
    """How far a practice is shown to be in use."""

    PROVEN = "proven"
    """A live system shows that it happened, and when."""
    WIRED = "wired"
    """An active trigger reaches it."""
    PRESENT = "present"
    """The code is there; nothing that starts by itself reaches it."""
    DECLARED = "declared"
    """A dependency, a sentence or an answer, and no more."""
    ABSENT = "absent"
    NOT_APPLICABLE = "not-applicable"
    UNKNOWN = "unknown"
    """No file can show it, and nobody was asked."""

    @property
    def rank(self) -> int:
        """Larger is better shown; not-applicable and unknown rank as absent."""
        return _RANKS.get(self, 0)

    @property
    def holds(self) -> bool:
        """Whether it satisfies a criterion: wired or better."""
        return self.rank >= _RANKS[State.WIRED]


_RANKS = {State.DECLARED: 1, State.PRESENT: 2, State.WIRED: 3, State.PROVEN: 4}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A place that a reader can open, and what stands there."""

    path: str
    """Relative to what was assessed, with slashes; a URL for what a live system said."""
    line: int = 1
    """From 1; of a notebook, the number of the cell."""
    why: str
    at: str | None = None
    """When it happened, ISO 8601; only of what a live system showed or a person answered."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One practice in one project."""

    id: str
    state: State
    evidence: tuple[Evidence, ...] = ()
    turned_down: tuple[Evidence, ...] = ()
    """What looks like it and is not, each with the reason."""
    by: str = ""
    """Who starts it, at best: itself, request (a service), person or nobody."""


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or a part of one, that could not be read."""

    path: str
    why: str


class ModelScore(msgspec.Struct, frozen=True, kw_only=True):
    """Where a project stands in one published model."""

    level: int | None
    """None where no level is given, as for a template."""
    touched: int | None
    """The highest level of which a signature practice holds, gaps below it or not."""
    completeness: float | None
    """Share of all requirements up to the top level that hold, in per cent."""
    dimensions: dict[str, int | None]
    """None: not assessed."""
    blockers: tuple[str, ...]
    """Practices that the next level still needs."""
    next_level: int | None = None
    names: dict[str, str] = {}
    """What each level is called."""


class Investment(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do, and what it brings."""

    id: str
    title: str
    why: str
    state: State
    steps: tuple[str, ...]
    deliverables: tuple[str, ...]
    success: tuple[str, ...]
    effort: str
    days: tuple[int, int]
    """Person-days, at least and at most."""
    unlocks: tuple[str, ...]
    """model:level, what it is needed for."""
    value: float
    """What it brings over what it costs; the order of the list."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The level that is worth going for, and why."""

    model: str
    level: int
    why: str


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found in one project, or in each project of a repository."""

    kind: str
    kind_why: str
    name: str
    path: str
    commit: str | None
    rules: str
    """Version of the rules: figures compare only under the same one."""
    mode: str
    """files, files+history, +interview, +live: what the claims rest on."""
    at: str
    practices: tuple[Finding, ...]
    models: dict[str, ModelScore]
    investments: tuple[Investment, ...]
    target: Target | None
    projects: tuple[Assessment, ...] = ()
    unread: tuple[Unread, ...] = ()
    files: int = 0
    source: str = ""
    """Address of the files of the commit on the site that hosts them, or "": a path from the top of the repository
    follows it."""

    def finding(self, practice: str) -> Finding:
        """The finding of one practice; KeyError if the catalogue has none of that name."""
        for each in self.practices:
            if each.id == practice:
                return each
        raise KeyError(practice)
