"""Judgements of a model: comparisons by size of a metric with a floor or with another model's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from windlass.assessment.facts import Facts, Seen, once
from windlass.assessment.reading.code import Call, Check, Function
from windlass.assessment.words import is_metric, parts_of

DECISIONS = frozenset(
    {
        "promote", "promoted", "promotion", "passed", "passes", "approved", "accept", "accepted", "better",
        "improved", "gate", "blessed", "deploy", "decision", "verdict", "eligible", "deployable", "beats", "wins",
        "qualified", "release",
    }
)  # fmt: skip
RIVALS = frozenset(
    {
        "champion", "challenger", "candidate", "production", "prod", "baseline", "current", "incumbent", "contender",
        "previous", "old", "existing", "reference", "deployed", "champ", "chall",
    }
)  # fmt: skip
ANSWERING = frozenset({"champion", "champ", "production", "incumbent", "deployed"})
"""Rivals that only a release is judged against."""
_CHALLENGING = frozenset({"challenger", "chall", "candidate", "contender"})
"""What is by its name held against one of those: `challenger_cost < champion_cost`."""
FLOORS = frozenset(
    {
        "threshold", "min", "minimum", "floor", "gate", "epsilon", "margin", "max", "tolerance", "required",
        "target", "limit", "acceptance", "thres", "thresh", "cutoff",
    }
)  # fmt: skip
ALLOWED = frozenset({"accepted", "accept", "approved", "promote", "promoted", "passed", "eligible", "blessed"})
_SEARCHING = re.compile(
    r"best_?(score|acc|accuracy|auc|f1|rmse|mae|mse|loss|metric|r2|val|model|params|so_far|cv)|"
    r"patience|epoch|lowest|highest"
)
_INTERVAL = frozenset({"lower", "ci", "uplift", "improvement", "delta", "diff"})
"""How much better one model is than another, or the end of an interval of it."""
JUDGING = frozenset(
    {
        "decide", "promote", "promotion", "gate", "validate", "validation", "compare", "comparison", "should",
        "better", "accept", "evaluate", "judge", "qualify", "check", "verdict", "select",
    }
)  # fmt: skip
_OF_ROWS = frozenset(
    {
        "request", "requests", "batch", "input", "inputs", "data", "dataset", "feature", "features", "schema",
        "payload", "rows", "frame", "df", "columns", "transaction", "transactions", "config",
    }
)  # fmt: skip
"""In the name of a function: what it validates is no model."""


@dataclass(frozen=True)
class Gate:
    """A judgement that a release depends on."""

    seen: Seen
    rival: bool
    """Whether the other side is the model in production."""


def judges(check: Check, function: Function) -> bool:
    """A comparison by size of a metric with a floor or with another model's."""
    if not check.orders:
        return False
    words = check.words
    if of_two_models(words):
        return True
    parts = {part for word in words for part in parts_of(word)}
    name = parts_of(function.name.rpartition(".")[2])
    measured = (
        any(is_metric(word) and not parts_of(word) & FLOORS for word in words)
        or (
            name & JUDGING
            and not name & _OF_ROWS
            and any(is_metric(word) for word in (*function.parameters, *function.words.split("\n")))
        )
        or (parts & ANSWERING and parts & _CHALLENGING)
        or (name & {"promote", "promotion"} and parts & _INTERVAL)
    )
    other = (
        parts & (RIVALS | FLOORS)
        or check.numbers
        or (name & JUDGING and parts & {"diff", "delta", "improvement", "gap"})
        or name & DECISIONS
    )
    searching = any(_SEARCHING.search(word) for word in words) and not (parts & (RIVALS | ALLOWED) or name & DECISIONS)
    return bool(measured and other) and not searching


_NEWER = frozenset({"new", "old", "prev", "previous", "current", "candidate"})


def of_two_models(words: tuple[str, ...]) -> bool:
    """Whether a metric stands beside the same one of another model: `best_f1_new > best_f1`."""
    parts = [parts_of(word) for word in words if is_metric(word)]
    return any(one < other and other - one <= _NEWER for one in parts for other in parts)


def comparisons(function: Function, call: Call | None = None) -> Iterator[Check]:
    """Everything that is compared; of a call, what chose a value that it is given: `stage = "Production" if ...`."""
    yield from function.branches if call is None else ()
    for assigned in function.assigned:
        chosen = call is None or (assigned.line <= call.line and assigned.name in call.values)
        if assigned.orders and chosen:
            yield Check(
                line=assigned.line,
                words=(*assigned.words, assigned.name.lower()),
                orders=True,
                numbers=(1.0,),
                stops=False,
            )


@once
def judging_functions(facts: Facts) -> frozenset[str]:
    """Names of functions that compare metrics and answer what came of it."""
    return frozenset(
        name
        for module, function in facts.functions
        if not module.is_notebook and len(parts_of(name := function.name.rpartition(".")[2])) > 1
        if parts_of(name) & (JUDGING | DECISIONS | {"choose", "pick"})
        and any(judges(each, function) for each in comparisons(function))
    )


def asks(check: Check, function: Function, asked: frozenset[str]) -> bool:
    """Whether a condition asks such a function, or tests a name that holds what one answered."""
    if asked.intersection(check.words):
        return True
    answers = {call.line for call in function.calls if call.last in asked}
    return any(each.name in check.flags and each.line in answers for each in function.assigned)


def gathered(check: Check, function: Function) -> bool:
    """Whether a condition asks a list into which comparisons above it put what falls short: `if failures: raise`."""
    put = [
        call for call in function.calls if call.last == "append" and call.on in check.flags and call.line < check.line
    ]
    above = [each for each in function.branches if each.line < check.line] if put else ()
    measures = any(map(is_metric, function.words.split("\n"))) if put else False
    return any(
        each.line in call.guards and (judges(each, function) or (measures and _is_answer(each)))
        for each in above
        for call in put
    )


def _is_answer(check: Check) -> bool:
    """Whether a condition asks one word for what came of a judgement: `if not passed`."""
    return len(check.flags) == 1 and check.words == (check.flags[0].lower(),) and check.words[0] in ALLOWED


def asks_above(check: Check, function: Function, asked: frozenset[str]) -> bool:
    """Whether a function that compares metrics was asked before a condition on a verdict."""
    return any(call.last in asked and call.line < check.line for call in function.calls)
