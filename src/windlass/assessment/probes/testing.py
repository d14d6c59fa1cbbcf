"""Tests: of the code, the service and the model, and whether CI runs them and listens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from windlass.assessment.facts import Facts, Seen, conclude, once, seen_run, seen_use
from windlass.assessment.probes.languages import PYTHON, language_of, tests_elsewhere
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.serving import scoring_modules
from windlass.assessment.probes.verbs import asks_service
from windlass.assessment.reach.commands import leads_of
from windlass.assessment.reach.failing import tests_gone
from windlass.assessment.reach.graph import Run
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import Check, Function, Module
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import is_metric, parts_of

_ASSERTING = re.compile(
    r"^(assert\w*|raises|warns|fail|expect\w*|assert_frame_equal|approx|ok_|eq_|resource_count_is"
    r"|resource_properties_count_is|has_resource|has_resource_properties|all_resources_properties|has_output"
    r"|template_matches)$"
)
"""Functions of libraries of tests, those of CDK among them, that fail if something is not so."""
_CLIENTS = frozenset({"TestClient", "test_client", "AsyncClient", "ASGITransport", "LiveServer"})
_STUBS = frozenset({"xfail", "skip"})
_MAKES_FROM_TEMPLATE = frozenset({"cookiecutter.main.cookiecutter", "copier.run_copy", "copier.run_auto"})


@dataclass(frozen=True)
class Test:
    """A test function that asserts something about the project's code."""

    module: Module
    function: Function
    line: int
    """Of its first assertion."""

    @property
    def evidence(self) -> Evidence:
        return Evidence(path=self.module.path, line=self.line, why=f"{self.function.name} asserts")


def _is_test(function: Function) -> bool:
    name = function.name.rpartition(".")[2]
    return name.startswith("test") or any(deco.last in ("then", "given", "step") for deco in function.decorators)


def _asserts(facts: Facts, module: Module, function: Function, depth: int = 0) -> int:
    """Line of the first assertion, also one in a helper of the same file."""
    lines = [check.line for check in function.asserts]
    lines += [call.line for call in function.calls if _ASSERTING.match(call.last)]
    if not lines and depth < 2:
        for call in function.calls:
            for key in facts.project.modules.called(call.name, module, function):
                inner = facts.project.modules.by_path[key[0]]
                if ("test" in key[0] or key[0] == module.path) and _asserts(
                    facts, inner, facts.project.modules.function(key), depth + 1
                ):
                    return call.line
    return min(lines, default=0)


@once
def _tops(facts: Facts) -> frozenset[str]:
    return frozenset({"src", *(path.partition("/")[0] for path in facts.project.modules.by_path)})


def _own_imports(facts: Facts, module: Module) -> tuple[bool, list[str]]:
    """Whether a test file uses the project, and which of its imports look like the project's and lead nowhere."""
    used, lost = False, []
    modules = facts.project.modules
    tops = _tops(facts)
    for full, line in module.import_lines.items():
        if modules.find(full, seen_from=module.path) is not None:
            used = True
        elif full.partition(".")[0] in tops and f"{full.partition('.')[0]}.py" not in modules.by_path and line:
            lost.append(full)
    return used, lost


def _fixtures(facts: Facts, module: Module, function: Function) -> Iterator[Module]:
    """Each `conftest.py` above a test that makes one of the fixtures it asks for."""
    folder = module.path.rpartition("/")[0]
    while True:
        beside = facts.project.modules.by_path.get(f"{folder}/conftest.py".lstrip("/"))
        if beside is not None and _made_by(beside) & set(function.parameters):
            yield beside
        if not folder:
            return
        folder = folder.rpartition("/")[0]


def _made_by(module: Module) -> set[str]:
    """The names of its fixtures: those of the functions, or those that they are given."""
    said = (deco.kwarg("name") for each in module.functions.values() for deco in each.decorators)
    return {*module.functions, *(name for name in said if name)}


def _gone(facts: Facts, module: Module) -> str:
    """What a test file takes in at its top from a file that has no such name: none of its tests can start."""
    first = min((each.line for each in module.functions.values() if each.name), default=0)
    tops = (full for full, line in module.import_lines.items() if line < first)
    return next((full for full in tops if facts.project.modules.lacks(full, seen_from=module.path)), "")


def _runs_project(module: Module) -> bool:
    """A test may also run the program, or call the service, or read what the pipeline made."""
    words = {word for function in module.functions.values() for word in function.words.split("\n")}
    names = {call.name for function in module.functions.values() for call in function.calls}
    return bool(
        {
            "subprocess.run",
            "subprocess.check_call",
            "subprocess.check_output",
            "subprocess.call",
            "subprocess.Popen",
            "os.system",
            "requests.get",
            "requests.post",
            "httpx.post",
            "httpx.get",
        }
        & names
        or {"import_module", "run_path", "spec_from_file_location", "joblib", "CliRunner", "DagBag"} & words
        or any(name.endswith((".load_model", ".load_product", "joblib.load", "pickle.load")) for name in names)
        or any(name.startswith("kedro.") and name.endswith("KedroSession.create") for name in names)
        or any(name.endswith((".bake", "cookies.bake")) or name in _MAKES_FROM_TEMPLATE for name in names)
    )


@once
def tests_of(facts: Facts) -> tuple[list[Test], list[Evidence]]:
    """Real tests, and what only looks like one."""
    real: list[Test] = []
    down: list[Evidence] = []
    known: dict[str, tuple[bool, list[str], bool, str]] = {}
    broken: set[str] = set()
    for module, function in facts.test_functions:
        if not _is_test(function):
            continue
        if module.path not in known:
            known[module.path] = (*_own_imports(facts, module), _runs_project(module), _gone(facts, module))
        used, lost, runs, gone = known[module.path]
        here = Evidence(path=module.path, line=function.line, why="")
        line = _asserts(facts, module, function)
        if any(deco.last in _STUBS and not deco.args and not deco.kwargs for deco in function.decorators):
            down.append(_because(here, f"{function.name} is skipped or expected to fail"))
        elif not line:
            down.append(_because(here, f"{function.name} asserts nothing"))
        elif _is_of_kedro(function):
            down.append(_because(here, f"{function.name} is Kedro's own and tests nothing of the project"))
        elif gone:
            down += [_because(here, f"it imports {gone}, which does not exist")] if module.path not in broken else []
            broken.add(module.path)
        elif lost and not used:
            down.append(_because(here, f"it imports {lost[0]}, which does not exist"))
        elif not used and not runs and not _uses_through(facts, module, function):
            down.append(_because(here, f"{function.name} uses nothing of the project"))
        else:
            real.append(Test(module, function, line))
    return real, down


_READS = frozenset({"open", "read_csv", "read_parquet", "read_text", "loadtxt", "load_from_disk"})
_FOLDER_OF_DATA = re.compile(r"^(\./|\.\./)*data(/|$)", re.MULTILINE)


def tests_of_files(facts: Facts) -> list[Test]:
    """Tests of the files of a folder of data, which need nothing of the project's code."""
    found = []
    for module, function in facts.test_functions:
        words = {word for each in module.functions.values() for word in each.words.split("\n")}
        reads = words & _READS and any(map(_FOLDER_OF_DATA.match, words))
        if reads and _is_test(function) and (line := _asserts(facts, module, function)):
            found.append(Test(module, function, line))
    return found


def _is_of_kedro(function: Function) -> bool:
    """Whether a test is one that a new project of Kedro begins with."""
    named = "project_context" in function.parameters and bool(parts_of(function.name) & {"name", "version"})
    return named or "Pipeline contains no nodes" in function.words.split("\n")


def _uses_through(facts: Facts, module: Module, function: Function) -> bool:
    """Whether a test uses the project by a fixture alone."""
    return any(_own_imports(facts, each)[0] for each in _fixtures(facts, module, function))


def _because(evidence: Evidence, why: str) -> Evidence:
    return Evidence(path=evidence.path, line=evidence.line, why=why)


def _behave(facts: Facts) -> Iterator[Evidence]:
    """Scenarios with steps behind them."""
    steps = [
        function
        for module in facts.project.modules
        for function in module.functions.values()
        if any(deco.name.startswith("behave.") for deco in function.decorators)
    ]
    if steps:
        for path in facts.project.named(".feature"):
            yield Evidence(path=path, line=1, why="scenarios that behave runs")


@probe("unit-tests-code")
def unit_tests_code(facts: Facts) -> Finding:
    """A test that asserts something about the project's own code; wired if CI runs it."""
    real, down = tests_of(facts)
    places = [test.evidence for test in real] + [*_behave(facts)]
    places += [each for found in tests_elsewhere(facts).values() for each in found]
    run = max(_test_runs(facts), key=lambda run: (not run.route.swallowed, run.route.by), default=None)
    by = run.route.by if run is not None else By.NOBODY
    way = seen_run(run).evidence if run is not None and places else ()
    seen = [Seen((place, *way) if number == 0 else (place,), by=by) for number, place in enumerate(places[:8])]
    return conclude(
        "unit-tests-code", seen, turned_down=down, declared=facts.listed("pytest") if down else (), wired_from=By.ITSELF
    )


def _test_runs(facts: Facts) -> Iterator[Run]:
    """Runs of a test runner whose language has tests here."""
    tested = _tested(facts)
    runs = (run for run in facts.graph.runs if run.tests not in ("", "locust"))
    yield from (run for run in runs if language_of(run.tests) in tested)


@once
def _tested(facts: Facts) -> frozenset[str]:
    """The languages in which there are tests."""
    own = (PYTHON,) if tests_of(facts)[0] or any(_behave(facts)) else ()
    return frozenset((*own, *tests_elsewhere(facts)))


@probe("tests-in-ci")
def tests_in_ci(facts: Facts) -> Finding:
    """CI runs tests that exist, and its job fails with them."""
    runs = [run for run in _test_runs(facts) if run.route.start.workflow is not None]
    down = [
        _because(run.evidence, "there is no test with an assertion for it to run")
        for run in facts.graph.runs
        if run.route.start.workflow is not None and run.tests and language_of(run.tests) not in _tested(facts)
    ]
    for flow in facts.project.workflows:
        for step in (step for job in flow.jobs for step in job.steps):
            for command in tests_gone(facts.project, flow, step):
                why = f"{command.text[:60]}: there is no such place, so that it fails and nothing after it runs"
                down.append(Evidence(path=flow.path, line=command.line, why=why))
    for flow in facts.project.idle_workflows:
        for job in flow.jobs:
            if any(leads_of(facts.project, command, "").tests for step in job.steps for command in step.commands):
                down.append(Evidence(path=flow.path, line=job.line, why="a workflow that lies where nothing runs it"))
    by_hand = [run for run in runs if run.route.by < By.ITSELF]
    down += [_because(run.evidence, "only a person starts this workflow") for run in by_hand]
    seen = [seen_run(run) for run in runs]
    if "R" in _tested(facts):
        seen += [seen_use(use) for use in facts.uses("r-lib/actions/check-r-package")]
    return conclude("tests-in-ci", seen, turned_down=down, wired_from=By.ITSELF)


@probe("integration-tests-service")
def integration_tests_service(facts: Facts) -> Finding:
    """Tests, or a CI step, that call the service."""
    real, _ = tests_of(facts)
    run = max(_test_runs(facts), key=lambda run: (not run.route.swallowed, run.route.by), default=None)
    by = run.route.by if run is not None and not run.route.swallowed else By.NOBODY
    seen = []
    for test in real:
        calls = {call.last for call in test.function.calls} | {
            call.last for function in test.module.functions.values() for call in function.calls
        }
        if calls & _CLIENTS or any(call.name.startswith(("requests.", "httpx.")) for call in test.function.calls):
            seen.append(Seen((_because(test.evidence, f"{test.function.name} calls the service"),), by=by))
    for each in facts.runs(asks_service):
        if each.route.start.workflow is not None:
            seen.append(seen_run(each))
    echoes = [
        run.evidence
        for run in facts.runs(lambda argv: argv[0] == "echo" and any("test" in word.lower() for word in argv[1:]))
        if run.route.start.workflow is not None
    ]
    down = [_because(place, "a step that only says so") for place in echoes]
    return conclude("integration-tests-service", seen, turned_down=down, wired_from=By.ITSELF)


def _loads_model(module: Module, function: Function, facts: Facts) -> bool:
    for key in facts.below((module.path, function.name), most=40):
        inner = facts.project.modules.by_path[key[0]].functions.get(key[1])
        if inner is not None and any(
            call.last in ("load_model", "load_from_checkpoint", "InferenceSession", "load_pipeline", "load_artifact")
            or call.name in ("joblib.load", "pickle.load", "torch.load", "cloudpickle.load")
            for call in inner.calls
        ):
            return True
    return False


@probe("integration-tests-model")
def integration_tests_model(facts: Facts) -> Finding:
    """Tests that load a model as it was saved and try it."""
    real, _ = tests_of(facts)
    run = max(_test_runs(facts), key=lambda run: (not run.route.swallowed, run.route.by), default=None)
    by = run.route.by if run is not None and not run.route.swallowed else By.NOBODY
    seen = [
        Seen((_because(test.evidence, f"{test.function.name} tries a saved model"),), by=by)
        for test in real
        if _loads_model(test.module, test.function, facts)
    ]
    return conclude("integration-tests-model", seen, wired_from=By.ITSELF)


_BEHAVIOURS = frozenset({"invariance", "invariant", "directional", "monotonic", "monotonicity"})
"""What is only said of a model, so that equal answers are such an assertion too."""
_BEHAVIOUR = frozenset(
    {
        "invariance", "directional", "monotonic", "monotonicity", "invariant", "robustness", "fairness", "slice",
        "bias", "latency", "benchmark",
    }
)  # fmt: skip


_DIRECTIONS = frozenset({"higher", "lower", "increases", "decreases", "rises", "falls", "raises", "lowers", "reduces"})
"""How the answers of a saved model to two rows must differ: `test_higher_rate_scores_higher`."""


@probe("model-quality-tests")
def model_quality_tests(facts: Facts) -> Finding:
    """Tests that assert how good a model is, or how it behaves."""
    real, _ = tests_of(facts)
    run = max(_test_runs(facts), key=lambda run: (not run.route.swallowed, run.route.by), default=None)
    by = run.route.by if run is not None and not run.route.swallowed else By.NOBODY
    seen = []
    for test in real:
        name = set(re.split(r"[_.]", test.function.name.lower()))
        for check in test.function.asserts:
            if any(_CHECKS.search(call.name) for call in test.function.calls):
                here = Evidence(path=test.module.path, line=check.line, why="an assertion on a check of the model")
                seen.append(Seen((here,), by=by))
                break
            if _is_floor(check) and _about_a_model(test):
                seen.append(
                    Seen(
                        (Evidence(path=test.module.path, line=check.line, why="an assertion on a metric of a model"),),
                        by=by,
                    )
                )
                break
            if _CLOSE & set(check.words) and _answers_itself(facts, test):
                here = Evidence(
                    path=test.module.path, line=check.line, why="the answers of the model as they were kept"
                )
                seen.append(Seen((here,), by=by))
                break
            said = name | set(test.function.parameters)
            bound = check.orders and check.numbers != (0.0,)  # that a latency is above nothing is no bound
            of_two = check.orders and name & _DIRECTIONS and _loads_model(test.module, test.function, facts)
            if (of_two or said & _BEHAVIOURS or (bound and said & _BEHAVIOUR)) and _predicts(test):
                seen.append(
                    Seen(
                        (Evidence(path=test.module.path, line=check.line, why="an assertion on how a model behaves"),),
                        by=by,
                    )
                )
                break
    seen += _scripts_of_ci(facts)
    for test in _known_cases(facts):
        here = Evidence(path=test.module.path, line=test.line, why="the answer of the running service to a known case")
        seen.append(Seen((here,), by=by))
    for test in _tests_of_metrics(facts):
        here = Evidence(path=test.module.path, line=test.line, why="an assertion on the metrics that a run has written")
        seen.append(Seen((here,), by=by))
    seen += [facts.sight(place).seen("a suite of tests of the model") for place in facts.named(_SUITES.search)]
    return conclude("model-quality-tests", seen, wired_from=By.ITSELF)


def _scripts_of_ci(facts: Facts) -> Iterator[Seen]:
    """Scripts of CI that are named tests, measure the model that was trained, and fail below a floor."""
    for module in facts.project.modules:
        named = parts_of(module.path.rpartition("/")[2]) & {"test", "tests"} and not module.is_notebook
        for function in map(module.functions.get, ("", "<main>", "main")) if named else ():
            asks = function is not None and any(
                each.last in ("evaluate", "score", "predict") for each in function.calls
            )
            for check in function.branches if function is not None and asks else ():
                routes = facts.graph.visits.get((module.path, function.name), ()) if function is not None else ()
                route = next((each for each in routes if each.start.workflow is not None and not each.swallowed), None)
                ends = function is not None and any(0 < line - check.line <= 4 for line in function.raises)
                if route is not None and ends and _is_floor(check):
                    here = Evidence(path=module.path, line=check.line, why="a job fails if the model is too bad")
                    yield Seen((here, *route.evidence), by=route.by)


_KNOWN_ANSWER = re.compile(
    r"^\s*assert\s+(?!len\(|isinstance\(|type\()[^#=<>!]*\b(?:predict(?:ion|ions|ed)?|labels?|class|species|sentiment)\b"
    r"[^#=<>!(]*==\s*(?:-?\d+(?:\.\d+)?|\"[^\"]+\"|'[^']+')\s*(?:,|$|#)",
    re.IGNORECASE,
)
"""An assertion that an answer is one value: `assert answer["prediction"] == "setosa"`."""


_IMITATIONS = frozenset({"mock", "magicmock", "patch", "monkeypatch", "mocker"})


def _imitates(module: Module) -> bool:
    """Whether a file of tests puts something in the place of what it tests."""
    words = (word for each in module.functions.values() for word in each.words.split("\n"))
    return any(parts_of(word) & _IMITATIONS for word in words)


_LONGEST_LINE = 300


def _known_cases(facts: Facts) -> Iterator[Test]:
    """Tests that send a running service a case and hold its answer to the one that is known; nothing is imitated."""
    for module, function in facts.test_functions:
        asks = any(each.last == "post" and each.name.startswith(("requests.", "httpx.")) for each in function.calls)
        if not asks or _imitates(module) or not _is_test(function):
            continue
        lines = facts.project.text(module.path).splitlines()
        for check in function.asserts:
            line = lines[check.line - 1] if check.line <= len(lines) else ""
            if _KNOWN_ANSWER.match(line[:_LONGEST_LINE]):
                yield Test(module, function, check.line)
                break


_FILE_OF_METRICS = re.compile(r"(^|[/_])(metrics?|scores?|evaluation|results?)\w*\.(json|ya?ml)$")


def _tests_of_metrics(facts: Facts) -> Iterator[Test]:
    """Tests that hold the metrics in a file, which a run has written, to a floor; they need nothing of the code."""
    for module, function in facts.test_functions:
        words = {word for each in module.functions.values() for word in each.words.split("\n")}
        reads = words & (_READS | {"load", "loads"}) and any(map(_FILE_OF_METRICS.search, words))
        floor = next((check.line for check in function.asserts if _is_floor(check)), 0) or _floor_of_unittest(function)
        if reads and floor and _is_test(function) and not words & {"dump", "write_text"}:  # none that it has made
            yield Test(module, function, floor)


def _floor_of_unittest(function: Function) -> int:
    """Line of `self.assertLess(metrics["rmse"], 0.8)`, or 0."""
    words = set(function.words.split("\n"))
    for call in function.calls if words & _READS and any(map(is_metric, words)) else ():
        bound = [each for each in call.args if each and _NUMBER.fullmatch(each) and float(each) not in (0.0, 1.0)]
        if call.last in _ORDERS and bound:
            return call.line
    return 0


_ORDERS = frozenset({"assertLess", "assertLessEqual", "assertGreater", "assertGreaterEqual"})
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_CLOSE = frozenset({"isclose", "allclose", "approx", "array_almost_equal", "almost_equal"})
_MADE_HERE = frozenset(
    {"mock", "magicmock", "patch", "monkeypatch", "mocker", "fake", "dummy", "stub", "dump", "fit", "tmp", "save"}
)
"""What tells of a model that the test makes, or of what takes its place."""


def _answers_itself(facts: Facts, test: Test) -> bool:
    """Whether a saved model answers in a test, and not one that the test makes or imitates."""
    fixtures = (test.module.functions[name] for name in test.function.parameters if name in test.module.functions)
    said = "\n".join((test.function.words, *test.function.parameters, *(each.words for each in fixtures)))
    words = {part for word in said.split("\n") for part in parts_of(word)}
    return not words & _MADE_HERE and _predicts(test) and _loads_model(test.module, test.function, facts)


_CHECKS = re.compile(
    r"^deepchecks\..*(TrainTestPerformance|SingleDatasetPerformance|SimpleModelComparison|WeakSegmentsPerformance|"
    r"RegressionErrorDistribution|RocReport|ModelErrorAnalysis|BoostingOverfit)$"
)
"""Checks of deepchecks that judge a model, and not data."""
_SUITES = re.compile(r"^(giskard\.testing\.test_\w+|giskard\.Suite\.run|deepchecks\..*model_evaluation(\.run)?)$")


def _is_floor(check: Check) -> bool:
    """Whether a metric is held to a floor or a baseline: that an accuracy lies between 0 and 1 says nothing."""
    floors = [number for number in check.numbers if number not in (0.0, 1.0)]
    measured = [word for word in check.words if is_metric(word) and not parts_of(word) & {"drift", "psi"}]
    # That a baseline is above nothing holds no other metric to it, nor does a word for a bound if nothing is the bound.
    held = floors or (
        not check.numbers and any(parts_of(word) & _BOUNDS and measured != [word] for word in check.words)
    )
    return check.orders and bool(measured) and bool(held)


_BOUNDS = frozenset({"baseline", "threshold", "min", "minimum", "floor", "expected", "tolerance", "reference"})


def _about_a_model(test: Test) -> bool:
    words = {*test.function.words.lower().split("\n")} | {call.last.lower() for call in test.function.calls}
    return any(
        "model" in word or "pipeline" in word or "predict" in word or "baseline" in word or "train" in word
        for word in words
    )


def _predicts(test: Test) -> bool:
    asks = ("predict", "infer", "forward", "score")
    return any("predict" in parameter for parameter in test.function.parameters) or any(
        call.last in ("model", "run")
        or "model" in call.name
        or any(word in f"{call.last} {call.args}" for word in asks)
        for call in test.function.calls
    )


def _taken_in(facts: Facts, test: Test) -> Iterator[str]:
    """What a test takes in: by its file, by the `conftest.py` whose fixtures it asks for, and what it patches."""
    yield from test.module.imports.values()
    yield from (full for module in _fixtures(facts, test.module, test.function) for full in module.imports.values())
    for function in test.module.functions.values():
        for call in function.calls:
            if call.last in ("patch", "import_module") and call.args and call.args[0] and "." in call.args[0]:
                yield call.args[0]


@probe("scoring-code-versioned-tested")
def scoring_code(facts: Facts) -> Finding:
    """A test uses the module that scores."""
    scoring = scoring_modules(facts)
    real, _ = tests_of(facts)
    run = max(_test_runs(facts), key=lambda run: (not run.route.swallowed, run.route.by), default=None)
    by = run.route.by if run is not None and not run.route.swallowed else By.NOBODY
    seen, down = [], []
    tested: set[str] = set()
    for test in real:
        for full in _taken_in(facts, test):
            key = facts.project.modules.find(full, seen_from=test.module.path)
            if key is not None and key[0] in scoring and key[0] not in tested:
                tested.add(key[0])
                seen.append(Seen((_because(test.evidence, f"it tests {key[0]}, which scores"),), by=by))
    down = [Evidence(path=path, line=1, why="it scores, and no test imports it") for path in sorted(scoring - tested)][
        :6
    ]
    if seen or not scoring:
        return conclude("scoring-code-versioned-tested", seen, turned_down=down, wired_from=By.ITSELF)
    return conclude("scoring-code-versioned-tested", (), turned_down=down)
