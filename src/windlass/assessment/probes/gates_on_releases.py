"""Releases that stand under a condition in code: `if challenger > champion: promote(model)`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.facts import Facts, Seen, Sighting
from windlass.assessment.probes.judging import (
    DECISIONS,
    FLOORS,
    JUDGING,
    RIVALS,
    Gate,
    asks,
    asks_above,
    comparisons,
    gathered,
    judges,
    judging_functions,
)
from windlass.assessment.probes.releasing import MOVES, releases
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import Call, Check, Function, Module
from windlass.assessment.records import Evidence
from windlass.assessment.words import parts_of

_OTHERWISE = re.compile(r"\s*(else|elif|except)\b")


def _overwritten(facts: Facts, module: Module, function: Function, call: Call, flags: tuple[str, ...]) -> int:
    """Line where the flag that guards a call is set to a constant after it was judged, or 0.

    What stands in another branch is its value where nothing was judged: `if champion: ... else: deploy = True`.
    """
    for flag in flags:
        before = [each for each in function.assigned if each.name == flag and each.line < call.line]
        if (
            len(before) >= 2
            and before[-1].constant
            and not before[-2].constant
            and before[-1].line - before[-2].line <= 12
        ):
            between = facts.project.text(module.path).splitlines()[before[-2].line : before[-1].line]
            if not any(map(_OTHERWISE.match, between)):
                return before[-1].line
    return 0


def _is_given_by_hand(facts: Facts, sighting: Sighting, guard: Check) -> bool:
    """Whether all who call a function hand a constant over for the verdict that it asks: `promote(approved=True)`."""
    asked = [flag for flag in guard.flags if flag in sighting.function.parameters]
    callers = facts.callers(sighting.key) if len(asked) == 1 and len(guard.flags) == 1 else ()
    modules, given = facts.project.modules, []
    for caller in callers:
        module, function = modules.by_path[caller[0]], modules.function(caller)
        for call in function.calls:
            if sighting.key in modules.called(call.name, module, function):
                value = call.kwarg(asked[0]) or next(
                    iter(call.args[sighting.function.parameters.index(asked[0]) :]), ""
                )
                written = [each for each in function.assigned if each.name == value]
                given.append(value == "True" or (bool(written) and all(each.constant for each in written)))
    return bool(given) and all(given)


def _guard_of(function: Function, call: Call, asked: frozenset[str]) -> Check | None:
    """The condition that a call stands under, or one above it that would have stopped.

    It compares by itself, or names a decision, or asks one of the functions that compare: `if validate(metrics)`.
    """
    above = [check for check in function.branches if check.line <= call.line]
    under = [check for check in above if check.line in call.guards]
    stopping = [check for check in above if check.stops and check not in under]
    stopping += [check for check in function.asserts if check.line < call.line and judges(check, function)]
    for check in reversed(under + stopping):
        parts = {part for word in check.words for part in parts_of(word) if not parts_of(word) & _OF_NAMES}
        judged = judges(check, function) or asks(check, function, asked) or gathered(check, function)
        if judged or (parts & DECISIONS and not _OF_PEOPLE.intersection(check.words)):
            return check
    chosen = next((check for check in comparisons(function, call) if judges(check, function)), None)
    # `if source == "new"`, after a function was asked which of them is better
    picked = (check for check in under if _NEWCOMERS.intersection(check.words) and asks_above(check, function, asked))
    return chosen or _answered(function, call, asked) or next(picked, None)


_OF_NAMES = frozenset({"metric", "metrics", "name", "names", "key", "keys", "stage", "stages"})
"""In a word: it names what is judged by, or where something goes: `if promotion_metric not in metrics`."""
_OF_PEOPLE = frozenset({"args", "arguments", "opts", "argv", "command", "subcommand", "cmd"})
"""In a condition: what somebody wrote on the command line, which is no verdict."""
_NEWCOMERS = frozenset({"new", "candidate", "challenger"})


def _answered(function: Function, call: Call, asked: frozenset[str]) -> Check | None:
    """What one of these functions answered, where it says to which alias or stage a call moves a model."""
    answers = {each.line: each.last for each in function.calls if each.last in asked and each.line < call.line}
    for assigned in function.assigned if call.last in MOVES else ():
        if assigned.line in answers and assigned.name in call.values:
            return Check(line=assigned.line, words=(assigned.name.lower(), answers[assigned.line].lower()))
    return None


def gates_in_code(facts: Facts) -> tuple[list[Gate], list[Evidence]]:
    """Releases that depend on a comparison of metrics, and those that only seem to."""
    gates: list[Gate] = []
    down: list[Evidence] = []
    judged = list(_judgements(facts))
    asked = judging_functions(facts)
    for sighting in releases(facts):
        module, function, call = sighting.module, sighting.function, sighting.call
        if module.is_notebook:
            continue
        guard = _guard_of(function, call, asked)
        if guard is None:
            down += _late(module, function, call)
            continue
        # What is compared by size is no verdict: without a model in production its score is 0.
        dead = 0 if guard.orders else _overwritten(facts, module, function, call, guard.flags)
        if dead:
            why = "the verdict is overwritten right before it is used"
            down.append(Evidence(path=module.path, line=dead, why=why))
            continue
        if not guard.orders and _is_given_by_hand(facts, sighting, guard):
            why = "the verdict is written down by hand"
            down.append(Evidence(path=module.path, line=guard.line, why=why))
            continue
        here = Evidence(path=module.path, line=guard.line, why=f"{call.last} depends on this condition")
        own = judges(guard, function) or gathered(guard, function)
        basis = None if own else _basis(judged, module)
        if own or basis is not None:
            places = (here, *((basis[0],) if basis is not None else ()), *sighting.seen().evidence)
            parts = {part for word in guard.words for part in parts_of(word)} | (
                basis[1] if basis is not None else set()
            )
            gates.append(Gate(Seen(places, by=sighting.by), bool(parts & RIVALS)))
    return gates, down


def _judgements(facts: Facts) -> Iterator[tuple[Evidence, set[str], By, str]]:
    for module, function in facts.functions:
        if module.is_notebook:
            continue
        for check in comparisons(function):
            if not check.orders:
                continue
            name = parts_of(function.name.rpartition(".")[2])
            parts = {part for word in check.words for part in parts_of(word)}
            if judges(check, function) and (parts & (RIVALS | FLOORS | DECISIONS) or name & (JUDGING | DECISIONS)):
                route = facts.route(module, function)
                words = parts | {part for word in (*function.parameters, function.name) for part in parts_of(word)}
                here = Evidence(
                    path=module.path, line=check.line, why=f"{function.name or 'the script'} compares metrics"
                )
                yield here, words, route.by if route is not None else By.NOBODY, module.path


def _basis(judged: list[tuple[Evidence, set[str], By, str]], module: Module) -> tuple[Evidence, set[str]] | None:
    """The comparison that a decision rests on: one that is reached at least as well."""
    reached = [each for each in judged if each[2] > By.NOBODY]
    best = min(reached, key=lambda each: (not each[1] & RIVALS, each[3] != module.path), default=None)
    return (best[0], best[1]) if best is not None else None


def _late(module: Module, function: Function, call: Call) -> Iterator[Evidence]:
    """A comparison that comes only after the release."""
    for check in function.branches:
        if check.line > call.line and judges(check, function):
            yield Evidence(path=module.path, line=check.line, why=f"judged only after {call.last} in line {call.line}")
            return
