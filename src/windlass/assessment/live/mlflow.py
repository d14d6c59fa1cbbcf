"""What an MLflow tracking server proves, asked over its REST API. No MLflow need be installed."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from windlass.assessment.live.proof import Proof
from windlass.errors import UsageError

_SECONDS = 10
_MOST_EXPERIMENTS = 100
_MOST_BYTES = 50_000_000
"""Of an answer: what is longer is none of a tracking server."""


class MlflowServer:
    """A server by its address; token, or user and password, come from the environment as for MLflow's own client."""

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        scheme, _, place = address.rstrip("/").partition("://")
        named, _, host = place.rpartition("@")  # `https://user:password@host`: no report may show it
        if scheme not in ("http", "https") or not host:
            raise UsageError(
                f"{address.rpartition('@')[2]!r} is no address of a server",
                where="MLFLOW_TRACKING_URI",
                remedy="name it as http://host:port or https://host",
            )
        self.address = f"{scheme}://{host}"
        self.headers = {"Content-Type": "application/json"}
        user, _, password = map(urllib.parse.unquote, named.partition(":"))
        user = user or environment.get("MLFLOW_TRACKING_USERNAME", "")
        password = password or environment.get("MLFLOW_TRACKING_PASSWORD", "")
        token = environment.get("MLFLOW_TRACKING_TOKEN")
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        elif user:
            pair = f"{user}:{password}"
            self.headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the API; UsageError if the server does not answer it."""
        url = f"{self.address}/api/2.0/mlflow/{path}"
        data = json.dumps(body).encode() if body is not None else None
        try:
            request = urllib.request.Request(url, data=data, headers=self.headers)  # noqa: S310 (checked when made)
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 (checked when made)
                said = json.loads(answer.read(_MOST_BYTES))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UsageError(
                f"the MLflow server does not answer {path}: {error}", where=self.address, remedy=_remedy(error)
            ) from error
        return said if isinstance(said, dict) else {}


def _remedy(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError) and error.code in (401, 403):
        return "set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    return "see that MLFLOW_TRACKING_URI names a server that can be reached, or leave out --live"


def proofs_of_mlflow(server: MlflowServer) -> Iterator[Proof]:
    """Runs, who made them, and the versions of models: this project's where its files show a tracker, a registry."""
    found = server.ask("experiments/search", {"max_results": _MOST_EXPERIMENTS})
    experiments = [each["experiment_id"] for each in found.get("experiments", [])]
    runs = _runs(server, experiments) if experiments else []
    for practice, at, where, why in _of_runs(server.address, runs):
        yield Proof(practice=practice, at=at, where=where, why=why, shared="experiment-tracking")
    versions = server.ask("model-versions/search?max_results=100").get("model_versions", [])
    for practice, at, where, why in _of_versions(server.address, versions):
        yield Proof(practice=practice, at=at, where=where, why=why, shared="model-registry")


def holds_more(server: MlflowServer) -> bool:
    """Whether there are experiments beyond those that are looked at, so that a run may be missed."""
    found = server.ask("experiments/search", {"max_results": _MOST_EXPERIMENTS})
    return bool(found.get("next_page_token"))


_Shown = tuple[str, datetime, str, str]
"""A practice, when it was seen, where, and why that shows it."""


def _of_runs(address: str, runs: list[dict[str, Any]]) -> Iterator[_Shown]:
    """What the runs show, the newest of them first."""
    if not runs:
        return
    at, where = _started(address, runs[0])
    yield "experiment-tracking", at, where, "the newest run on the server"
    people = {_tag(run, "mlflow.user") for run in runs} - {""}
    if len(people) >= 2:
        yield "tracking-centralized", at, where, f"runs of {len(people)} people or machines on one server"
    committed = next((run for run in runs if _tag(run, "mlflow.source.git.commit")), None)
    if committed is not None:
        yield "run-metadata-lineage", *_started(address, committed), "runs carry the commit of their code"


def _started(address: str, run: dict[str, Any]) -> tuple[datetime, str]:
    """When a run began, and where it is shown."""
    info = run["info"]
    page = f"{address}/#/experiments/{info.get('experiment_id')}/runs/{info.get('run_id')}"
    return _moment(info.get("start_time")), page


def _of_versions(address: str, versions: list[dict[str, Any]]) -> Iterator[_Shown]:
    """What the newest version in the registry shows."""
    if not versions:
        return
    newest = max(versions, key=lambda each: int(each.get("creation_timestamp", 0)))
    where = f"{address}/#/models/{newest.get('name')}/versions/{newest.get('version')}"
    at = _moment(newest.get("creation_timestamp"))
    yield "model-registry", at, where, f"version {newest.get('version')} of {newest.get('name')}"
    if newest.get("run_id"):
        yield "model-versioned", at, where, "the version names the run that made it"


def _runs(server: MlflowServer, experiments: list[str]) -> list[dict[str, Any]]:
    body = {"experiment_ids": experiments, "max_results": 200, "order_by": ["attributes.start_time DESC"]}
    runs = server.ask("runs/search", body).get("runs", [])
    return [run for run in runs if isinstance(run, dict) and "info" in run]


def _tag(run: dict[str, Any], key: str) -> str:
    tags = run.get("data", {}).get("tags", [])
    return next((str(tag.get("value")) for tag in tags if tag.get("key") == key), "")


def _moment(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(int(milliseconds or 0) / 1000, UTC)
