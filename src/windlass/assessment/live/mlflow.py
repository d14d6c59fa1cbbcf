"""What an MLflow tracking server proves, asked over its REST API. No MLflow need be installed."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from windlass.assessment.live.proof import Proof
from windlass.errors import UsageError

_SECONDS = 10
_MOST_EXPERIMENTS = 100


class MlflowServer:
    """A server by its address; token, or user and password, come from the environment as for MLflow's own client."""

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        self.address = address.rstrip("/")
        self.headers = {"Content-Type": "application/json"}
        token, user = environment.get("MLFLOW_TRACKING_TOKEN"), environment.get("MLFLOW_TRACKING_USERNAME")
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        elif user:
            pair = f"{user}:{environment.get('MLFLOW_TRACKING_PASSWORD', '')}"
            self.headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of the API; UsageError if the server does not answer it."""
        url = f"{self.address}/api/2.0/mlflow/{path}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data=data, headers=self.headers)  # noqa: S310 (the scheme is checked below)
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{self.address} is no address of a server", where="MLFLOW_TRACKING_URI")
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 (checked above)
                said = json.loads(answer.read())
        except (urllib.error.URLError, TimeoutError, json.JSONDecodeError) as error:
            raise UsageError(
                f"the MLflow server does not answer {path}: {error}",
                where=self.address,
                remedy="see that MLFLOW_TRACKING_URI names a server that can be reached, or leave out --live",
            ) from error
        return said if isinstance(said, dict) else {}


def proofs_of_mlflow(server: MlflowServer) -> Iterator[Proof]:
    """Runs, who made them, and the versions of models."""
    found = server.ask("experiments/search", {"max_results": _MOST_EXPERIMENTS})
    experiments = [each["experiment_id"] for each in found.get("experiments", [])]
    runs = _runs(server, experiments) if experiments else []
    if runs:
        at = _moment(runs[0]["info"].get("start_time"))
        info = runs[0]["info"]
        where = f"{server.address}/#/experiments/{info.get('experiment_id')}/runs/{info.get('run_id')}"
        yield Proof(practice="experiment-tracking", at=at, where=where, why="the newest run on the server")
        people = {_tag(run, "mlflow.user") for run in runs} - {""}
        if len(people) >= 2:
            why = f"runs of {len(people)} people or machines on one server"
            yield Proof(practice="tracking-centralized", at=at, where=where, why=why)
        committed = next((run for run in runs if _tag(run, "mlflow.source.git.commit")), None)
        if committed is not None:
            when = _moment(committed["info"].get("start_time"))
            yield Proof(
                practice="run-metadata-lineage", at=when, where=where, why="runs carry the commit of their code"
            )
    versions = server.ask("model-versions/search?max_results=100").get("model_versions", [])
    if versions:
        newest = max(versions, key=lambda each: int(each.get("creation_timestamp", 0)))
        where = f"{server.address}/#/models/{newest.get('name')}/versions/{newest.get('version')}"
        at = _moment(newest.get("creation_timestamp"))
        yield Proof(
            practice="model-registry",
            at=at,
            where=where,
            why=f"version {newest.get('version')} of {newest.get('name')}",
        )
        if newest.get("run_id"):
            yield Proof(practice="model-versioned", at=at, where=where, why="the version names the run that made it")


def _runs(server: MlflowServer, experiments: list[str]) -> list[dict[str, Any]]:
    body = {"experiment_ids": experiments, "max_results": 200, "order_by": ["attributes.start_time DESC"]}
    runs = server.ask("runs/search", body).get("runs", [])
    return [run for run in runs if isinstance(run, dict) and "info" in run]


def _tag(run: dict[str, Any], key: str) -> str:
    tags = run.get("data", {}).get("tags", [])
    return next((str(tag.get("value")) for tag in tags if tag.get("key") == key), "")


def _moment(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(int(milliseconds or 0) / 1000, UTC)
