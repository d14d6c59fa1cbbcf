"""Checks of data: schemas and ranges that can stop a run."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from windlass.assessment.automation.workflow import Step
from windlass.assessment.facts import Facts, Seen, Sighting, conclude, seen_run
from windlass.assessment.modules import Key
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.releasing import training_workflows
from windlass.assessment.probes.steps import declared_pipelines
from windlass.assessment.probes.testing import tests_in_ci, tests_of, tests_of_files
from windlass.assessment.r import called_in_r
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import Call, Check, Function, Module, last_of
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import is_metric, parts_of

_VALIDATORS = re.compile(
    r"(pandera\..*validate|pandera\.(check_types|check_input|check_output|io)|"
    r"great_expectations\..*(validate|run_checkpoint|run)|"
    r"tensorflow_data_validation\.validate_statistics|tfx\..*ExampleValidator"
    r"|deepchecks\..*run|evidently\..*TestSuite\.run|soda\..*execute|pydeequ\..*|pointblank\..*|"
    r"cerberus\..*validate|patito\..*validate|frictionless\.validate|dataframely\..*validate|"
    r"whylogs\..*validate)$"
)
_DECORATORS = re.compile(r"pandera\..*(check_types|check_input|check_output|check_io)$")
_CHECKS = frozenset({"validate", "validation", "check", "verify", "assert", "ensure", "quality", "require", "expect"})
_SUBJECTS = frozenset(
    {
        "data", "dataset", "schema", "columns", "column", "frame", "df", "dataframe", "input", "quality", "nulls",
        "missing", "ranges", "training", "raw", "train", "table", "contract", "features", "rows",
    }
)  # fmt: skip
_REQUESTS = frozenset(
    {
        "request", "payload", "config", "settings", "args", "api", "token", "cross", "structure", "model",
        "prediction", "predict", "cv", "email", "path", "environment", "serving", "inference",
    }
)  # fmt: skip
_FRAMES = frozenset(
    {
        "columns", "isnull", "isna", "dtypes", "dtype", "shape", "nunique", "duplicated", "between", "notnull",
        "empty", "is_null", "n_unique", "schema", "select_dtypes", "null_count", "missing_cols", "missing_columns",
        "required_columns", "between_time", "isnan",
    }
)  # fmt: skip


def _library(facts: Facts) -> Iterator[Sighting]:
    schemas = {
        full
        for module in facts.project.modules
        for full in module.imports.values()
        if full.startswith(("pandera", "patito", "dataframely"))
    }
    for place in facts.named(
        lambda name: last_of(name) in ("validate", "run_checkpoint") or "expect_" in name or _VALIDATORS.search(name)
    ):
        module, function, call = place
        if (
            _VALIDATORS.search(call.name)
            or call.last == "run_checkpoint"
            or (schemas and call.last == "validate" and _is_schema(facts, call, module, function))
            or (call.last.startswith("expect_") and "great_expectations" in module.packages)
        ):
            yield facts.sight(place)
    for place in facts.named(lambda name: last_of(name).lower().endswith("schema")) if schemas else ():
        if place[2].args and _is_schema_object(facts, place[2], place[0]):
            yield facts.sight(place)
    for sighting in facts.calls_into("pandera"):
        if _DECORATORS.search(sighting.call.name) and sighting.call in sighting.function.decorators:
            yield sighting


_ROWS = frozenset({"records", "iterrows", "itertuples", "to_dicts", "iter_rows", "dictreader"})
"""Words by which a table is gone through row by row."""
_MAKES_RECORD = frozenset({"model_validate", "parse_obj"})


def _rows_of_pydantic(facts: Facts) -> Iterator[Sighting]:
    """Rows of a table that are each made a record of Pydantic, which raises at the first that is wrong."""
    for module, function in facts.functions:
        if module.is_notebook or _ROWS.isdisjoint(function.words.lower().split("\n")):
            continue
        for call in function.calls:
            if call.last not in _MAKES_RECORD and not call.has("**"):
                continue
            owner = call.name.removesuffix(f".{call.last}") if call.last in _MAKES_RECORD else call.name
            found = facts.project.modules.class_of(owner, module) if owner and owner != "?" else None
            if found is not None and any(base in _RECORD_BASES for base in found[1].bases):
                yield facts.sight((module, function, call))


_RECORD_BASES = frozenset({"pydantic.BaseModel", "pydantic.main.BaseModel"})
_ANSWER_ONLY = re.compile(r"^(great_expectations|deepchecks|evidently|soda|whylogs)\.|run_checkpoint$|(^|\.)expect_")
"""Checks that say what they found and raise nothing; schemas raise themselves."""


def _is_heeded(facts: Facts, sighting: Sighting) -> bool:
    """Whether a check that only answers can stop something: where it stands, or above, something raises or leaves."""
    if not _ANSWER_ONLY.search(sighting.call.name):
        return True
    near = {sighting.key, *facts.callers(sighting.key)}
    near.update(outer for key in tuple(near) for outer in facts.callers(key))
    return any(_can_stop(facts.project.modules.function(key)) for key in near)


def _can_stop(function: Function) -> bool:
    ends = any(call.last in ("exit", "_exit", "assert_no_checks_fail") for call in function.calls)
    return bool(function.raises or function.asserts) or ends or any(check.stops for check in function.branches)


def _tested(facts: Facts) -> Iterator[Seen]:
    """Tests of the data themselves: expectations of Great Expectations that a test asserts."""
    for module, function in facts.test_functions:
        expected = [call for call in function.calls if call.last.startswith("expect_")]
        if expected and "great_expectations" in facts.packages_beside(module) and function.asserts:
            here = Evidence(
                path=module.path, line=expected[0].line, why=f"{function.name} asserts what the data are like"
            )
            yield Seen((here,), by=By.PERSON)


def _steps_of_tests(facts: Facts) -> Iterator[Seen]:
    """A step of an MLflow project, of DVC or of CI that trains which hands data to a test runner; not tests of code."""
    training = training_workflows(facts)
    for run in facts.graph.runs:
        name = run.path.rpartition("/")[2].lower()
        in_ci = run.path in training and run.route.start.workflow is not None
        if not run.tests or not (in_ci or name in ("mlproject", "dvc.yaml")):
            continue
        given = [word for word in run.words if "/" in word or word.endswith(".py")] or ["."]
        places = {posixpath.normpath(posixpath.join(run.folder, word)) for word in given}
        for module, function in facts.test_functions:
            beside = any(place == "." or f"{module.path}/".startswith(f"{place}/") for place in places)
            words = set(function.words.split("\n"))
            frames = words & _FRAMES and (not in_ci or words & _READS_TABLES)
            leads = facts.project.modules.edges((module.path, function.name))
            own = any(path != module.path or not in_ci for path, _ in leads)
            if beside and function.asserts and frames and not own:
                here = Evidence(path=module.path, line=function.line, why=f"{function.name} asserts what data are like")
                yield Seen((here, run.evidence, *run.route.evidence), by=run.route.by, swallowed=run.route.swallowed)


_READS_TABLES = frozenset({"read_csv", "read_parquet", "read_excel", "read_json", "read_feather"})


def _of_mage(facts: Facts) -> Iterator[Seen]:
    """Tests of blocks of Mage, which fail with them: what they assert of the rows that a block gives."""
    for module, function in facts.functions:
        tests = any(each.name == _TEST_OF_MAGE for each in function.decorators)
        asked = [check for check in function.asserts if _FRAMES.intersection(check.words)]
        if tests and asked:
            here = Evidence(path=module.path, line=asked[0].line, why="a test of a block, which fails with it")
            yield Seen((here,), by=By.PERSON)


_TEST_OF_MAGE = "mage_ai.data_preparation.decorators.test"
_ASSET_CHECKS = frozenset({"dagster.asset_check", "dagster.multi_asset_check"})


def _asset_checks(facts: Facts) -> Iterator[Seen]:
    """Checks of Dagster that look at the values of an asset, and not at how good a model is."""
    for module, function in facts.functions:
        for decorator in function.decorators:
            frames = _FRAMES & set(function.words.lower().split("\n"))
            if decorator.name in _ASSET_CHECKS and frames and not any(map(is_metric, function.words.split("\n"))):
                here = Evidence(path=module.path, line=function.line, why=f"{function.name}: a check of Dagster")
                route = facts.route(module, function)
                yield Seen((here,), by=max(By.PERSON, route.by if route is not None else By.NOBODY))


def _is_schema(facts: Facts, call: Call, module: Module, function: Function) -> bool:
    """Whether `X.validate`, or `cls.validate` in a method, is that of a schema declared with a library of checks."""
    owner = call.name.rpartition(".")[0]
    own = f":{function.name.rpartition('.')[0]}" if owner in ("self", "super") else owner
    found = facts.project.modules.class_of(own, module)
    if found is not None:
        return any(
            re.search(r"(DataFrameModel|SchemaModel|\b(Model|Schema))$", base)
            and base.startswith(("pandera", "patito", "dataframely"))
            for base in found[1].bases
        )
    return "schema" in f"{call.on} {owner}".lower()


def _is_schema_object(facts: Facts, call: Call, module: Module) -> bool:
    """Whether `schema(frame)` calls a schema that a file of the project makes with a library of checks."""
    home: Module | None = module
    if "." in call.name:
        path = facts.project.modules.path_of(call.name.rpartition(".")[0], seen_from=module.path)
        home = facts.project.modules.by_path[path] if path is not None else None
    if home is None or not home.packages & {"pandera", "dataframely", "patito"} or "" not in home.functions:
        return False
    return any(assigned.name == call.last for assigned in home.functions[""].assigned)


def _hand_written(facts: Facts) -> Iterator[Sighting]:
    """Functions of the project that look at columns, values or rows and raise; each with a call of it on the way."""
    for module, function in facts.functions:
        parts = parts_of(function.name.rpartition(".")[2])
        if (
            module.is_notebook
            or "ast" in module.packages  # it checks code
            or ("jsonschema" in module.packages and not parts_of(f"{module.path} {function.name}") & _RECORDS)
            or not parts & _CHECKS
            or parts & _REQUESTS
            or not (parts & _SUBJECTS or "data" in module.path.lower() or "valid" in module.path.lower())
        ):
            continue
        if not _looks_at_data(facts, module, function) or not _stops(facts, module, function):
            continue
        for caller, outer, call in _callers(facts, module, function):
            yield Sighting(caller, outer, call, facts.route(caller, outer))


def _inline(facts: Facts) -> Iterator[Sighting]:
    """Functions that train, read data for one that does, or are steps beside it, and raise if these are not right."""
    steps = {key for each in declared_pipelines(facts) for key in each.keys} if facts.training else set()
    for module, function in facts.functions:
        if module.is_notebook or not (function.raises or function.asserts):
            continue
        key = (module.path, function.name)
        prepares = bool(facts.training) and parts_of(f"{_within(facts, module.path)} {function.name}") & _PREPARES
        if not prepares and key not in steps and not any(map(facts.trains, _near(facts, key))):
            continue
        if not (_FRAMES | _WITHIN) & set(function.words.lower().split("\n")):
            continue
        for check in (*function.branches, *function.asserts):
            said = any(word in _MISSED or parts_of(word) & _MISSING for word in check.words)
            said = said and not {part for word in check.words for part in parts_of(word)} & (_NO_ROWS | _ANSWERS)
            said = said or (check in function.asserts and not _WITHIN.isdisjoint(check.words))
            raised = check in function.asserts or (
                check.stops and any(0 < line - check.line <= 4 for line in function.raises)
            )
            reads = [call for call in function.calls if call.line < check.line and parts_of(call.last) & _READS]
            if not reads and prepares and any(map(facts.trains, facts.callers(key))):
                reads = function.calls[:1]  # it is given the rows by what trains on them
            if said and raised and reads and not _asks_answer(function, check):
                yield Sighting(module, function, reads[-1], facts.route(module, function))


def _near(facts: Facts, key: Key) -> tuple[Key, ...]:
    """A function, those that call it, and those that call these: what loads rows is asked by what parts them."""
    near = (key, *facts.callers(key))
    return tuple(dict.fromkeys((*near, *(outer for each in near for outer in facts.callers(each)))))


_SPLIT = frozenset({"y", "target", "label", "labels"})


def _asks_answer(function: Function, check: Check) -> bool:
    """`if "Class" not in df.columns: raise`, by whoever splits that one column off as the answer."""
    assigned = {each.name.lower() for each in function.assigned}
    others = {word for word in check.words if word not in _MISSED | _OF_TABLES}
    return "columns" in check.words and len(others) == 1 and bool(assigned & _SPLIT)


_OF_TABLES = frozenset({"df", "data", "frame", "dataframe", "dataset", "raw", "self"})
_READS = frozenset({"read", "load"})
_MISSED = frozenset(
    {
        "missing", "missing_cols", "missing_columns", "isnull", "isna", "null_count", "columns", "duplicated",
        "nunique", "notna", "notnull",
    }
)  # fmt: skip
"""That there are any rows at all says little of them."""
_WITHIN = frozenset({"isin"})
"""Asserted: that all values are among those that are known."""
_MISSING = frozenset({"missing", "columns"})
"""Parts of a name for what was found to be missing: `columns_diff`, `missing_features`."""
_NO_ROWS = frozenset({"metadata", "config", "settings", "params", "payload", "request", "args"})
"""Parts of a name for what has columns and is no data."""
_ANSWERS = frozenset({"target", "label"})
"""That the column to learn is there is asked by whoever splits it off."""


_FIELDS = frozenset({"required_fields", "missing_fields"})
"""What rows that are no table have; requests and settings have them too."""


_RECORDS = frozenset({"data", "dataset", "rows", "record", "records", "features", "training"})
"""In the name of what checks documents: the others are settings."""


def _asks_target_alone(call: Call) -> bool:
    """`ensure_columns(frame, [target])`: that the column to learn is there is asked by whoever splits it off."""
    given = [*call.args[1:], *[value for _, value in call.kwargs]]
    words = [parts_of(value) for value in given if value]
    alone = any(value and " " not in value and parts_of(value) & _ANSWERS for value in given)
    return bool(parts_of(call.last) & _COLUMNS) and alone and not any(each & _LISTS for each in words)


_COLUMNS = frozenset({"column", "columns"})
_LISTS = frozenset({"columns", "required", "features", "schema", "expected"})


def _looks_at_data(facts: Facts, module: Module, function: Function) -> bool:
    frames = _FRAMES | _FIELDS if parts_of(function.name.rpartition(".")[2]) & {"data", "dataset"} else _FRAMES
    return any(
        frames & set(facts.project.modules.function(key).words.lower().split("\n"))
        for key in facts.below((module.path, function.name), most=15)
    )


def _stops(facts: Facts, module: Module, function: Function) -> bool:
    for key in facts.below((module.path, function.name), most=15):
        inner = facts.project.modules.function(key)
        raised = (*inner.raises, *[each.line for each in inner.asserts])
        if not all(map(inner.loses, raised)) or any(call.last in ("exit",) for call in inner.calls):
            return True
    return any(caller_stops for caller_stops in _verdict_is_used(facts, module, function))


def _verdict_is_used(facts: Facts, module: Module, function: Function) -> Iterator[bool]:
    """A caller that raises or leaves on the answer."""
    name = function.name.rpartition(".")[2].lower()
    for _, outer, call in _callers(facts, module, function):
        if outer.raises and any(0 <= line - call.line <= 12 for line in outer.raises):
            yield True
        if any(check.stops and name in check.words and check.line == call.line for check in outer.branches):
            yield True  # `if not is_valid(frame): return`
        given = {each.name.lower() for each in outer.assigned if each.line == call.line}
        if any(check.stops and given & set(check.words) and check.line > call.line for check in outer.branches):
            yield True
        leaves = [each for each in outer.calls if each.last in ("exit", "_exit", "SystemExit")]
        if any(each.args[:1] == (None,) and 0 <= each.line - call.line <= (6 if given else 0) for each in leaves):
            yield True  # `sys.exit(0 if is_valid else 1)`


def _callers(facts: Facts, module: Module, function: Function) -> Iterator[tuple[Module, Function, Call]]:
    name = function.name.rpartition(".")[2]
    for sighting in facts.calls(name):
        if (module.path, function.name) in facts.project.modules.called(
            sighting.call.name, sighting.module, sighting.function
        ):
            yield sighting.module, sighting.function, sighting.call
    key = (module.path, function.name)
    for path, caller in facts.callers(key):  # a step, `PythonOperator(python_callable=check_data)`, or one in a table
        outer = facts.project.modules.by_path[path]
        for call in outer.functions[caller].calls:
            if key in facts.project.modules.handed_over(call, outer):
                yield outer, outer.functions[caller] if path != module.path else function, call


_PREPARES = frozenset(
    {"split", "prepare", "preprocess", "preprocessing", "ingest", "ingestion", "etl", "featurize", "download"}
)


def _within(facts: Facts, path: str) -> str:
    """A path without its first folder where training lies in that too: `sales_prediction/data/load.py` loads."""
    top, _, rest = path.partition("/")
    return rest if rest and top in facts.training_tops else path


def _models_data(facts: Facts, sighting: Sighting) -> bool:
    """Whether the way to a check also leads to training or a pipeline of data, not to a request or a command alone."""
    for route in facts.graph.routes(sighting.key):
        if route.start.by is By.ITSELF and route.start.workflow is not None:
            return True
    words = parts_of(f"{_within(facts, sighting.module.path)} {sighting.function.name}")
    answers = words & {"predict", "prediction", "inference", "serving", "api", "app", "score", "scoring"}
    if not answers and words & {
        "pipeline",
        "flow",
        "train",
        "training",
        "dag",
        "ingest",
        "ingestion",
        "etl",
        "prepare",
        "preprocess",
        "preprocessing",
        "loader",
        "load",
        "features",
    }:
        return True
    if answers:
        return False
    if "data" in words and words & {"validation", "validate"}:
        return True  # a step of that name, which a person or an engine elsewhere runs
    routes = facts.graph.routes(sighting.key)
    if any(parts_of(each.path.rpartition("/")[2]) & _PREPARES for route in routes for each in route.chain):
        return True  # on the way of what makes the data that training reads
    starts = {route.start.evidence for route in routes}
    trained = {route.start.evidence for each in facts.training for route in facts.graph.routes(each.key)}
    return bool(starts & trained) or any(
        declared in sighting.module.path for declared in ("pipeline", "stages", "flows", "dags")
    )


def _in_tests(facts: Facts) -> Iterator[Seen]:
    """Tests of the data themselves that CI runs on the data it fetched."""
    tested = {id(run.route.start.workflow) for run in facts.graph.runs if run.tests}
    fetched = [
        run
        for run in facts.runs(
            lambda argv: (
                argv[:2] in (("dvc", "pull"), ("dvc", "fetch"), ("git", "lfs"))
                or argv[:3] == ("aws", "s3", "cp")
                or argv[:2] == ("gsutil", "cp")
            )
        )
        if run.route.start.workflow is not None and id(run.route.start.workflow) in tested
    ]
    if not fetched or not tests_in_ci(facts).state.holds:
        return
    of_files = tests_of_files(facts)
    for test in (*of_files, *tests_of(facts)[0]):
        words = {word.lower() for check in test.function.asserts for word in check.words} | {
            *test.function.words.lower().split("\n")
        }
        asks = test in of_files or words & (_FRAMES | {"len"})
        if asks and "data" in parts_of(test.module.path.rpartition("/")[2]):
            yield Seen(
                (
                    Evidence(
                        path=test.module.path,
                        line=test.line,
                        why=f"{test.function.name} asserts what the data are like",
                    ),
                    fetched[0].evidence,
                ),
                by=fetched[0].route.by,
            )


@probe("data-tests")
def data_tests(facts: Facts) -> Finding:
    """Checks of training data on the way of training, which can stop it."""
    seen: list[Seen] = [*_tested(facts), *_steps_of_tests(facts), *_asset_checks(facts), *_of_mage(facts)]
    down: list[Evidence] = []
    for sighting in (*_library(facts), *_rows_of_pydantic(facts), *_hand_written(facts), *_inline(facts)):
        if sighting.call.kwarg("skip_check") == "True":
            down.append(sighting.here("told to skip the check"))
        elif sighting.by is By.NOBODY:
            down.append(sighting.here("nothing calls the function that checks"))
        elif _asks_target_alone(sighting.call):
            down.append(sighting.here("it asks for the column to learn alone, which is no check of data"))
        elif not facts.is_heeded(sighting.key, sighting.call.line):
            down.append(sighting.here("its error is caught and only told, so that it stops nothing"))
        elif not _is_heeded(facts, sighting):
            down.append(sighting.here("nobody heeds what the check answers, so it stops nothing"))
        elif _models_data(facts, sighting):
            seen.append(sighting.seen("checks data and can stop the run"))
        else:
            down.append(sighting.here("a check beside training: a command, a request or a test of its own"))
    checks = frozenset({"interrogate", "confront", "verify", "insist"})
    seen += called_in_r(facts, checks, "checks data and can stop the run")
    for run in facts.runs(
        lambda argv: (
            argv[:2]
            in (
                ("dbt", "test"),
                ("dbt", "build"),
                ("great_expectations", "checkpoint"),
                ("soda", "scan"),
                ("dbt-expectations", "run"),
            )
        )
    ):
        seen.append(seen_run(run))
    for sighting in facts.calls("BashOperator"):
        if "dbt test" in (sighting.call.kwarg("bash_command") or ""):
            seen.append(sighting.seen("dbt tests the tables"))
    seen += list(_in_tests(facts))
    declared = facts.listed("pandera", "great-expectations", "deepchecks", "tensorflow-data-validation", "soda-core")
    return conclude("data-tests", seen, turned_down=down, declared=declared if not seen else ())


@probe("data-quality-standard")
def data_quality_standard(facts: Facts) -> Finding:
    """One way of checking that several tables go through."""
    models = [
        (module, owner)
        for module in facts.project.modules
        for owner in module.classes.values()
        if any(base.startswith(("pandera.", "patito.", "dataframely.")) for base in owner.bases)
    ]
    suites = facts.project.named(".json") if any("expectations" in path for path in facts.project.paths) else []
    suites = [path for path in suites if "/expectations/" in f"/{path}"]
    dbt = [
        path
        for path in facts.project.yaml_paths
        if re.search(r"(schema|_models|sources)\.ya?ml$", path) and "tests:" in facts.project.text(path)
    ]
    places = [Evidence(path=module.path, line=owner.line, why=f"the schema {owner.name}") for module, owner in models]
    places += [Evidence(path=path, line=1, why="a suite of checks") for path in (*suites, *dbt)]
    tests = data_tests(facts)
    if len(places) >= 3 and tests.state.rank >= 2:
        return conclude(
            "data-quality-standard", [Seen(tuple(places[:6]), by=By.REQUEST if tests.state.holds else By.PERSON)]
        )
    down = [Evidence(path=each.path, line=each.line, why=f"one check alone: {each.why}") for each in places[:2]]
    return conclude("data-quality-standard", (), turned_down=down)


_TELLS = re.compile(
    r"slack|teams|discord|telegram|pagerduty|opsgenie|mail|notif|webhook|issue|alert|curl|sns|ntfy", re.IGNORECASE
)


def _tells_somebody(step: Step) -> bool:
    """Whether a step sends a message or opens an issue, and does not only show the end of a log."""
    sends = (each.text for each in step.commands if each.argv[0] not in ("echo", "cat", "printf"))
    return bool(_TELLS.search(" ".join((step.uses, *sends, step.given.get("script", "")))))


@probe("data-pipeline-observability")
def pipeline_observability(facts: Facts) -> Finding:
    """Failed, late or thin loads raise an alarm."""
    seen = []
    for sighting in facts.calls("DAG", "dag", "flow", "task"):
        if (
            sighting.call.has("on_failure_callback")
            or sighting.call.has("on_failure")
            or sighting.call.has("sla")
            or sighting.call.has("sla_miss_callback")
        ):
            seen.append(sighting.seen("a failed run raises an alarm"))
    for path in facts.project.yaml_paths:
        text = facts.project.text(path) if re.search(r"sources|schema|soda|elementary", path) else ""
        if "freshness:" in text and ("warn_after" in text or "error_after" in text):
            seen.append(Seen((Evidence(path=path, line=1, why="the freshness of sources is watched"),), by=By.PERSON))
    notify = re.compile(r"slack|pagerduty|failure\(\)", re.IGNORECASE)
    for use in facts.uses(
        "slackapi/slack-github-action",
        "8398a7/action-slack",
        "rtcamp/action-slack-notify",
        "ravsamhq/notify-slack-action",
    ):
        if notify.search(use.step.condition) and use.route.start.is_scheduled:
            from windlass.assessment.facts import seen_use

            seen.append(seen_use(use))
    for flow in facts.project.workflows:
        for job in flow.jobs:
            alarmed = [step for step in job.steps if "failure()" in step.condition and _tells_somebody(step)]
            if alarmed and any(
                route.start.job is job for each in facts.training for route in facts.graph.routes(each.key)
            ):
                seen.append(
                    Seen(
                        (Evidence(path=flow.path, line=alarmed[0].line, why="a failed run raises an alarm"),),
                        by=By.ITSELF,
                    )
                )
    return conclude("data-pipeline-observability", seen)
