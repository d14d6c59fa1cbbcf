"""Data: where they come from, where they lie, and in which version."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.automatic import automatic_routes
from windlass.assessment.automation.workflow import mapping, text_of
from windlass.assessment.cloud import declared
from windlass.assessment.facts import Facts, Seen, conclude, seen_run
from windlass.assessment.probes.probe import probe
from windlass.assessment.r import called_in_r, r_calls
from windlass.assessment.reach.engines import dvc_stages
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import Call, last_of
from windlass.assessment.reading.lines import line_at
from windlass.assessment.reading.yaml import Map
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import parts_of

_MODELS = re.compile(r"model|\.pkl|\.joblib|\.pt\b|\.pth|\.h5|\.onnx|checkpoint|weights", re.IGNORECASE)
_OF_MODELS = re.compile(r"(^|/)(models?|checkpoints?|weights)/[^/]+$", re.IGNORECASE)
_DATA = re.compile(
    r"data|\.csv|\.parquet|\.xml|\.json|\.feather|\.zip|raw|features|images?|corpus|\.tsv|\.tar|\.txt|train|test",
    re.IGNORECASE,
)
_DATA_FILES = re.compile(r"\.(csv|parquet|zip|gz|tsv|feather|h5|jpg|png|npy|npz|xlsx?|json|tar)\b|data", re.IGNORECASE)


def _dvc(facts: Facts) -> Iterator[Seen]:
    for path in facts.project.paths:
        name = path.rpartition("/")[2]
        if name.endswith(".dvc") and name != ".dvc" and not path.startswith(".dvc/"):
            text = facts.project.text(path)
            if re.search(r"^\s*-?\s*(md5|etag|checksum|hash|repo|rev_lock):", text, re.MULTILINE) and not (
                _MODELS.search(name) or _OF_MODELS.search(path)
            ):
                yield Seen(
                    (Evidence(path=path, line=1, why="DVC keeps the data under their digest"), *_remote(facts)),
                    by=By.PERSON,
                )
        elif name == "dvc.lock":
            tracked = _tracked(facts, path)
            if tracked:
                yield Seen(
                    (
                        Evidence(path=path, line=tracked, why="the digests of the data that stages read and made"),
                        *_remote(facts),
                    ),
                    by=By.PERSON,
                )


def _tracked(facts: Facts, path: str) -> int:
    """Line of a digest of data in a lock of DVC, or 0."""
    declared = {name for _, name, *_ in dvc_stages(facts.project)}
    for document in facts.project.yaml(path)[:1]:
        for name, stage in mapping(mapping(document).get("stages")).items():
            for key in ("deps", "outs"):
                for each in mapping(stage).get(key) or ():
                    place = text_of(mapping(each).get("path"))
                    if (
                        "md5" in mapping(each)
                        and _DATA.search(place)
                        and not _MODELS.search(place)
                        and not place.endswith((".py", ".R", ".sh", "metrics.json"))
                        and (name in declared or not declared)
                    ):
                        return int(mapping(each).line_of("md5"))
    return 0


def _remote(facts: Facts) -> tuple[Evidence, ...]:
    for path in (".dvc/config",):
        text = facts.project.text(path) if path in facts.project.tree else ""
        if "[" in text and "remote" in text:
            return (Evidence(path=path, line=1, why="with a remote"),)
    return ()


_PICTURE = re.compile(r"\.(png|jpe?g|gif|svg)$", re.IGNORECASE)
_PLACE_OF_DATA = frozenset({"data", "dataset", "datasets", "train", "training", "test", "val", "raw", "samples"})
"""Pictures elsewhere are those of a page."""


def _lfs(facts: Facts) -> Iterator[Seen]:
    for path in facts.project.named(".gitattributes"):
        for number, line in enumerate(facts.project.text(path).splitlines(), start=1):
            if (
                "filter=lfs" in line
                and not line.lstrip().startswith("#")
                and _DATA_FILES.search(line.split()[0])
                and not _MODELS.search(line.split()[0])
            ):
                pattern = line.split()[0]
                held = [each for each in facts.project.paths if _matches(pattern, each)]
                if any(not _PICTURE.search(each) or _PLACE_OF_DATA & parts_of(each) for each in held):
                    yield Seen((Evidence(path=path, line=number, why=f"Git LFS keeps {pattern}"),), by=By.PERSON)


def _matches(pattern: str, path: str) -> bool:
    from fnmatch import fnmatch

    return (
        fnmatch(path, pattern) or fnmatch(path.rpartition("/")[2], pattern) or fnmatch(path, f"{pattern.rstrip('/')}/*")
    )


_TIME_TRAVEL = frozenset({"versionAsOf", "timestampAsOf", "load_as_version", "as_of"})


_REGISTERED = re.compile(
    r"(azureml\.core.*Dataset\.\w*register\w*|azureml\.(?!.*\bModel\b).*\.register(_on_complete)?$|azure\.ai\.ml\..*data\.create_or_update|azure\.ai\.ml\.entities\.Data$|"
    r"Dataset\.create_version|aiplatform\.\w*Dataset\.create|clearml\.Dataset\.create|hub\.create_dataset)"
)
_LAKE_FS = frozenset({"commit", "commits", "upload", "merge"})
_KINDS_OF_DATA = ("dataset", "data", "raw_data", "raw-data", "preprocessed_data")


def _tables(facts: Facts) -> Iterator[Seen]:
    for place in facts.named(_may_pin):
        call, sighting = place[2], facts.sight(place)
        by_hand = sighting.module.is_notebook and sighting.by < By.ITSELF  # what a person clicked ties no model to it
        if _pinning(call) and sighting.route is not None and not by_hand:
            yield sighting.seen("a version of the data is made or pinned")


def _may_pin(name: str) -> bool:
    return last_of(name) in ("option", "load_as_version", "get_by_name", *_LAKE_FS) or bool(
        name == "wandb.Artifact" or name.startswith("deltalake.DeltaTable") or _REGISTERED.search(name)
    )


def _pinning(call: Call) -> bool:
    if call.last == "option":
        return bool(call.args) and call.args[0] in _TIME_TRAVEL
    if call.last == "get_by_name":
        return call.name.startswith("azureml.") and (len(call.args) > 2 or call.has("version"))
    if call.name == "wandb.Artifact":
        return (call.kwarg("type") or (call.args[1] if len(call.args) > 1 else "")) in _KINDS_OF_DATA
    if call.name.startswith("deltalake.DeltaTable") and call.has("version"):
        return True
    if call.last in _LAKE_FS and call.name.startswith(("lakefs", "lakefs_client")):
        return True
    return bool(call.last == "load_as_version" or _REGISTERED.search(call.name))


def _assets(facts: Facts) -> Iterator[Seen]:
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path)[:1]:
            top = mapping(document)
            schema = text_of(top.get("$schema"))
            if ("azureml" in schema and re.search(r"/data\.schema|asset/data", schema)) or (
                text_of(top.get("type")) in ("uri_file", "uri_folder", "mltable") and "path" in top and "name" in top
            ):
                yield Seen((Evidence(path=path, line=top.line, why="a data asset with versions"),), by=By.PERSON)
            if "catalog" in path and not facts.project.modules.is_test(path):
                yield from _catalogued(path, top)
            if "repo" in top and "pach" in str(top.get("transform")):
                yield Seen((Evidence(path=path, line=top.line, why="a pipeline of Pachyderm"),), by=By.PERSON)


_OF_ROWS = re.compile(r"(CSV|Parquet|Excel|JSON|Feather|HDF|Delta|ORC|Table)Data[Ss]et$")


def _catalogued(path: str, top: Map) -> Iterator[Seen]:
    """Data sets of Kedro's catalog that keep each version; models and metrics are none."""
    for name, given in top.items():
        about = mapping(given)
        if text_of(about.get("versioned")) != "true" or not _OF_ROWS.search(text_of(about.get("type"))):
            continue
        if not parts_of(name) & {"model", "regressor", "classifier", "metrics", "predictions", "report"}:
            yield Seen((Evidence(path=path, line=about.line, why=f"each version of {name} is kept"),), by=By.PERSON)


_HISTORY = re.compile(r"^\s*describe\s+history\b", re.IGNORECASE)
_NOTES = frozenset({"log_param", "log_params", "set_tag", "set_tags"})
_OF_TABLE = frozenset({"delta", "table", "data", "dataset", "iceberg"})


def _noted(facts: Facts) -> Iterator[Seen]:
    """The version of a table, asked of its history, that is kept with the run that it trains."""
    asked = [
        function
        for module, function in facts.functions
        if any(map(_HISTORY.match, function.words.split("\n")))
        or any(call.last == "history" and "DeltaTable" in call.name for call in function.calls)
    ]
    for place in facts.named(lambda name: last_of(name) in _NOTES) if asked else ():
        said = [*place[2].values, *(place[1].words.split("\n") if place[2].last.endswith("s") else ())]
        if any({"version"} < parts_of(word) and parts_of(word) & _OF_TABLE for word in said):
            sighting = facts.sight(place)
            if sighting.by > By.NOBODY:
                yield sighting.seen("the version of the table is kept with the run")


_DIGESTS = frozenset({"sha256", "md5", "sha1", "hash_pandas_object", "blake2b", "xxh64"})
_COPIES = frozenset(
    {
        "copy", "copy2", "copytree", "to_parquet", "to_csv", "copyfile", "write_parquet", "upload_file",
        "put_object", "symlink",
    }
)  # fmt: skip


def _snapshots(facts: Facts) -> Iterator[Seen]:
    """Code that keeps a copy of the data of each training under a name of its own, with a manifest or a digest."""
    for module, function in facts.functions:
        if module.is_notebook:
            continue
        parts = parts_of(function.name.rpartition(".")[2])
        subject = parts & {"data", "dataset", "datasets", "training", "snapshot", "features"}
        act = parts & {"snapshot", "version", "versioned", "versioning", "freeze"}
        if not (subject and act) or function.stub:
            continue
        below = [
            call
            for key in facts.below((module.path, function.name), most=20)
            for call in facts.project.modules.function(key).calls
        ]
        copies = any(call.last in _COPIES or "copy" in parts_of(call.last) for call in below)
        marks = any(
            call.last in _DIGESTS or call.last in ("dump", "write_text", "isoformat", "strftime") for call in below
        )
        route = facts.route(module, function)
        if copies and marks and route is not None:
            yield Seen(
                (
                    Evidence(path=module.path, line=function.line, why=f"{function.name} keeps the data of each run"),
                    *route.evidence,
                ),
                by=route.by,
            )


def _pins(facts: Facts) -> Iterator[Seen]:
    """Pins of R on a board that keeps their versions."""
    boards = {call.path for call in r_calls(facts) if re.search(r"versioned\s*=\s*T(RUE)?\b", call.given)}
    for seen in called_in_r(facts, frozenset({"pin_write", "pin_upload"}), "the data are pinned with their versions"):
        if seen.evidence[0].path in boards:
            yield seen


_REGISTERS_DATA = (("az", "ml", "data", "create"), ("az", "ml", "dataset", "register"))


@probe("data-versioned")
def data_versioned(facts: Facts) -> Finding:
    """Training data have versions by content, which a model can be tied to."""
    seen = [*_dvc(facts), *_lfs(facts), *_tables(facts), *_assets(facts), *_snapshots(facts), *_pins(facts)]
    seen += list(_noted(facts))
    seen += [seen_run(run) for run in facts.runs(lambda argv: argv[:4] in _REGISTERS_DATA)]
    pulls = [
        run
        for run in facts.runs(lambda argv: argv[0] == "dvc" and argv[1:2] in (("pull",), ("repro",), ("fetch",)))
        if run.route.by is By.ITSELF
    ]
    if pulls:
        seen = [Seen((*each.evidence, pulls[0].evidence), by=By.ITSELF) for each in seen]
    down: list[Evidence] = []
    if not seen:
        down += [
            Evidence(path=".dvc", line=1, why="DVC is set up, and no data are tracked")
            for path in facts.project.paths
            if path.startswith(".dvc/")
        ][:1]
        down += [
            Evidence(path=path, line=1, why="a filter of git that is not LFS")
            for path in facts.project.named(".gitattributes")
            if "filter=" in facts.project.text(path)
        ]
        down += [
            Evidence(path=path, line=1, why="data in plain git: no version is tied to a model")
            for path in facts.project.named(".csv", ".parquet")[:2]
        ]
    return conclude(
        "data-versioned",
        seen,
        turned_down=down,
        declared=facts.listed("dvc", "lakefs", "deltalake") if not seen else (),
        wired_from=By.ITSELF,
    )


_EXTRACTS = re.compile(
    r"(requests\.get|urllib\.request\.\w+|httpx\.get|read_sql\w*|read_gbq|boto3\..*(download_file|get_object)|storage\..*download\w*|kaggle\.\w+\.dataset_download\w*|load_dataset|yfinance\.\w+|read_database|snowflake\..*|bigquery\..*query|dlt\.\w*\.?(pipeline|run)|kafka\..*|fetch_openml)$"
)


@probe("data-ingestion-automated")
def ingestion(facts: Facts) -> Finding:
    """Code fetches training data, and something starts it."""
    seen = []
    subjects = {
        "data", "ingest", "ingestion", "extract", "etl", "fetch", "download", "load", "source", "dataset", "bronze",
        "raw", "pipeline", "flow", "train", "training",
    }  # fmt: skip
    serving = {"predict", "client", "frontend"}
    for place in facts.named(_EXTRACTS.search):
        sighting = facts.sight(place)
        words = parts_of(f"{sighting.function.name} {sighting.module.path}")
        by_hand = sighting.module.is_notebook and sighting.by < By.ITSELF
        if words & subjects and not words & serving and sighting.route is not None and not by_hand:
            here = Evidence(
                path=sighting.module.path, line=sighting.call.line, why=f"{sighting.call.last}: fetches data"
            )
            seen.append(Seen((here, *sighting.route.evidence), by=sighting.by))
    for path, name, line, text, _, _ in dvc_stages(facts.project):
        if parts_of(f"{name} {text}") & {"download", "ingest", "extract", "fetch", "get", "collect"}:
            seen.append(Seen((Evidence(path=path, line=line, why=f"stage {name} fetches data"),), by=By.PERSON))
    for path in facts.project.named("dbt_project.yml", "meltano.yml"):
        seen.append(Seen((Evidence(path=path, line=1, why="a project that moves data"),), by=By.PERSON))
    down = (
        [
            Evidence(path=path, line=1, why="one file that somebody put there")
            for path in facts.project.named(".csv")[:2]
        ]
        if not seen
        else []
    )
    return conclude("data-ingestion-automated", seen, turned_down=down, wired_from=By.ITSELF)


_REMOTE = re.compile(
    r"^(s3a?|gs|abfss?|wasbs?|azureml|dbfs|hdfs|r2|minio)://|^https://\w+\.blob\.core|^hf://|\.s3[.-][\w-]*\.?amazonaws\.com"
)


_CLIENTS = re.compile(
    r"boto3\.(client|resource)|storage\.Client|BlobServiceClient|s3fs\.S3FileSystem|gcsfs\.GCSFileSystem|"
    r"hf_hub_download|snapshot_download"
)


@probe("data-shared-storage")
def shared_storage(facts: Facts) -> Finding:
    """Data lie in a shared store: an address of one, a remote of DVC, a bucket that is declared."""
    places = [*facts.addressed(_REMOTE), *facts.named(_CLIENTS.search)]
    seen = [
        sighting.seen("data in a shared store")
        for place in {id(place[2]): place for place in places}.values()
        if (sighting := facts.sight(place)).route is not None
    ]
    if ".dvc/config" in facts.project.tree:
        text = facts.project.text(".dvc/config")
        found = re.search(r"url\s*=\s*(\S+)", text)
        if found and re.match(r"(s3|gs|azure|https?|ssh|gdrive|hdfs|webdav|abfs)", found[1]):
            seen.append(
                Seen(
                    (
                        Evidence(
                            path=".dvc/config",
                            line=line_at(text, found.start()),
                            why=f"a remote of DVC: {found[1][:60]}",
                        ),
                    ),
                    by=By.PERSON,
                )
            )
    stores = ("AWS::S3::Bucket", "aws_s3_bucket", "google_storage_bucket", "azurerm_storage_account")
    seen += declared(facts, "a shared store", *stores)
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path)[:1]:
            if (
                isinstance(document, Map)
                and "azureml" in text_of(document.get("$schema"))
                and _REMOTE.search(text_of(document.get("path")))
            ):
                seen.append(
                    Seen(
                        (Evidence(path=path, line=document.line_of("path"), why="data in the store of the workspace"),),
                        by=By.PERSON,
                    )
                )
    automatic = bool(automatic_routes(facts))
    seen = [Seen(each.evidence, by=max(each.by, By.REQUEST) if automatic else each.by) for each in seen]
    return conclude("data-shared-storage", seen)
