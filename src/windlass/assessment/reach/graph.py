"""Everything that is reached, and the best way to it."""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from dataclasses import replace as replace_start
from functools import cached_property

import msgspec
from msgspec.structs import replace

from windlass.assessment.automation.workflow import Step
from windlass.assessment.modules import Key
from windlass.assessment.project import Project
from windlass.assessment.reach.asked import Leads
from windlass.assessment.reach.aws import aws_rules, function_events
from windlass.assessment.reach.ci import started_by_ci
from windlass.assessment.reach.commands import leads_of
from windlass.assessment.reach.engines import mlflow_entries
from windlass.assessment.reach.entries import Entry, declared_entries, python_entries, service_entries
from windlass.assessment.reach.environment import environment_of
from windlass.assessment.reach.functions import cloud_functions
from windlass.assessment.reach.routes import By, Route, Start
from windlass.assessment.reach.schedulers import scheduled_by_clients
from windlass.assessment.reach.started import compiled_pipelines, may_start, started_by
from windlass.assessment.reading.code import Call, Function, Module
from windlass.assessment.reading.shell import Command
from windlass.assessment.reading.variables import Values
from windlass.assessment.records import Evidence

_MOST_PLACES = 4_000
"""Of one way: beyond, a project is tangled enough to say that it was reached."""
_HANDLERS = frozenset(
    {
        "get", "post", "put", "patch", "delete", "route", "websocket", "api_route", "on_event", "api", "errorhandler",
        "before_first_request", "before_request", "after_request", "middleware",
    }
)  # fmt: skip
_STARTED = frozenset(
    {
        "asset", "op", "job", "graph_asset", "multi_asset", "sensor", "schedule", "task", "command_job", "cron",
        "function", "on_startup", "agent", "timer", "event", "scheduled_job", "trigger", "entrypoint", "cls",
        "shared_task",
    }
)  # fmt: skip
_COMMANDS = frozenset({"command", "callback"})
_WAITS = frozenset(
    {
        "sleep", "brpop", "blpop", "poll", "consume", "recv", "wait", "get_message", "run_pending", "xread",
        "receive_messages",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A command that is run, and the way to it."""

    command: Command
    folder: str
    path: str
    """The file that it stands in."""
    route: Route
    tests: str = ""
    """The test runner that it is, or ""."""
    words: tuple[str, ...] = ()
    """The arguments of what it runs."""
    functions: tuple[Key, ...] = ()
    """What of the project it leads to."""

    @property
    def evidence(self) -> Evidence:
        return Evidence(path=self.path, line=self.command.line, why=self.command.text[:160])


@dataclass(frozen=True)
class Use:
    """An action, task or orb that a CI step calls."""

    step: Step
    route: Route

    @property
    def path(self) -> str:
        return self.route.start.evidence.path


@dataclass
class Graph:
    """What is reached in a project."""

    project: Project
    runs: list[Run] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    visits: dict[Key, list[Route]] = field(default_factory=dict)
    _best: dict[Key, Route | None] = field(default_factory=dict)

    def best(self, key: Key) -> Route | None:
        """The best way to a function outside of tests; None if nothing leads there. Asked of a whole graph only."""
        if key not in self._best:
            self._best[key] = max(
                self.routes(key),
                key=lambda route: (route.by, not route.swallowed, route.start.is_scheduled),
                default=None,
            )
        return self._best[key]

    def routes(self, key: Key) -> list[Route]:
        """Every kind of way to a function outside of tests."""
        return [route for route in self.visits.get(key, ()) if not route.tests]

    @cached_property
    def starts(self) -> list[Start]:
        seen = {id(route.start): route.start for routes in self.visits.values() for route in routes}
        return list(seen.values())


def build_graph(project: Project) -> Graph:
    """Follow everything that starts something, best first."""
    graph = Graph(project)
    walker = _Walker(graph)
    for each in started_by_ci(project):
        swallowed = each.step.swallowed or (each.start.job.swallowed if each.start.job is not None else "")
        if each.step.uses:
            graph.uses.append(Use(each.step, Route(each.start, by=each.start.by, swallowed=swallowed)))
        walker.walk(each.start, each.step.commands, each.folder, swallowed=swallowed)
    entries: list[Entry] = [*python_entries(project), *declared_entries(project), *service_entries(project)]
    entries += [*aws_rules(project), *function_events(project), *cloud_functions(project)]
    entries += scheduled_by_clients(project)
    entries.sort(key=lambda entry: -entry[0].by)
    for start, items in entries:
        walker.walk(start, items, "")
    for start, items in _people(project):
        walker.walk(start, items, "")
    return graph


# -- people ----------------------------------------------------------------------------------------------------------


def _people(project: Project) -> Iterator[Entry]:
    """What a person can run: tasks, scripts, notebooks."""
    for (tool, name), targets in project.targets.items():
        for target in targets:
            yield _person(target.path, target.line, f"{tool} {name}"), target.commands
    for path in project.named("dvc.yaml"):
        yield _person(path, 1, "dvc repro"), (Command(argv=("dvc", "repro"), line=1),)
    for path in project.named("pyproject.toml"):
        if "[tool.kedro]" in project.text(path):
            yield _person(path, 1, "kedro run"), (Command(argv=("kedro", "run"), line=1),)
    for key, line in compiled_pipelines(project):
        yield _person(key[0], line, f"the pipeline {key[1]}, once it is compiled"), (f"{key[0]}:{key[1]}",)
    for path, name, commands in mlflow_entries(project):
        yield _person(path, 1, f"mlflow run -e {name}"), commands
    for path in (*project.named(".sh"), *project.shell_programs):
        yield _person(path, 1, f"bash {path}"), (Command(argv=("bash", path), line=1),)
    yield from _programs(project)


def _programs(project: Project) -> Iterator[Entry]:
    """Scripts and notebooks."""
    imported = _imported(project)
    for module in project.modules:
        if project.modules.is_test(module.path):
            continue
        if module.is_notebook:
            yield _person(module.path, 1, "a notebook that is run by hand"), (f"{module.path}:",)
        elif "<main>" in module.functions or module.path not in imported:
            yield _person(module.path, 1, f"python {module.path}"), (f"{module.path}:", f"{module.path}:<main>")


def _imported(project: Project) -> set[str]:
    return {
        key[0]
        for module in project.modules
        if not project.modules.is_test(module.path)
        for full in module.imports.values()
        if (key := project.modules.find(full, seen_from=module.path)) is not None
    }


def _person(path: str, line: int, why: str) -> Start:
    return Start(by=By.PERSON, kinds=("person",), evidence=Evidence(path=path, line=line, why=why))


def _heeds(function: Function, call: Call) -> bool:
    """Whether a function leaves with what a call answered: `sys.exit(pytest.main())`, or with a name for it."""
    leaves = [each for each in function.calls if each.last in ("exit", "_exit", "SystemExit")]
    kept = any(assigned.line == call.line for assigned in function.assigned)
    return any(call.name in each.args for each in leaves) or (kept and bool(leaves or function.raises))


# -- walking ---------------------------------------------------------------------------------------------------------


_Given = tuple[tuple[str, str], ...]


class _At(msgspec.Struct, frozen=True):
    route: Route
    item: Command | Key
    folder: str = ""
    path: str = ""
    words: tuple[str, ...] = ()
    given: _Given = ()
    """What the way here has put into the environment."""


class _Walker:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.project = graph.project
        self.modules = graph.project.modules
        self.known: dict[tuple[tuple[str, ...], str, str], Leads] = {}
        self.files = {
            posixpath.basename(path) for path in self.project.paths if path.endswith((".py", ".sh", ".ipynb"))
        }
        self.environments: dict[tuple[str, int], Values] = {}

    def _leads(self, command: Command, folder: str) -> Leads:
        key = (command.argv, folder, command.fed)
        if key not in self.known:
            self.known[key] = leads_of(self.project, command, folder)
        return self.known[key]

    def _environment(self, start: Start) -> Values:
        """What a program finds in its environment that begins there."""
        key = (start.evidence.path, start.evidence.line)
        if key not in self.environments:
            self.environments[key] = environment_of(self.project, start)
        return self.environments[key]

    def walk(self, start: Start, items: tuple[Command | str, ...], folder: str, *, swallowed: str = "") -> None:
        route = Route(start, by=start.by, swallowed=swallowed)
        waiting: deque[_At] = deque()
        for item in items:
            if isinstance(item, Command):
                waiting.append(_At(route, item, posixpath.join(folder, item.folder), start.evidence.path))
            else:
                path, _, name = item.rpartition(":")
                module = self.modules.by_path.get(path)
                if module is not None and name in module.functions:
                    waiting.append(_At(route, (path, name)))
        seen: set[tuple[object, ...]] = set()
        while waiting and len(seen) < _MOST_PLACES:
            at = waiting.popleft()
            mark = (
                (at.item.argv, at.folder) if isinstance(at.item, Command) else at.item,
                at.route.tests,
                int(at.route.by),
                at.given,
            )
            if mark in seen:
                continue
            seen.add(mark)
            waiting.extend(self._command(at, at.item) if isinstance(at.item, Command) else self._function(at, at.item))

    def _command(self, at: _At, command: Command) -> Iterator[_At]:
        folder = posixpath.normpath(at.folder).strip(".") if at.folder else ""
        route = replace(at.route, swallowed=at.route.swallowed or command.swallowed)
        leads = self._leads(command, folder)
        if at.path.endswith(".py") and not (folder or leads.functions or leads.commands or leads.tests):
            # Of several files of that name the one beside the program that starts it.
            folder = posixpath.dirname(at.path)
            leads = self._leads(command, folder)
        self.graph.runs.append(Run(command, folder, at.path, route, leads.tests, leads.words, leads.functions))
        if not (leads.functions or leads.commands):
            return
        further = at.route.then(
            Evidence(path=at.path, line=command.line, why=command.text[:160]),
            tests=bool(leads.tests),
            swallowed=command.swallowed,
        )
        given = self._given(at.given, command.given)
        for path, each in leads.commands:
            inner = posixpath.join(folder, each.folder) if each.folder else folder
            yield _At(further, each, inner, path or at.path, given=given)
        for key in leads.functions:
            yield _At(further, key, words=leads.words, given=given)

    def _given(self, before: _Given, own: _Given) -> _Given:
        """What a way puts into the environment, as far as it may name what is to be run."""
        names = [(name, value) for name, value in own if posixpath.basename(value) in self.files]
        return tuple(sorted((dict(before) | dict(names)).items())) if names else before

    def _function(self, at: _At, key: Key) -> Iterator[_At]:
        module = self.modules.by_path.get(key[0])
        function = module.functions.get(key[1]) if module is not None else None
        if module is None or function is None:
            return
        here = Evidence(path=key[0], line=function.line, why=f"{key[1] or 'the file'} runs")
        by = at.route.by
        # What a notebook waits for in a loop is the end of a job, and a person sits before it.
        if (
            function.loops
            and not module.is_notebook
            and by < By.ITSELF
            and _WAITS & {call.last for call in function.calls}
        ):
            by = By.ITSELF
            here = Evidence(path=key[0], line=function.loops, why="a loop without end, which starts it again and again")
        route = at.route.then(here, by=by)
        if by is By.ITSELF and at.route.by is not By.ITSELF:
            route = replace(route, start=replace_start(route.start, kinds=(*route.start.kinds, "loop")))
        self.graph.visits.setdefault(key, []).append(
            replace(route, chain=at.route.chain) if by is at.route.by else route
        )
        compiled = self._compiled(function, module) if "compile" in function.words else ()
        before = self._before_loop(function, module) if by is not at.route.by else ()
        for each in self.modules.edges(key):
            words = at.words if _is_group(self.modules.function(each)) else ()
            onward = (
                at.route if each in before else replace(route, by=min(by, By.PERSON)) if each in compiled else route
            )
            yield _At(onward, each, words=words, given=at.given)
        further = list(self._module(route, module.path)) if key[1] == "" else []
        if _is_group(function):
            further += self._subcommands(route, module.path, at.words)
        for call in function.calls:
            yield from self._started(route, call, module, function, dict(at.given))
        yield from (replace(each, given=at.given) for each in further)

    def _before_loop(self, function: Function, module: Module) -> set[Key]:
        """What a function calls only before its loop without end: that is done once, when somebody starts it."""
        if {"run_pending", "start"} & {call.last for call in function.calls}:
            return set()  # what stands before tells a scheduler or a thread what to do
        keys: tuple[set[Key], set[Key]] = (set(), set())
        for call in function.calls:
            found = self.modules.called(call.name, module, function)
            keys[call.line < function.loops].update(found or self.modules.handed_over(call, module))
        return keys[True] - keys[False]

    def _compiled(self, function: Function, module: Module) -> set[Key]:
        """Pipelines that are only compiled here: somebody has still to run what came of it."""
        return {
            key
            for call in function.calls
            if call.last == "compile" and "Compiler" in call.name
            for key in self.modules.handed_over(call, module)
        }

    def _started(
        self, route: Route, call: Call, module: Module, function: Function, given: dict[str, str]
    ) -> Iterator[_At]:
        """What a call starts, and does not call."""
        path = module.path
        values = self._environment(route.start) if may_start(call.name) else {}
        if given:
            values = {**values, **{name: (value,) for name, value in given.items()}}
        for each in started_by(self.project, call, module, function, values):
            yield _At(route, each, "", path, given=tuple(given.items()))
        if call.name in ("pytest.main", "unittest.main"):
            unread = "" if call.name == "unittest.main" or _heeds(function, call) else "nobody reads what it answers"
            yield _At(route, Command(argv=(call.name.partition(".")[0],), line=call.line, swallowed=unread), "", path)

    def _module(self, route: Route, path: str) -> Iterator[_At]:
        """Importing runs the top of other modules; what is registered there is run by what registers it."""
        module = self.modules.by_path[path]
        for full in dict.fromkeys(module.imports.values()):
            key = self.modules.find(full, seen_from=path)
            if key is not None and key[0] != path:
                yield _At(route, (key[0], ""))
        for name, function in module.functions.items():
            for decorator in function.decorators:
                if decorator.last in _HANDLERS and decorator.name != decorator.last:
                    by = min(route.by, By.REQUEST) if route.by is not By.PERSON else By.PERSON
                    yield _At(replace(route, by=by), (path, name))
                elif decorator.last in _STARTED:
                    yield _At(route, (path, name))
        for owner in module.classes.values():
            if any(
                base.endswith(("FlowSpec", "Task", "Resource", "BentoService", "LitAPI", "MethodView"))
                for base in owner.bases
            ):
                yield from (_At(route, (path, name)) for name in owner.methods.values())

    def _subcommands(self, route: Route, path: str, words: tuple[str, ...]) -> Iterator[_At]:
        """Of a program with several commands the one that is named; of one with a single command that one."""
        module = self.modules.by_path[path]
        commands = {
            name: each
            for name, each in module.functions.items()
            if any(deco.last in _COMMANDS for deco in each.decorators)
        }
        for name, function in commands.items():
            said = next(
                (deco.args[0] for deco in function.decorators if deco.last in _COMMANDS and deco.args and deco.args[0]),
                name,
            )
            if len(commands) == 1 or {said, name.replace("_", "-"), name} & set(words):
                yield _At(route, (path, name))


def _is_group(function: Function) -> bool:
    return any(deco.last in ("group", "callback") for deco in function.decorators) or (
        any(call.last in ("Typer", "app", "cli") for call in function.calls) and function.name in ("", "<main>")
    )
