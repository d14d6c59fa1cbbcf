"""Runs that release, and fail before if a metric is too low."""

from __future__ import annotations

from windlass.assessment.facts import Facts, Seen
from windlass.assessment.probes.judging import (
    ANSWERING,
    DECISIONS,
    FLOORS,
    JUDGING,
    RIVALS,
    Gate,
    asks,
    gathered,
    judges,
    judging_functions,
)
from windlass.assessment.probes.releasing import begins, releases, where_releases_begin
from windlass.assessment.reading.code import Check, Function, Module
from windlass.assessment.records import Evidence
from windlass.assessment.words import is_metric, parts_of


def gates_in_functions(facts: Facts) -> tuple[list[Gate], list[Evidence]]:
    """Steps that fail when a metric is too low on a way that also releases, and those whose error nobody heeds."""
    gates: list[Gate] = []
    down: list[Evidence] = []
    releasing = where_releases_begin(facts)
    asked = judging_functions(facts)
    released: dict[tuple[str, str], int] = {}
    for each in releases(facts) if releasing else ():
        released[each.key] = max(released.get(each.key, 0), each.call.line)
    for module, function in facts.functions if releasing else ():
        for check in (*function.branches, *function.asserts) if not module.is_notebook else ():
            parts = {part for word in check.words for part in parts_of(word)}
            judged = (
                bool(parts & (FLOORS | RIVALS) or set(check.numbers) - {0.0, 1.0}) and judges(check, function)
                if check.orders
                else _is_verdict(function, check) or asks(check, function, asked) or gathered(check, function)
            )
            if not (judged and (check in function.asserts or _fails_at(module, function, check))):
                continue
            key = (module.path, function.name)
            if 0 < released.get(key, 0) < check.line:
                continue  # judged only after it
            if not _leaves(function, check) and not facts.is_heeded(key, check.line):
                why = "its error is caught and only told, so that it stops nothing"
                down.append(Evidence(path=module.path, line=check.line, why=why))
                continue
            told = {part for word in function.words.split("\n") for part in parts_of(word)}
            for route in facts.graph.routes(key):
                if begins(route) in releasing or (parts | told) & ANSWERING:
                    here = Evidence(path=module.path, line=check.line, why="the run fails if the metric is too low")
                    gates.append(Gate(Seen((here, *route.evidence), by=route.by), rival=bool(parts & RIVALS)))
    return gates, down


_VERDICTS = frozenset({"failed", "fail", "passed", "pass", "rejected", "approved", "status", "ok"}) | DECISIONS


def _is_verdict(function: Function, check: Check) -> bool:
    """Whether a condition asks for a verdict that a comparison of metrics gave: `status == "FAILED"`."""
    said = {word for word in check.words if parts_of(word) & _VERDICTS}
    # Also one that was made of it: `failed = [each for each in checks if not each.passed]`.
    made = [each.line for each in function.assigned if each.name.lower() in said and each.line < check.line]
    return any(
        assigned.orders
        and assigned.line < check.line
        and any(map(is_metric, assigned.words))
        and (
            said & set(assigned.words)
            or assigned.name.lower() in check.words
            or any(assigned.line < line for line in made)
        )
        for assigned in function.assigned
    )


def _fails_at(module: Module, function: Function, check: Check) -> bool:
    """Whether a condition leads to an error or to the end of the process: `sys.exit(main())` leaves with its answer."""
    if check.stops and any(_exits_with(each, function.name) for each in module.functions.values()):
        return True
    if check.stops and (_leaves(function, check) or any(0 < line - check.line <= 6 for line in function.raises)):
        return True
    if check.stops and any(check.line in call.guards and call.line in function.raises for call in function.calls):
        return True  # after what it does when all is well: `if score >= floor: save(model) else: raise TooLow()`
    return any(
        call.last == "cancel" and "run" in call.name.lower() and check.line in call.guards for call in function.calls
    )


def _leaves(function: Function, check: Check) -> bool:
    """Whether a condition ends the process, which none who catches errors holds up."""
    return any(0 < each.line - check.line <= 6 for each in function.calls if each.last in ("exit", "SystemExit"))


def _exits_with(function: Function, asked: str) -> bool:
    """`sys.exit(main())`, and `sys.exit(0 if passed else 1)` after `passed = check_gate()`, which its name says."""
    leaves = [call for call in function.calls if call.last in ("exit", "SystemExit")]
    judges = parts_of(asked.rpartition(".")[2]) & (JUDGING | DECISIONS)
    lines = [call.line for call in function.calls if call.name == f":{asked}"] if judges else []
    return any(
        call.args[:1] == (f":{asked}",) or (call.args[:1] == (None,) and any(line <= call.line for line in lines))
        for call in leaves
    )
