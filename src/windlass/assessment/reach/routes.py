"""How something is reached: from which trigger, and by which way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from windlass.assessment.automation.conditions import may_run
from windlass.assessment.automation.workflow import ACTIVE, Job, Step, Workflow
from windlass.assessment.records import Evidence, State


class By(IntEnum):
    """Who starts it; more is better."""

    NOBODY = 0
    """It lies there."""
    PERSON = 1
    """A command, a button, a notebook."""
    REQUEST = 2
    """A service that answers whoever calls it."""
    ITSELF = 3
    """A CI event, a schedule, a loop that never ends."""

    @property
    def state(self) -> State:
        """What is reached so is in this state; a service that runs is as good as a trigger for what it serves."""
        return State.WIRED if self >= By.REQUEST else State.PRESENT


@dataclass(frozen=True)
class Start:
    """Where a way begins."""

    by: By
    kinds: tuple[str, ...]
    """push, schedule, ...; loop, service, person."""
    evidence: Evidence
    workflow: Workflow | None = None
    job: Job | None = None
    step: Step | None = None
    place: int = 0
    """Number of the step in its job."""

    @property
    def is_scheduled(self) -> bool:
        return bool({"schedule", "loop"} & set(self.kinds))


class Route(msgspec.Struct, frozen=True):
    """A way from a start: the places on it, in order."""

    start: Start
    chain: tuple[Evidence, ...] = ()
    by: By = By.NOBODY
    tests: bool = False
    """It leads through a test runner."""
    swallowed: str = ""
    """Why a failure on it stops nothing, or ""."""

    def then(self, evidence: Evidence, *, tests: bool = False, swallowed: str = "", by: By | None = None) -> Route:
        """One place further. Chains are kept short: the first places and the last ones tell the way."""
        chain = (*self.chain, evidence)
        if len(chain) > 9:
            chain = (*chain[:4], *chain[-5:])
        return Route(
            self.start,
            chain,
            self.by if by is None else by,
            self.tests or tests,
            self.swallowed or swallowed,
        )

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        return (self.start.evidence, *self.chain)


def kinds_of(workflow: Workflow, job: Job, callers: tuple[Workflow, ...]) -> tuple[str, ...]:
    """The kinds of what starts a job."""
    own = job.triggers or workflow.triggers
    kinds = [trigger.kind for trigger in own]
    if "call" in kinds or not kinds:
        kinds += [trigger.kind for caller in callers for trigger in caller.triggers]
    if job.manual:
        return ("dispatch",)
    if workflow.system != "GitHub Actions":
        return tuple(dict.fromkeys(kinds))
    return tuple(dict.fromkeys(kind for kind in kinds if _runs_on(workflow, job, kind, frozenset())))


def _runs_on(workflow: Workflow, job: Job, kind: str, seen: frozenset[str]) -> bool:
    """Whether a job runs on an event: not if it is skipped then, nor if a job that it needs is."""
    if not may_run(job.condition, kind):
        return False
    if re.search(r"\b(always|cancelled|failure)\(", job.condition):
        return True  # whatever became of those that it needs
    needed = [each for each in workflow.jobs if each.name in job.needs and each.name not in seen]
    return all(_runs_on(workflow, each, kind, seen | {job.name}) for each in needed)


def by_of(kinds: tuple[str, ...]) -> By:
    """A job is started by itself if anything but a person can start it."""
    return By.ITSELF if ACTIVE & set(kinds) else By.PERSON
