"""What all probes ask of a project: who calls what, how it is reached, and which of it trains a model."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, TypeVar

import msgspec

from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reach.graph import Graph, Run, Use, build_graph
from windlass.assessment.reach.launches import may_launch
from windlass.assessment.reach.routes import By, Route
from windlass.assessment.reach.started import functions_started, may_start
from windlass.assessment.reading.code import Call, Function, Module
from windlass.assessment.reading.sql import makes_model
from windlass.assessment.records import Evidence, Finding, State
from windlass.assessment.statements import fitting, naming, sql_files
from windlass.assessment.training import is_launch, is_training, may_train


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that was found, and who starts it."""

    evidence: tuple[Evidence, ...]
    by: By = By.NOBODY
    swallowed: str = ""
    route: Route | None = None


class Sighting(msgspec.Struct, frozen=True):
    """A call, where it stands, and the best way to it."""

    module: Module
    function: Function
    call: Call
    route: Route | None

    @property
    def by(self) -> By:
        return self.route.by if self.route is not None else By.NOBODY

    @property
    def key(self) -> Key:
        return self.module.path, self.function.name

    def here(self, why: str = "") -> Evidence:
        shown = self.call.name.lstrip("?:.")
        return Evidence(path=self.module.path, line=self.call.line, why=why or f"{shown}(...)")

    def seen(self, why: str = "") -> Seen:
        way = self.route.evidence if self.route is not None else ()
        return Seen((self.here(why), *way), by=self.by, route=self.route)


Answer = TypeVar("Answer")


Place = tuple[Module, Function, Call]
"""A call and where it stands."""


class _Index:
    """Which functions have calls of a name, with a keyword, with an address; from one pass through all calls."""

    def __init__(self, functions: Sequence[tuple[Module, Function]]) -> None:
        self._functions = functions
        self.by_name: dict[str, list[int]] = {}
        self.by_last: dict[str, list[int]] = {}
        self.by_keyword: dict[str, list[int]] = {}
        self.by_address: dict[str, list[int]] = {}
        for number, (_, function) in enumerate(functions):
            calls = (*function.calls, *function.decorators)
            for name in {call.name for call in calls}:
                self.by_name.setdefault(name, []).append(number)
            for last in {call.last for call in calls}:
                self.by_last.setdefault(last, []).append(number)
            for keyword in {keyword for call in function.calls if call.kwargs for keyword, _ in call.kwargs}:
                self.by_keyword.setdefault(keyword, []).append(number)
            for call in function.calls:
                for value in call.args:
                    if value and (":/" in value or "amazonaws.com" in value):
                        self.by_address.setdefault(value, []).append(number)
                for _, value in call.kwargs:
                    if value and (":/" in value or "amazonaws.com" in value):
                        self.by_address.setdefault(value, []).append(number)
        self.by_top: dict[str, list[str]] = {}
        """First word of a dotted name to the names."""
        for name in self.by_name:
            top, dot, _ = name.partition(".")
            if dot and top not in ("?", "self", ""):
                self.by_top.setdefault(top, []).append(name)

    def functions(self, index: Mapping[str, Sequence[int]], wanted: Iterable[str]) -> Iterator[tuple[Module, Function]]:
        """The functions under some entries of an index, each once and in order."""
        for number in sorted({number for each in wanted for number in index.get(each, ())}):
            yield self._functions[number]


class Facts:
    """Questions that several probes share, each answered once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.answers: dict[Callable[..., Any], Any] = {}
        self._below: dict[tuple[Key, int], tuple[Key, ...]] = {}

    @cached_property
    def graph(self) -> Graph:
        return build_graph(self.project)

    # -- calls -----------------------------------------------------------------------------------------------------
    # A project has many calls, and far fewer names: probes ask for names, and see only the functions that have them.

    @cached_property
    def _index(self) -> _Index:
        return _Index(self.functions)

    def named(self, wanted: Callable[[str], object]) -> Iterator[Place]:
        """Calls outside of tests whose dotted name `wanted` says yes to, in order of the project."""
        names = {name for name in self._index.by_name if wanted(name)}
        for module, function in self._index.functions(self._index.by_name, names):
            for call in function.calls:
                if call.name in names:
                    yield module, function, call

    def given(self, *keywords: str) -> Iterator[Place]:
        """Calls outside of tests that are given one of these keywords."""
        for module, function in self._index.functions(self._index.by_keyword, keywords):
            for call in function.calls:
                if any(call.has(keyword) for keyword in keywords):
                    yield module, function, call

    def addressed(self, pattern: re.Pattern[str]) -> Iterator[Place]:
        """Calls outside of tests that are given an address, such as `s3://bucket` or `models:/name`, like `pattern`."""
        values = {value for value in self._index.by_address if pattern.search(value)}
        for module, function in self._index.functions(self._index.by_address, values):
            for call in function.calls:
                if not values.isdisjoint(call.values):
                    yield module, function, call

    def sight(self, place: Place) -> Sighting:
        """A call with the best way to it."""
        module, function, call = place
        return Sighting(module, function, call, self.route(module, function))

    def calls(self, *names: str, where: Callable[[Call, Module], bool] | None = None) -> Iterator[Sighting]:
        """Calls and decorators outside of tests whose last name is one of `names`."""
        for name in sorted(names):  # in an order that does not change from run to run, as that of a set does
            for module, function in self._index.functions(self._index.by_last, (name,)):
                for call in (*function.calls, *function.decorators):
                    if call.last == name and (where is None or where(call, module)):
                        yield self.sight((module, function, call))

    def calls_into(self, *packages: str) -> Iterator[Sighting]:
        """Calls and decorators outside of tests whose name lies in one of some packages."""
        for package in packages:
            inside = f"{package}."
            names = {
                name for name in self._index.by_top.get(package.partition(".")[0], ()) if f"{name}.".startswith(inside)
            }
            for module, function in self._index.functions(self._index.by_name, names):
                for call in (*function.calls, *function.decorators):
                    if call.name in names:
                        yield self.sight((module, function, call))

    @cached_property
    def functions(self) -> list[tuple[Module, Function]]:
        """All functions outside of tests."""
        return [
            (module, function)
            for module in self.project.modules
            if not self.project.modules.is_test(module.path)
            for function in module.functions.values()
        ]

    @cached_property
    def test_functions(self) -> list[tuple[Module, Function]]:
        """All functions of test files."""
        return [
            (module, function)
            for module in self.project.modules
            if self.project.modules.is_test(module.path)
            for function in module.functions.values()
        ]

    def packages_beside(self, module: Module) -> frozenset[str]:
        """What a test file imports, and the `conftest.py` that hands it its fixtures."""
        beside = self.project.modules.by_path.get(f"{module.path.rpartition('/')[0]}/conftest.py".lstrip("/"))
        return module.packages | (beside.packages if beside is not None else frozenset())

    def route(self, module: Module, function: Function) -> Route | None:
        """The best way to a function."""
        return self.graph.best((module.path, function.name))

    def below(self, key: Key, most: int = 400) -> tuple[Key, ...]:
        """Every function that a function leads to, itself first and the nearest before others."""
        known = self._below.get((key, most))
        if known is None:
            known = self._below[key, most] = tuple(self._down((key,), most))
        return known

    def below_all(self, keys: Iterable[Key]) -> frozenset[Key]:
        """Every function that some functions lead to, and they themselves."""
        return frozenset(self._down(keys, None))

    @cached_property
    def _started(self) -> dict[Key, tuple[Key, ...]]:
        """What functions start and do not call: `subprocess.run(["python", "train.py"])` leads to its main."""
        found: defaultdict[Key, list[Key]] = defaultdict(list)
        launchers = {(module.path, function.name) for module, function, _ in self.named(may_launch)}
        starting = {(module.path, function.name) for module, function, _ in self.named(may_start)}
        for module, function in self.functions if starting else ():
            key = (module.path, function.name)
            if key in starting or not launchers.isdisjoint(self.project.modules.edges(key)):
                for call in function.calls:
                    found[key] += self.started(module, function, call)
        return {key: tuple(keys) for key, keys in found.items()}

    def started(self, module: Module, function: Function, call: Call) -> list[Key]:
        """The functions of the project that a call starts, as a command or by a name, and does not call."""
        return list(functions_started(self.project, call, module, function))

    def edges(self, key: Key) -> tuple[Key, ...]:
        """Every function that a function calls, hands over, or starts as a command."""
        called = self.project.modules.edges(key)
        started = self._started.get(key)
        return (*called, *started) if started else called

    def _down(self, keys: Iterable[Key], most: int | None) -> dict[Key, None]:
        edges = self.edges
        seen: dict[Key, None] = {}
        waiting = deque(keys)
        while waiting and (most is None or len(seen) < most):
            here = waiting.popleft()
            if here not in seen:
                seen[here] = None
                waiting += edges(here)
        return seen

    @cached_property
    def _callers(self) -> dict[Key, list[Key]]:
        modules = self.project.modules
        callers: dict[Key, list[Key]] = {}
        for module in modules:
            for name in module.functions:
                for key in self.edges((module.path, name)):
                    callers.setdefault(key, []).append((module.path, name))
        return callers

    def callers(self, key: Key) -> tuple[Key, ...]:
        """Every function that calls a function, hands it over or holds it in a table, outside of tests."""
        return tuple(each for each in self._callers.get(key, ()) if not self.project.modules.is_test(each[0]))

    def is_heeded(self, key: Key, line: int) -> bool:
        """Whether an error at a line of a function gets out of some way to it: not where all catch it and only tell."""
        if self.project.modules.function(key).loses(line):
            return False
        waiting, seen = [key], {key}
        while waiting:
            here = waiting.pop()
            callers = [caller for caller in self.callers(here) if caller != here]
            if not callers:
                return True
            for caller in callers:
                loses = self.project.modules.function(caller).loses
                if caller not in seen and not all(map(loses, self._lines_of_calls(caller, here))):
                    seen.add(caller)
                    waiting.append(caller)
        return False

    def _lines_of_calls(self, caller: Key, key: Key) -> list[int]:
        """Where a function calls another; where it only hands it over, an error comes out elsewhere."""
        modules = self.project.modules
        module, function = modules.by_path[caller[0]], modules.function(caller)
        return [each.line for each in function.calls if key in modules.called(each.name, module, function)] or [0]

    def above(self, keys: Iterable[Key]) -> frozenset[Key]:
        """Every function that leads to one of some functions, and they themselves."""
        seen = set(keys)
        waiting = list(seen)
        while waiting:
            for caller in self._callers.get(waiting.pop(), ()):
                if caller not in seen:
                    seen.add(caller)
                    waiting.append(caller)
        return frozenset(seen)

    # -- training --------------------------------------------------------------------------------------------------

    @cached_property
    def training(self) -> list[Sighting]:
        """Every call outside of tests that fits a model, or hands training to a platform."""
        modules = self.project.modules
        return [
            self.sight((module, function, call))
            for module, function, call in self.named(may_train)
            if is_training(call, function, module, modules) or is_launch(call)
        ] + [self.sight(place) for place in self._training_in_sql()]

    def _training_in_sql(self) -> Iterator[Place]:
        yield from fitting(self.functions)
        for path, places in self.sql_named.items():
            if makes_model(self.project.text(path)):
                yield from places

    @cached_property
    def sql_named(self) -> Mapping[str, list[Place]]:
        """Each file of SQL that a function names to where it does."""
        return naming(self.functions, sql_files(self.project))

    @cached_property
    def training_keys(self) -> set[Key]:
        return {sighting.key for sighting in self.training}

    @cached_property
    def training_tops(self) -> frozenset[str]:
        """The uppermost folders in which it happens."""
        return frozenset(
            top for each in self.training for top, between, _ in [each.module.path.partition("/")] if between
        )

    @cached_property
    def _training_above(self) -> frozenset[Key]:
        """Every function that leads to training."""
        return self.above(self.training_keys)

    def trains(self, key: Key) -> bool:
        """Whether a function leads to training."""
        return key in self._training_above

    # -- CI --------------------------------------------------------------------------------------------------------

    def runs(self, wanted: Callable[[tuple[str, ...]], bool]) -> Iterator[Run]:
        """Commands that something runs and that `wanted` says yes to."""
        from windlass.assessment.reach.commands import unwrapped

        for run in self.graph.runs:
            argv = unwrapped(run.command.argv)
            if argv and wanted(argv):
                yield run

    def uses(self, *names: str) -> Iterator[Use]:
        """CI steps that call an action, task or orb of one of these names."""
        for use in self.graph.uses:
            called = use.step.uses.lower()
            if called.startswith(names) or called.rpartition("@")[0] in names:
                yield use

    def listed(self, *names: str) -> tuple[Evidence, ...]:
        """Where these distributions are listed as dependencies."""
        return tuple(
            Evidence(path=path, line=line, why=f"{name} is listed as a dependency, which runs nothing")
            for name in names
            if (place := self.project.dependencies.get(name)) is not None
            for path, line in (place,)
        )


def once(question: Callable[[Facts], Answer]) -> Callable[[Facts], Answer]:
    """Let the decorated question be answered once for each project."""

    @wraps(question)
    def ask(facts: Facts) -> Answer:
        if question not in facts.answers:
            facts.answers[question] = question(facts)
        answer: Answer = facts.answers[question]
        return answer

    return ask


def seen_run(run: Run) -> Seen:
    """A command as something found."""
    return Seen((run.evidence, *run.route.evidence), by=run.route.by, swallowed=run.route.swallowed, route=run.route)


def seen_use(use: Use) -> Seen:
    """An action as something found."""
    here = Evidence(path=use.path, line=use.step.line, why=f"uses {use.step.uses}")
    return Seen((here, *use.route.evidence), by=use.route.by, swallowed=use.route.swallowed, route=use.route)


_MOST_EVIDENCE = 12


def conclude(
    practice: str,
    seen: Iterable[Seen],
    *,
    turned_down: Iterable[Evidence] = (),
    declared: Iterable[Evidence] = (),
    wired_from: By = By.REQUEST,
    may_be_wired: bool = True,
) -> Finding:
    """The state that the best of what was found gives.

    Wired if something starts it that is at least `wired_from` and its failure is not swallowed; present if it is there.
    """
    found = sorted(seen, key=lambda each: (-each.by, bool(each.swallowed)))
    down = tuple(dict.fromkeys(turned_down))[:_MOST_EVIDENCE]
    if found:
        wired = [each for each in found if each.by >= wired_from and not each.swallowed] if may_be_wired else []
        swallowed = tuple(
            Evidence(
                path=each.evidence[0].path,
                line=each.evidence[0].line,
                why=f"its failure is swallowed: {each.swallowed}",
            )
            for each in found
            if each.swallowed
        )
        best = wired[0] if wired else found[0]
        places = dict.fromkeys((*best.evidence, *(each.evidence[0] for each in found)))
        return Finding(
            id=practice,
            state=State.WIRED if wired else State.PRESENT,
            evidence=tuple(places)[:_MOST_EVIDENCE],
            turned_down=(*swallowed[:3], *down),
            by=best.by.name.lower(),
        )
    said = tuple(dict.fromkeys(declared))[:_MOST_EVIDENCE]
    return Finding(id=practice, state=State.DECLARED if said else State.ABSENT, evidence=said, turned_down=down)
