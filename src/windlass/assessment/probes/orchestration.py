"""Pipelines: several steps, declared for an engine that runs them, training among them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from windlass.assessment.automation.workflow import mapping, maps, text_of
from windlass.assessment.facts import Facts, Seen, conclude
from windlass.assessment.probes.gates_in_ci import fails_by_metric
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.releasing import trained_before
from windlass.assessment.probes.steps import TRAINS, declared_pipelines
from windlass.assessment.probes.testing import tests_in_ci, tests_of
from windlass.assessment.r import called_in_r, r_calls, trained_in_r
from windlass.assessment.reach.commands import functions_of
from windlass.assessment.reach.engines import dvc_stages, yaml_commands
from windlass.assessment.reach.routes import By, Route
from windlass.assessment.reading.lines import line_at
from windlass.assessment.reading.yaml import Map
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import parts_of


def _dvc(facts: Facts) -> Iterator[Seen]:
    by_path: dict[str, list[tuple[str, int, str]]] = {}
    names = {path.rpartition("/")[2] for path in facts.project.expected}
    for path, name, line, text, _, _ in dvc_stages(facts.project):
        script = _SCRIPT.match(text)
        if script is None or script[1] in names:  # a stage whose script is nowhere fails
            by_path.setdefault(path, []).append((name, line, text))
    for path, stages in by_path.items():
        working = [(name, text) for name, _, text in stages if not text.startswith("echo ")]
        trains = any(parts_of(f"{name} {text}") & TRAINS for name, text in working) or _dvc_trains(facts, path)
        if len(stages) >= 2 and trains:
            places = tuple(
                Evidence(path=path, line=line, why=f"stage {name}: {text[:100]}") for name, line, text in stages
            )
            runs = [run.route.by for run in facts.graph.runs if run.path == path and run.route.by is By.ITSELF]
            yield Seen(places, by=By.ITSELF if runs else By.PERSON)


_SCRIPT = re.compile(r"python[\d.]*\s+(?:[\w.-]+/)*([\w-]+\.py)(\s|$)")


def _dvc_trains(facts: Facts, path: str) -> bool:
    return any(
        any(each.path == path for each in route.chain)
        for sighting in facts.training
        for route in facts.graph.routes(sighting.key)
    )


def _yaml_pipelines(facts: Facts) -> Iterator[Seen]:
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            top = mapping(document)
            steps = _steps_of(top)
            if len(steps) < 2:
                continue
            named = any(parts_of(name) & TRAINS or _file_trains(facts, name) for name, _ in steps)
            if named or _commands_train(facts, path):
                places = tuple(Evidence(path=path, line=line, why=f"step {name}") for name, line in steps)
                runs = [run.route.by for run in facts.graph.runs if run.path == path]
                asked = [run.route.by for run in facts.graph.runs if path.rpartition("/")[2] in run.command.text]
                yield Seen(places, by=max((*runs, *asked, By.PERSON)))


def _file_trains(facts: Facts, name: str) -> bool:
    """Whether a step is a file that trains: a source of Ploomber, a block of Mage."""
    file = f"/{name.removesuffix('.py').removesuffix('.ipynb')}."
    return bool(name) and any(file in f"/{each.module.path}" for each in facts.training)


def _commands_train(facts: Facts, path: str) -> bool:
    """Whether a command in a job file, or in one that it names, leads to training."""
    return any(
        facts.trains(key)
        for command in yaml_commands(facts.project, path, set())
        for key in functions_of(facts.project, command)
    )


def steps_of_file(facts: Facts, path: str) -> list[tuple[str, int]]:
    """Name and line of each step of the pipelines that a YAML file declares."""
    return [step for document in facts.project.yaml(path) for step in _steps_of(mapping(document))]


def _steps_of(top: Map) -> list[tuple[str, int]]:
    """Steps of Azure ML, Argo, Tekton, Bodywork, Ploomber, Kestra, Mage and of jobs of Databricks."""
    if "azureml" in text_of(top.get("$schema")) or ("jobs" in top and text_of(top.get("type")) == "pipeline"):
        return [(name, mapping(job).line) for name, job in mapping(top.get("jobs")).items()]
    if text_of(top.get("kind")) in ("Workflow", "WorkflowTemplate", "CronWorkflow", "Pipeline", "PipelineRun"):
        spec = mapping(top.get("spec"))
        spec = mapping(spec.get("workflowSpec")) or mapping(spec.get("pipelineSpec")) or spec
        return [
            (text_of(each.get("name")), each.line) for each in [*maps(spec.get("templates")), *maps(spec.get("tasks"))]
        ]
    dag = text_of(mapping(top.get("pipeline")).get("DAG")) or text_of(mapping(top.get("project")).get("DAG"))
    if dag and "stages" in top:
        return [(name, mapping(stage).line) for name, stage in mapping(top.get("stages")).items()]
    return _tasks_of(top)


def _tasks_of(top: Map) -> list[tuple[str, int]]:
    """Steps that stand in a list: tasks of Ploomber and Kestra, blocks of Mage, tasks of jobs of Databricks."""
    tasks = maps(top.get("tasks"))
    if any("source" in each for each in tasks) or any(
        text_of(each.get("type")).startswith("io.kestra") for each in tasks
    ):
        return [(text_of(each.get("source")) or text_of(each.get("id")), each.line) for each in tasks]
    blocks = maps(top.get("blocks"))
    if any("upstream_blocks" in each for each in blocks):  # Mage
        return [(text_of(each.get("uuid")), each.line) for each in blocks]
    flows = [
        flow for about in mapping(top.get("environments")).values() for flow in maps(mapping(about).get("workflows"))
    ]
    for job in (*mapping(mapping(top.get("resources")).get("jobs")).values(), *flows):
        keyed = [(text_of(each.get("task_key")), each.line) for each in maps(mapping(job).get("tasks"))]
        if len(keyed) >= 2:
            return keyed
    return []


_RULE = re.compile(r"^(?:rule|checkpoint)\s+(\w+)\s*:", re.MULTILINE)


def _rules(facts: Facts) -> Iterator[Seen]:
    """Rules of Snakemake, and states of Step Functions."""
    for path in facts.project.paths:
        name = path.rpartition("/")[2]
        if name == "Snakefile" or name.endswith(".smk"):
            text = facts.project.text(path)
            found = [(each[1], line_at(text, each.start())) for each in _RULE.finditer(text)]
        elif name.endswith((".asl.json", "state_machine.json", "statemachine.json", "step_functions.json")):
            found = list(_states(facts.project.text(path)))
        else:
            continue
        if len(found) >= 2 and any(parts_of(each) & TRAINS for each, _ in found):
            yield Seen(tuple(Evidence(path=path, line=line, why=f"step {each}") for each, line in found), by=By.PERSON)


_TASK_OF_CDK = re.compile(r"new\s+(?:\w+\.)?([A-Z]\w+)\(\s*\w+,\s*[\"'`]([^\"'`]+)")
_TASKS_OF_CDK = frozenset(
    {
        "LambdaInvoke", "SageMakerCreateTrainingJob", "SageMakerCreateTransformJob", "SageMakerCreateEndpoint",
        "SageMakerCreateModel", "SageMakerUpdateEndpoint", "EcsRunTask", "BatchSubmitJob", "GlueStartJobRun",
        "CodeBuildStartBuild", "CallAwsService", "EmrServerlessStartJobRun", "AthenaStartQueryExecution",
    }
)  # fmt: skip
_TASK_OF_TERRAFORM = re.compile(r'"?([\w -]+)"?\s*[:=]\s*\{\s*"?Type"?\s*[:=]\s*"Task"')
_STEP_OF_SAGEMAKER = re.compile(
    r'"?Type"?\s*[:=]\s*"(Training|Tuning|AutoML|Processing|Transform|RegisterModel|Model|Condition|Lambda|Fail)"'
)


_TASK_OF_DATABRICKS = re.compile(r'^\s*task\s*\{\s*\n\s*task_key\s*=\s*"([^"]+)"', re.MULTILINE)


def machines(facts: Facts) -> Iterator[Seen]:
    """State machines and pipelines of AWS, and jobs of Databricks, declared in TypeScript or in Terraform."""
    for path in facts.project.named(".ts", ".tf"):
        text = facts.project.text(path)
        if path.endswith(".ts"):
            tasks = _TASK_OF_CDK.finditer(text) if "aws-stepfunctions" in text and "StateMachine(" in text else ()
            found = [(f"{each[2]} {each[1]}", each.start()) for each in tasks if each[1] in _TASKS_OF_CDK]
        else:
            tasks = _TASK_OF_TERRAFORM.finditer(text) if "aws_sfn_state_machine" in text else ()
            found = [(each[1], each.start()) for each in tasks]
            steps = _STEP_OF_SAGEMAKER.finditer(text) if "aws_sagemaker_pipeline" in text else ()
            found += [(each[1], each.start()) for each in steps]
            tasks = _TASK_OF_DATABRICKS.finditer(text) if '"databricks_job"' in text else ()
            found += [(each[1], each.start()) for each in tasks]
        if len(found) >= 2 and any(parts_of(name) & (TRAINS - {"model"}) for name, _ in found):
            places = (Evidence(path=path, line=line_at(text, at), why=f"step {name}") for name, at in found)
            yield Seen(tuple(places), by=By.PERSON)


def _states(text: str) -> Iterator[tuple[str, int]]:
    """The states of a machine, and what each of them starts."""
    try:
        states = json.loads(text).get("States", {})
    except (ValueError, AttributeError, RecursionError):
        return
    for name, about in states.items() if isinstance(states, dict) else ():
        resource = str(about.get("Resource", "")) if isinstance(about, dict) else ""
        yield f"{name} {resource}", line_at(text, text.find(f'"{name}"'))


def _ci_chain(facts: Facts) -> Iterator[Seen]:
    """Jobs of a CI workflow, one after another, of which one trains and another works on data or judges."""
    trained: dict[str, dict[str, Route]] = {}
    for key in dict.fromkeys(sighting.key for sighting in facts.training):
        for route in facts.graph.routes(key):
            if route.start.workflow is not None and route.start.job is not None:
                trained.setdefault(route.start.workflow.path, {})[route.start.job.name] = route
    for flow in facts.project.workflows:
        for name, route in trained.get(flow.path, {}).items():
            others = [
                job for job in flow.jobs if job.name != name and (name in job.needs or job.name in _needs(flow, name))
            ]
            chained = [
                job
                for job in others
                if parts_of(job.name)
                & {
                    "data",
                    "preprocess",
                    "prepare",
                    "evaluate",
                    "evaluation",
                    "validate",
                    "register",
                    "ingest",
                    "features",
                }
            ]
            judging = {
                run.route.start.job.name
                for run in (facts.graph.runs if others else ())
                if run.route.start.workflow is flow and run.route.start.job is not None
                if any(fails_by_metric(facts, key) for key in run.functions)
            }
            chained += [job for job in others if job.name in judging and job not in chained]
            if len(chained) >= 1:
                places = (Evidence(path=flow.path, line=job.line, why=f"job {job.name}") for job in chained)
                yield Seen((*route.evidence, *places), by=route.by)


def _followed(facts: Facts) -> Iterator[Seen]:
    """A workflow that trains, and one that follows it with the next step of the model: `evaluate` after `train`."""
    for flow in facts.project.workflows:
        before = {each.path for each in trained_before(facts, flow)} - {flow.path}
        steps = [job for job in flow.jobs if parts_of(f"{job.name} {flow.name}") & _NEXT]
        works = any(run.functions and run.route.start.workflow is flow for run in facts.graph.runs)
        for route in (
            (each for one in facts.training for each in facts.graph.routes(one.key)) if before and steps else ()
        ):
            if works and route.start.workflow is not None and route.start.workflow.path in before:
                follows = Evidence(path=flow.path, line=steps[0].line, why=f"job {steps[0].name} follows it")
                yield Seen((*route.evidence, follows), by=route.by)
                break


_NEXT = frozenset({"evaluate", "evaluation", "validate", "validation", "register"})


def _needs(flow: object, name: str) -> tuple[str, ...]:
    return next((job.needs for job in getattr(flow, "jobs", ()) if job.name == name), ())


def _targets(facts: Facts) -> Iterator[Seen]:
    """At least two targets of R's `targets`, one of which trains."""
    found = list(called_in_r(facts, frozenset({"tar_target"}), "a step of targets"))
    said = {part for call in r_calls(facts) if call.name == "tar_target" for part in parts_of(call.given)}
    if len(found) >= 2 and (said & TRAINS or trained_in_r(facts)):
        makes = facts.runs(lambda argv: argv[0] in ("Rscript", "R") and any("tar_make" in word for word in argv))
        yield Seen(
            tuple(each.evidence[0] for each in found[:8]), by=max((run.route.by for run in makes), default=By.PERSON)
        )


@probe("pipeline-orchestrated")
def pipeline_orchestrated(facts: Facts) -> Finding:
    """At least two steps, declared for an engine, one of which trains."""
    seen = [
        *_dvc(facts),
        *_yaml_pipelines(facts),
        *_ci_chain(facts),
        *_followed(facts),
        *_targets(facts),
        *_rules(facts),
    ]
    seen += machines(facts)
    down = []
    for declared in declared_pipelines(facts):
        if len(declared.places) >= 2 and declared.trains:
            seen.append(Seen(tuple(declared.places[:8]), by=declared.by))
        else:
            why = "none of its steps trains" if not declared.trains else "a single step is no pipeline"
            down.append(
                Evidence(path=declared.places[0].path, line=declared.places[0].line, why=f"{declared.engine}: {why}")
            )
    down += [
        each.here("a task of a load test or a task runner, not of an orchestrator")
        for each in facts.calls("task", where=lambda call, _: call.name.startswith(("locust", "invoke")))
    ]
    names = ("apache-airflow", "prefect", "dagster", "kfp", "zenml", "metaflow", "kedro", "flytekit", "dvc", "luigi")
    return conclude(
        "pipeline-orchestrated", seen, turned_down=down, declared=facts.listed(*names), wired_from=By.ITSELF
    )


@probe("pipeline-components-modular")
def components(facts: Facts) -> Finding:
    """Steps that are functions or containers of their own, with tests of them."""
    tested = {key[0] for test in tests_of(facts)[0] for full in test.module.imports.values()
              if (key := facts.project.modules.find(full, seen_from=test.module.path)) is not None}  # fmt: skip
    seen = []
    for declared in declared_pipelines(facts):
        below = {key[0] for start in declared.keys for key in facts.below(start, most=80)}
        if len(declared.places) >= 2 and tested & below:
            path = sorted(tested & below)[0]
            seen.append(
                Seen(
                    (declared.places[0], Evidence(path=path, line=1, why="a step's code, which tests import")),
                    by=declared.by,
                )
            )
    stages = [(path, line, text) for path, _, line, text, _, _ in dvc_stages(facts.project)]
    if len(stages) >= 2 and any(path.rpartition("/")[2] in text for path in tested for _, _, text in stages):
        seen.append(
            Seen(
                (Evidence(path=stages[0][0], line=stages[0][1], why="stages whose scripts tests import"),), by=By.PERSON
            )
        )
    return conclude("pipeline-components-modular", seen)


@probe("pipeline-ci")
def pipeline_ci(facts: Facts) -> Finding:
    """CI tests the code of training, or compiles the pipeline."""
    run = tests_in_ci(facts)
    by = By.ITSELF if run.state.holds else By.PERSON
    seen = []
    for test in tests_of(facts)[0]:
        below = facts.below((test.module.path, test.function.name), most=120)
        if not facts.training_keys.isdisjoint(below) or any(
            "pipeline" in parts_of(key[1]) for key in below if key[0] != test.module.path
        ):
            seen.append(
                Seen(
                    (
                        Evidence(
                            path=test.module.path, line=test.line, why=f"{test.function.name} runs code of the training"
                        ),
                        *run.evidence[:4],
                    ),
                    by=by,
                )
            )
    down = (
        []
        if seen
        else [
            Evidence(path=each.path, line=each.line, why="CI runs tests, and none of them touches training")
            for each in run.evidence[:1]
        ]
    )
    return conclude("pipeline-ci", seen, turned_down=down, wired_from=By.ITSELF)
