"""What live systems prove, and how a proof ages."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from windlass.assessment.live.ledger import WATCHED, proofs_of_ledger
from windlass.assessment.live.mlflow import MlflowServer, holds_more, proofs_of_mlflow
from windlass.assessment.live.proof import HOLDS_FOR, Proof, with_proofs
from windlass.assessment.records import Evidence, Finding, State
from windlass.errors import UsageError
from windlass.records.decision import Decision
from windlass.records.event import (
    AlarmRaised,
    Body,
    ChampionChanged,
    Event,
    GateDecided,
    ReleaseFinished,
    ReleaseStarted,
    RunFinished,
    RunStarted,
    VersionRegistered,
)

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def decision(verdict: str) -> Decision:
    return Decision(judgement="gate", verdict=verdict, reasons=("so",), numbers={}, at=NOW)


def events(*bodies: Body, run: str | None = "r1", at: datetime = NOW) -> list[Event]:
    return [
        Event(sequence=n, at=at, product="p", run=run, actor="controller", body=body, previous="0" * 64, hash="0" * 64)
        for n, body in enumerate(bodies, start=1)
    ]


def loop(trigger: Any, verdict: str = "pass", outcome: Any = "promoted") -> list[Event]:
    return events(
        RunStarted(run="r1", trigger=trigger, reason="drift of x"),
        GateDecided(run="r1", against="v1", decision=decision(verdict)),
        VersionRegistered(version="v2", digest="d", run="r1", metrics={}),
        RunFinished(run="r1", outcome="registered", version="v2", seconds=1.0),
        ReleaseStarted(release="a", version="v2", previous="v1", run="r1", plan={}),
        ChampionChanged(version="v2", digest="d", previous="v1", release="a", reason="better"),
        ReleaseFinished(release="a", version="v2", outcome=outcome, decision=decision("advance")),
    )


def proven(found: list[Event]) -> set[str]:
    return {proof.practice for proof in proofs_of_ledger(found)}


class TestLedger:
    def test_a_loop_that_a_threshold_started_is_proven_whole(self) -> None:
        found = list(proofs_of_ledger(loop("drift")))
        by_practice = {proof.practice: proof for proof in found}
        assert {"ct-trigger-threshold", "closed-loop-retraining", "model-release-automated"} <= set(by_practice)
        assert by_practice["closed-loop-retraining"].at == NOW
        assert by_practice["closed-loop-retraining"].where == "ledger:7"

    def test_what_a_person_started_closes_no_loop(self) -> None:
        names = proven(loop("manual"))
        assert {"model-registry", "experiment-tracking", "training-scripted", "pipeline-orchestrated"} <= names
        assert names & {"training-automated", "ct-trigger-threshold", "closed-loop-retraining"} == set()
        assert names & {"model-evaluation-automated", "model-validation-gate"} == set()
        assert {"model-evaluation-automated", "model-validation-gate"} <= proven(loop("schedule"))

    def test_a_model_file_that_was_imported_proves_no_training(self) -> None:
        names = proven(events(VersionRegistered(version="v1", digest="d", run=None, metrics={}), run=None))
        assert "model-registry" in names
        assert names & {"experiment-tracking", "training-scripted", "pipeline-orchestrated"} == set()

    def test_a_schedule_is_no_threshold(self) -> None:
        names = proven(loop("schedule"))
        assert {"training-automated", "ct-trigger-schedule", "model-release-automated"} <= names
        assert names & {"ct-trigger-threshold", "closed-loop-retraining"} == set()

    @pytest.mark.parametrize(("verdict", "outcome"), [("reject", "promoted"), ("pass", "rolled_back")])
    def test_without_gate_or_promotion_no_release_is_proven(self, verdict: str, outcome: str) -> None:
        names = proven(loop("drift", verdict, outcome))
        assert names & {"model-release-automated", "closed-loop-retraining"} == set()
        assert ("rollback-service-model" in names) == (outcome == "rolled_back")

    @pytest.mark.parametrize("outcome", ["unchanged", "recalled", "done"])
    def test_a_run_that_fitted_nothing_proves_no_training(self, outcome: Any) -> None:
        """A schedule over a table that has not changed for a year."""
        begun = RunStarted(run="r1", trigger="schedule", reason="it is time")
        assert proven(events(begun, RunFinished(run="r1", outcome=outcome, seconds=1.0))) == set()
        tried = events(begun, RunFinished(run="r1", outcome="rejected", seconds=1.0))
        assert proven(tried) == {"training-automated", "ct-trigger-schedule"}

    def test_alarms_prove_what_they_watch(self) -> None:
        alarm = AlarmRaised(alarm="a", signal="drift", version="v1", decision=decision("alarm"))
        assert proven(events(alarm, run=None)) == {"drift-monitoring"}


class TestAge:
    FINDINGS = {
        name: Finding(id=name, state=State.WIRED, evidence=(Evidence(path="ci.yml", line=3, why="cron"),))
        for name in ("training-automated", "model-registry")
    }

    def amended(self, age: timedelta) -> dict[str, Finding]:
        proofs = [
            Proof(practice=name, at=NOW - age, where="ledger:1", why="it happened")
            for name in ("training-automated", "model-registry")
        ]
        return with_proofs(self.FINDINGS, proofs, watched=["training-automated"], now=NOW)

    def test_a_recent_proof_is_dated(self) -> None:
        found = self.amended(timedelta(days=89))["training-automated"]
        assert found.state is State.PROVEN
        assert found.evidence[0].at == (NOW - timedelta(days=89)).isoformat()

    def test_it_holds_to_the_last_day(self) -> None:
        assert self.amended(HOLDS_FOR)["model-registry"].state is State.PROVEN

    def test_an_old_one_is_history(self) -> None:
        found = self.amended(timedelta(days=91))
        assert found["model-registry"].state is State.WIRED
        assert "more than 90 days ago" in found["model-registry"].turned_down[-1].why

    def test_a_cron_that_no_longer_runs_lowers_its_claim(self) -> None:
        found = self.amended(timedelta(days=91))["training-automated"]
        assert found.state is State.PRESENT
        assert "did not happen" in found.turned_down[0].why

    def test_so_does_one_that_never_ran(self) -> None:
        found = with_proofs(self.FINDINGS, [], watched=WATCHED_HERE, now=NOW)
        assert found["training-automated"].state is State.PRESENT
        assert "(never)" in found["training-automated"].turned_down[0].why
        assert found["model-registry"].state is State.WIRED

    def test_what_a_server_of_many_shows_counts_where_the_files_show_something(self) -> None:
        proof = Proof(practice="model-registry", at=NOW, where="http://m", why="version 3", shared="model-registry")
        absent = {"model-registry": Finding(id="model-registry", state=State.ABSENT)}
        found = with_proofs(absent, [proof], watched=[], now=NOW)["model-registry"]
        assert found.state is State.ABSENT
        assert "may be that of others" in found.turned_down[0].why
        declared = {"model-registry": Finding(id="model-registry", state=State.DECLARED)}
        assert with_proofs(declared, [proof], watched=[], now=NOW)["model-registry"].state is State.PROVEN

    @pytest.mark.parametrize(
        ("tracking", "age", "tracked", "state"),
        [
            (State.WIRED, None, True, State.PRESENT),  # all its runs were deleted
            (State.WIRED, timedelta(days=91), True, State.PRESENT),
            (State.WIRED, timedelta(days=89), True, State.WIRED),  # of somebody: it may have been this
            (State.PRESENT, None, True, State.WIRED),  # what is started by itself logs nothing
            (State.WIRED, None, False, State.WIRED),
        ],
    )
    def test_a_tracker_without_runs_lowers_what_logs_to_it(
        self, tracking: State, age: timedelta | None, tracked: bool, state: State
    ) -> None:
        findings = {**self.FINDINGS, "experiment-tracking": Finding(id="experiment-tracking", state=tracking)}
        runs = [Proof(practice="experiment-tracking", at=NOW - age, where="http://m", why="a run")] if age else []
        found = with_proofs(findings, runs, watched=[], now=NOW, tracked=tracked)
        assert found["training-automated"].state is state
        assert found["model-registry"].state is State.WIRED

    def test_where_nobody_watches_nothing_is_lowered(self) -> None:
        assert with_proofs(self.FINDINGS, [], watched=[], now=NOW) == self.FINDINGS


WATCHED_HERE = [name for name in WATCHED if name in TestAge.FINDINGS]
ANSWERS: dict[str, Any] = {
    "experiments/search": {"experiments": [{"experiment_id": "7"}]},
    "runs/search": {
        "runs": [
            {
                "info": {"run_id": "a", "experiment_id": "7", "start_time": 1_790_000_000_000},
                "data": {
                    "tags": [{"key": "mlflow.user", "value": "ann"}, {"key": "mlflow.source.git.commit", "value": "c"}]
                },
            },
            {
                "info": {"run_id": "b", "experiment_id": "7", "start_time": 1_780_000_000_000},
                "data": {"tags": [{"key": "mlflow.user", "value": "ci"}]},
            },
        ]
    },
    "model-versions/search": {
        "model_versions": [{"name": "m", "version": "3", "creation_timestamp": 1_790_000_000_000, "run_id": "a"}]
    },
}


@pytest.fixture
def server() -> Iterator[str]:
    """A server that speaks the part of MLflow's API that is asked, and wants a token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.removeprefix("/api/2.0/mlflow/").partition("?")[0]
            known = ANSWERS.get(path) if self.headers["Authorization"] == "Bearer t" else None
            self.send_response(200 if known is not None else 401)
            self.end_headers()
            self.wfile.write(json.dumps(known).encode())

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


class TestMlflow:
    def test_runs_people_and_versions_are_proven(self, server: str) -> None:
        found = {each.practice: each for each in proofs_of_mlflow(MlflowServer(server, {"MLFLOW_TRACKING_TOKEN": "t"}))}
        assert set(found) == {
            "experiment-tracking",
            "tracking-centralized",
            "run-metadata-lineage",
            "model-registry",
            "model-versioned",
        }
        assert found["experiment-tracking"].where == f"{server}/#/experiments/7/runs/a"
        assert found["model-registry"].at == datetime.fromtimestamp(1_790_000_000, UTC)

    def test_whether_all_its_experiments_are_looked_at(self, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = MlflowServer(server, {"MLFLOW_TRACKING_TOKEN": "t"})
        assert not holds_more(asked)
        monkeypatch.setitem(ANSWERS, "experiments/search", {"experiments": [], "next_page_token": "more"})
        assert holds_more(asked)

    def test_one_that_does_not_answer_is_told_with_the_remedy(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and nobody listens there
            address = f"http://127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(UsageError, match="does not answer") as caught:
                list(proofs_of_mlflow(MlflowServer(address, {})))
        assert "MLFLOW_TRACKING_URI" in str(caught.value)

    def test_one_that_wants_a_token_says_which_variable_holds_it(self, server: str) -> None:
        with pytest.raises(UsageError, match="401") as caught:
            list(proofs_of_mlflow(MlflowServer(server, {})))
        assert "MLFLOW_TRACKING_TOKEN" in str(caught.value)

    def test_a_password_in_the_address_is_used_and_shown_nowhere(self) -> None:
        server = MlflowServer("https://ann:p%40ss@tracking.example:8443/base/", {})
        assert server.address == "https://tracking.example:8443/base"
        assert base64.b64decode(server.headers["Authorization"].removeprefix("Basic ")) == b"ann:p@ss"

    @pytest.mark.parametrize("address", ["http://", "sqlite:///mlflow.db", "databricks", "https://ann:secret@"])
    def test_what_is_no_address_is_refused(self, address: str) -> None:
        with pytest.raises(UsageError, match="no address of a server") as caught:
            MlflowServer(address, {})
        assert "secret" not in str(caught.value)

    def test_nor_is_a_port_that_is_no_number(self) -> None:
        with pytest.raises(UsageError, match="does not answer"):
            MlflowServer("http://127.0.0.1:port", {}).ask("experiments/search")
