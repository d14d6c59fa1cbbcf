"""What was asked and answered, and what came true."""

from __future__ import annotations

from collections.abc import Iterator

from windlass.assessment.facts import Facts, Seen, Sighting, conclude
from windlass.assessment.probes.probe import probe
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.yaml import Map
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import parts_of

_STORES = frozenset(
    {
        "to_sql", "execute", "insert", "insert_one", "insert_many", "add", "put_record", "put_item", "put_object",
        "send", "produce", "insert_rows_json", "write", "writerow", "append", "to_csv", "lpush", "xadd", "publish",
        "save", "log_model_input", "log_prediction",
    }
)  # fmt: skip


def captures(facts: Facts) -> Iterator[Sighting]:
    """Calls on the way of a request that keep what was asked and answered."""
    from windlass.assessment.probes.serving import scoring_modules

    for path in sorted(scoring_modules(facts)):
        module = facts.project.modules.by_path[path]
        for name in module.functions:
            for key in facts.below((path, name), most=80):
                inner = facts.project.modules.by_path[key[0]]
                function = inner.functions[key[1]]
                parts = parts_of(key[1].rpartition(".")[2])
                named = parts & {
                    "prediction",
                    "predictions",
                    "inference",
                    "request",
                    "response",
                    "capture",
                } and parts & {"log", "save", "store", "record", "capture", "write", "insert", "persist", "publish"}
                if not named or function.stub:
                    continue
                for call in function.calls:
                    if call.last in _STORES:
                        yield Sighting(inner, function, call, facts.route(inner, function))
                        break


@probe("production-data-captured")
def production_data(facts: Facts) -> Finding:
    """Requests and answers are kept."""
    seen = [each.seen(f"{each.function.name} keeps what was asked and answered") for each in captures(facts)]
    kept = [*facts.calls("DataCaptureConfig", "DataCollector", "Collector")]
    kept += map(facts.sight, facts.given("data_capture_config"))
    seen += [sighting.seen("the platform keeps requests") for sighting in kept]
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path):
            if isinstance(document, Map) and "data_collector" in document:
                seen.append(
                    Seen(
                        (
                            Evidence(
                                path=path, line=document.line_of("data_collector"), why="the platform keeps requests"
                            ),
                        ),
                        by=By.PERSON,
                    )
                )
    return conclude("production-data-captured", seen)


@probe("labels-captured")
def labels_captured(facts: Facts) -> Finding:
    """What came true is collected and joined to what was predicted."""
    seen = []
    for module, function in facts.functions:
        parts = parts_of(function.name.rpartition(".")[2])
        if (
            parts & {"label", "labels", "outcome", "outcomes", "feedback", "truth", "actuals", "actual"}
            and parts
            & {
                "join",
                "collect",
                "ingest",
                "record",
                "save",
                "store",
                "log",
                "merge",
                "backfill",
                "submit",
                "attach",
                "append",
                "add",
            }
            and not function.stub
        ):
            route = facts.route(module, function)
            if route is not None and not module.is_notebook:
                here = Evidence(path=module.path, line=function.line, why=f"{function.name} collects what came true")
                seen.append(Seen((here, *route.evidence), by=route.by))
    return conclude("labels-captured", seen)
