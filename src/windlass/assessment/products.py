"""What a product of Windlass's own stands for: a class declares, and what the commands do is known.

Other tools are recognised by the calls that a project makes. A product makes none: `windlass up` extracts, trains,
gates, releases, serves, captures and watches what the class declares, so whoever runs the command runs all of it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from windlass.assessment.facts import Facts, Seen, conclude, once, seen_run
from windlass.assessment.reach.commands import unwrapped
from windlass.assessment.reading.code import Call, Class, Module
from windlass.assessment.records import Evidence, Finding
from windlass.product.policy import Retrain

BASE = "windlass.Product"
_TRAINS = ("up", "train")
_SERVES = ("up", "serve")
_LOOP = ("up",)
_ALWAYS: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    (
        _TRAINS,
        "a run extracts, pins the rows, trains and evaluates as steps, and registers the version with all of it",
        (
            "modular-code", "dev-prod-symmetry", "training-scripted", "training-automated", "pipeline-orchestrated",
            "data-ingestion-automated",
            "data-versioned", "data-lineage", "experiment-tracking", "model-evaluation-automated",
            "model-validation-gate", "champion-challenger", "model-registry", "model-versioned",
            "run-metadata-lineage", "reproducible-training",
        ),
    ),
    (
        _SERVES,
        "the champion of the registry answers over HTTP, is measured, and what it answers and what came true is kept",
        (
            "model-serving", "serve-from-registry", "feature-consistency", "production-data-captured",
            "labels-captured", "service-monitoring",
        ),
    ),
    (
        _LOOP,
        "a version that passed is released by shadow and canary, and the champion is watched and taken back",
        (
            "model-release-automated", "train-serve-linked", "online-experiment", "progressive-rollout",
            "rollback-service-model", "drift-monitoring", "model-performance-monitoring", "incident-automation",
        ),
    ),
)  # fmt: skip
"""Which commands do it, what they do, and the practices that this is."""
_OFF = frozenset({"False", "None", "0"})
_STAND_INS: Mapping[str, tuple[Any, Any]] = {
    "every": ("1d", None),
    "on_rows": (1, None),
    "on_growth": (1.0, None),
    "on_drift": (True, False),
    "on_decay": (True, False),
}
"""Values for what a project says of Retrain, which is read and never run: one that is on, one that is off."""


@dataclass(frozen=True)
class Declared:
    """One product."""

    module: Module
    owner: Class
    policies: Mapping[str, Call]
    """Those that its module declares, by name: Gate, Retrain, ..."""

    def here(self, why: str) -> Evidence:
        return Evidence(path=self.module.path, line=self.owner.line, why=f"{self.owner.name}, a product: {why}")

    def policy(self, name: str) -> Evidence:
        call = self.policies[name]
        return Evidence(path=self.module.path, line=call.line, why=f"{name}({_told(call)}) of {self.owner.name}")


@once
def products(facts: Facts) -> tuple[Declared, ...]:
    """Every class of the project that is a product, outside of tests and notebooks."""
    found = []
    for module in facts.project.modules:
        if module.is_notebook:
            continue
        for owner in module.classes.values():
            if BASE in owner.bases:
                calls = module.functions[""].calls if "" in module.functions else ()
                policies = {call.last: call for call in calls if call.name.startswith("windlass.")}
                found.append(Declared(module, owner, policies))
    return tuple(found)


def with_products(findings: Mapping[str, Finding], facts: Facts) -> Mapping[str, Finding]:
    """The findings, each practice that a product stands for at least in the state that this gives it."""
    amended = dict(findings)
    for product in products(facts):
        for commands, evidence, practices in _claims(facts, product):
            seen = [_seen(evidence, run) for run in _runs(facts, commands)] or [Seen((evidence,))]
            for practice in practices:
                own = conclude(practice, seen)
                if own.state.rank > amended[practice].state.rank:
                    down = (*own.turned_down, *amended[practice].turned_down)
                    amended[practice] = msgspec.structs.replace(own, turned_down=down)
    return amended


def _claims(facts: Facts, product: Declared) -> Iterator[tuple[tuple[str, ...], Evidence, tuple[str, ...]]]:
    for commands, why, practices in _ALWAYS:
        yield commands, product.here(why), practices
    if "Retrain" in product.policies:
        yield _LOOP, product.policy("Retrain"), tuple(_triggers(dict(product.policies["Retrain"].kwargs)))
    for schema in product.module.classes.values():
        if any(base.startswith("pandera.") for base in schema.bases):
            why = f"{schema.name}: rows that break this contract end the run"
            yield _TRAINS, Evidence(path=product.module.path, line=schema.line, why=why), ("data-tests",)
    routes = _alert_routes(facts, product)
    if routes is not None:
        yield _LOOP, routes, ("alerting-on-model",)


def _triggers(said: Mapping[str, str | None]) -> Iterator[str]:
    """What starts a run by these arguments of Retrain: the policy itself says what follows from those not given."""
    given: dict[str, Any] = {
        name: "auto" if said[name] == "auto" else off if said[name] is None or said[name] in _OFF else on
        for name, (on, off) in _STAND_INS.items()
        if name in said
    }
    policy = Retrain(**given)
    if policy.every is not None:
        yield "ct-trigger-schedule"
    if policy.on_rows is not None or policy.on_growth is not None:
        yield "ct-trigger-data"
    if policy.on_drift or policy.on_decay:
        yield from ("ct-trigger-threshold", "closed-loop-retraining")


def _runs(facts: Facts, commands: tuple[str, ...]) -> list[Seen]:
    return [seen_run(run) for run in facts.runs(lambda argv: _command(argv) in commands)]


def _command(argv: tuple[str, ...]) -> str:
    """The command of Windlass that a command line calls, or nothing."""
    words = unwrapped(argv)
    if words[:1] == ("windlass",):
        words = words[1:]
    elif len(words) > 2 and words[0].startswith("python") and words[1:3] == ("-m", "windlass"):
        words = words[3:]
    else:
        return ""
    return next((word for word in words if not word.startswith("-")), "")


def _seen(evidence: Evidence, run: Seen) -> Seen:
    return Seen((evidence, *run.evidence), by=run.by, swallowed=run.swallowed, route=run.route)


def _alert_routes(facts: Facts, product: Declared) -> Evidence | None:
    folder = product.module.path.rpartition("/")[0]
    path = f"{folder}/windlass.toml".lstrip("/")
    if path not in facts.project.tree:
        return None
    text = facts.project.text(path)
    try:
        routes = tomllib.loads(text).get("alerts")
    except tomllib.TOMLDecodeError:
        return None
    if not routes:
        return None
    line = next((place for place, words in enumerate(text.split("\n"), 1) if "alerts" in words), 1)
    return Evidence(path=path, line=line, why="alarms and incidents of the product are sent to people")


def _told(call: Call) -> str:
    return ", ".join(f"{name}={value}" for name, value in call.kwargs if value)[:80]
