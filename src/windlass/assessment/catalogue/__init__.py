"""What is assessed: the practices and the criteria of the published models, as data."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import msgspec
import yaml

RULES = "40"
"""Version of the rules: raised whenever a change of catalogue or probes may change a state or a level."""


class Detect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a practice shows."""

    repo: tuple[str, ...] = ()
    live: tuple[str, ...] = ()
    interview: str = ""


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What proves a practice, and what only looks like it."""

    strong: str
    weak_or_false: str = ""


class Practice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that a team does."""

    id: str
    title: str
    group: str
    why: str
    detect: Detect
    evidence: Proof
    remediation: tuple[str, ...]
    effort: str

    @property
    def days(self) -> tuple[int, int]:
        """Person-days, at least and at most."""
        return EFFORT_DAYS[self.effort]


EFFORT_DAYS = {"S": (1, 3), "M": (3, 10), "L": (10, 30)}


class Criterion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence of a model."""

    id: str
    model: str
    level: int | None
    dimension: str
    polarity: str
    requirement: str
    criterion: str
    observable: tuple[str, ...]
    detect: str = ""
    practices: tuple[str, ...] = ()
    match: str = "all"
    symptom_of_missing: tuple[str, ...] = ()
    also_at_levels: tuple[int, ...] = ()
    mended: str = ""

    @property
    def is_requirement(self) -> bool:
        return self.polarity == "requirement"

    @property
    def is_core(self) -> bool:
        return self.is_requirement and self.requirement == "core"


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One published maturity model."""

    name: str
    title: str
    publisher: str
    url: str
    levels: dict[int, str]
    signature: dict[int, tuple[str, ...]]

    @property
    def is_levelled(self) -> bool:
        return bool(self.levels)


class Catalogue(msgspec.Struct, frozen=True):
    """All of it."""

    practices: dict[str, Practice]
    models: dict[str, Model]
    criteria: tuple[Criterion, ...]

    def of_model(self, name: str) -> tuple[Criterion, ...]:
        """The criteria of one model."""
        return tuple(criterion for criterion in self.criteria if criterion.model == name)

    def unlocks(self, practice: str) -> tuple[str, ...]:
        """model:level of everything that needs a practice, with a star where it is core."""
        found = {
            f"{each.model}:{each.level}{'*' if each.is_core else ''}"
            for each in self.criteria
            if practice in each.practices and each.level is not None and each.is_requirement
        }
        return tuple(sorted(found))


@cache
def load_catalogue() -> Catalogue:
    """The catalogue of this version; a test holds it whole and free of contradictions."""
    practices = msgspec.convert(_document("practices.yaml")["practices"], tuple[Practice, ...], strict=False)
    criteria = _document("criteria.yaml")
    models = msgspec.convert(criteria["models"], tuple[Model, ...], strict=False)
    return Catalogue(
        practices={practice.id: practice for practice in practices},
        models={model.name: model for model in models},
        criteria=msgspec.convert(criteria["criteria"], tuple[Criterion, ...], strict=False),
    )


def _document(name: str) -> Any:
    text = (resources.files(__name__) / name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (a safe loader, in C)
