"""Every command against one real workspace: made, trained, served by hand-written segments, judged, rolled back."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from windlass.lake.segments import SegmentWriter
from windlass.records.capture import OutcomeBatch, OutcomeRow, PredictionBatch
from windlass.records.paths import Paths

TRAINED_TWICE = 2
# The command, which goes no further once rows are answered: until the signal comes, however late.
HALF_WAY = """
import threading
from windlass.cli import main, progress

def wait(*_):
    print("half way", flush=True)
    while not threading.Event().wait(0.01):  # a wait without end is not interrupted where polars has the signal
        continue

progress.RowsDisplay.show = wait
main.main()
"""


@pytest.fixture(scope="session")
def as_json(windlass) -> Callable[..., Any]:
    return lambda *words, at: json.loads(windlass(*words, "--json", at=at).stdout)


@pytest.fixture(scope="module")
def project(windlass, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two versions, one captured answer and its outcome in segments that no controller has seen."""
    home = tmp_path_factory.mktemp("commands")
    windlass("init", "tumours", at=home)
    folder = home / "tumours"
    windlass("train", "--reason", "first", at=folder)
    windlass("train", "--force", "--reason", "again", at=folder)
    capture_one(folder)
    return folder


def capture_one(folder: Path) -> None:
    row = pl.read_csv(folder / "data" / "history.csv").drop("malignant").row(0, named=True)
    at = datetime.now(UTC)
    writer = SegmentWriter(Paths(folder / ".windlass").segments("tumours") / "w0", durability="process")
    writer.append(
        PredictionBatch(
            request_id="r-1",
            at=at,
            version="v1",
            stage="champion",
            latency_ms=1.0,
            ids=("p-1",),
            keys=(row["sample_id"],),
            event_times=(at,),
            scores=(0.9,),
            rows=(json.dumps(row).encode(),),
        )
    )
    outcome = OutcomeRow(prediction_id="p-1", value=True, observed_at=at)
    writer.append(OutcomeBatch(request_id="r-2", received_at=at, outcomes=(outcome,)))
    writer.close()


def test_versions_tell_their_roles(as_json, project: Path) -> None:
    rows = as_json("versions", at=project)
    assert [row["version"] for row in rows][:TRAINED_TWICE] == ["v1", "v2"]
    assert rows[0]["role"] == "champion"


def test_runs_tell_why_and_how_they_ended(as_json, project: Path) -> None:
    rows = as_json("runs", at=project)
    assert [row["reason"] for row in rows][:TRAINED_TWICE] == ["ada: first", "ada: again"]
    assert {row["outcome"] for row in rows} == {"registered"}
    assert all(row["gate"] == "pass" for row in rows)


def test_two_versions_are_set_side_by_side(windlass, project: Path) -> None:
    comparison = json.loads(windlass("runs", "compare", "v1", "v2", "--json", at=project).stdout)
    metrics = {row["name"] for row in comparison["rows"] if row["group"] == "metric"}
    assert any("roc_auc" in name for name in metrics)
    assert "reason" in windlass("runs", "compare", "v1", "v2", at=project).stdout


def test_status_names_champion_and_release(as_json, project: Path) -> None:
    (row,) = as_json("status", at=project)
    assert row["champion"] == "v1"
    assert row["release"] == "v2 in shadow"


def test_what_is_held_is_held_once_and_goes_on_again(as_json, windlass, project: Path) -> None:
    windlass("pause", "--reason", "a holiday", at=project)
    assert as_json("status", at=project)[0]["paused"] == "a holiday"
    windlass("resume", "--reason", "back", at=project)
    assert as_json("status", at=project)[0]["paused"] is None
    refused = windlass("resume", "--reason", "again", at=project, expect=2)
    assert "not paused" in refused.stderr


def test_promotion_and_rollback_by_hand_are_kept_with_name_and_reason(as_json, windlass, project: Path) -> None:
    windlass("promote", "v2", "--reason", "trust me", at=project)
    (row,) = as_json("status", at=project)
    over = datetime.fromisoformat(row["since"]) + timedelta(days=7)
    assert (row["champion"], row["release"]) == ("v2", f"v2 on probation until {over:%Y-%m-%d %H:%M} UTC")
    windlass("rollback", "--reason", "changed my mind", at=project)
    assert as_json("status", at=project)[0]["champion"] == "v1"
    asked = [row for row in as_json("events", "-n", "200", at=project) if row["kind"] == "command.requested"]
    assert {row["actor"] for row in asked} == {"ada"}
    assert any("changed my mind" in str(row["what"]) for row in asked)


def test_a_file_is_answered_by_the_version_asked_for(windlass, as_json, project: Path) -> None:
    history = project / "data" / "history.csv"
    told = as_json("predict", "data/history.csv", "--version", "v2", "-o", "answers.parquet", at=project)
    found = pl.read_parquet(project / "answers.parquet")
    assert (told["version"], told["rows"]) == ("v2", found.height)
    assert found["prediction_version"].unique().to_list() == ["v2"]
    assert found["sample_id"].to_list() == pl.read_csv(history)["sample_id"].to_list()
    assert (found["prediction_label"] == (found["malignant"] == "true")).mean() > 0.9
    lines = history.read_text().splitlines()
    lines[5] = lines[5].replace(",", ",wide", 2).replace(",wide", ",", 1)
    (project / "broken.csv").write_text("\n".join(lines))
    refused = windlass("predict", "broken.csv", at=project, expect=1)
    assert "row 5, mean_radius" in refused.stderr
    assert not (project / "broken.predictions.csv").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_file_that_is_given_up_half_way_leaves_nothing(project: Path, tmp_path: Path, number: int, code: int) -> None:
    shutil.copy(project / "data" / "history.csv", tmp_path / "long.csv")
    command = [sys.executable, "-c", HALF_WAY, "predict", str(tmp_path / "long.csv"), "--project", str(project)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "half way\n"
    assert list(tmp_path.glob(".long*/*"))
    running.send_signal(number)
    told, _ = running.communicate(timeout=600)
    assert (running.returncode, "Traceback" in told) == (code, False), told
    assert [path.name for path in tmp_path.iterdir()] == ["long.csv"]


def test_two_versions_are_tested_and_the_result_is_a_page(windlass, as_json, project: Path) -> None:
    refused = windlass("experiment", "start", "v2", "v1", "--metric", "sales", "--reason", "why", at=project, expect=2)
    assert "the first version must be the champion, and v1 is" in refused.stderr
    nonsense = ("--split", "0"), ("--split", "7"), ("--metric", "two words"), ("--for", "soon")
    for option in nonsense:
        words = ["experiment", "start", "v1", "v2", "--metric", "sales", *option, "--reason", "why"]
        assert option[0] in windlass(*words, at=project, expect=2).stderr
    begun = windlass("experiment", "start", "v1", "v2", "--metric", "sales", "--reason", "why", at=project)
    assert "v2 answers 50% of the keys beside v1" in begun.stdout
    assert "v2 on 50% of the keys beside v1, by sales" in windlass("status", at=project).stdout
    shown = as_json("experiment", "show", "--html", "result.html", at=project)
    assert (shown["verdict"], shown["numbers"]["keys_a"]) == ("under way", 0)
    assert "<html" in (project / "result.html").read_text()
    windlass("experiment", "stop", "--reason", "enough", at=project)
    (row,) = as_json("experiment", "list", at=project)
    assert (row["verdict"], row["by"], row["why"]) == ("stopped", "ada", "why")
    assert "enough" in windlass("experiment", "show", at=project).stdout
    assert "experiment-7" in windlass("experiment", "show", "experiment-7", at=project, expect=2).stderr


@pytest.mark.parametrize("version", ["v99", "nonsense", "v1"])
def test_a_version_that_cannot_be_promoted_is_refused(windlass, project: Path, version: str) -> None:
    refused = windlass("promote", version, "--reason", "no", at=project, expect=2)
    assert version in refused.stderr
    assert "remedy" in refused.stderr


def test_the_ledger_verifies_until_somebody_changes_it(windlass, project: Path, tmp_path: Path) -> None:
    import sqlite3

    assert json.loads(windlass("ledger", "verify", "--json", at=project).stdout)["ok"] is True
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    with sqlite3.connect(copy / ".windlass" / "ledger.db") as database:
        database.execute("UPDATE events SET actor = 'mallory' WHERE sequence = 3")
    told = windlass("ledger", "verify", at=copy, expect=1)
    assert "3" in told.stderr


def test_the_ledger_is_signed_and_its_key_can_be_replaced(windlass, project: Path, tmp_path: Path) -> None:
    found = json.loads(windlass("ledger", "verify", "--json", at=project).stdout)
    assert (found["signed_upto"], found["unsigned"]) == (found["events"], 0)
    key = json.loads(windlass("ledger", "key", "--json", at=project).stdout)
    assert key["key"] == found["key"]
    assert key["there"] is True
    kept = tmp_path / "kept.json"
    kept.write_bytes((project / ".windlass" / "checkpoint.json").read_bytes())

    told = windlass("ledger", "rotate-key", "--reason", "once a year", at=project)
    assert key["key"] not in told.stdout
    signed = json.loads(windlass("ledger", "checkpoint", "--json", at=project).stdout)
    assert signed["key"] in told.stdout
    public = project / ".windlass" / "keys" / f"{key['key']}.pub"
    for trusted in (key["key"], str(public)):
        said = windlass("ledger", "verify", "--key", trusted, "--against", str(kept), at=project)
        assert f"signed up to event {signed['sequence']} by the key {signed['key']}" in said.stdout
    stranger = windlass("ledger", "verify", "--key", "0" * 32, at=project, expect=1)
    assert "not trusted here" in stranger.stderr
    assert "no such checkpoint" in windlass("ledger", "verify", "--against", "nowhere", at=project, expect=1).stderr


def test_what_nothing_needs_is_shown_and_removed(as_json, windlass, project: Path) -> None:
    leftover = Paths(project / ".windlass").step("tumours", "nobody") / "rows.arrow"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"r" * 12_345)
    shown = windlass("clean", "--dry-run", at=project).stdout
    assert "Would be cleaned" in shown
    assert "step outputs" in shown
    assert "12.3 kB" in shown
    assert leftover.is_file()
    (freed,) = [each for each in as_json("clean", at=project)["freed"] if each["what"] == "step outputs"]
    assert (freed["count"], freed["bytes"], leftover.exists()) == (1, 12_345, False)
    assert "there is nothing to remove" in windlass("clean", at=project).stdout
    assert "the ledger holds" in windlass("ledger", "verify", at=project).stdout


def test_data_is_listed_and_shown(as_json, windlass, project: Path) -> None:
    tables = {row["table"]: row["rows"] for row in as_json("data", "ls", at=project)}
    assert tables["examples/rows"] == 569
    rows = as_json("data", "show", "examples/rows", "-n", "3", at=project)
    assert len(rows) == 3
    told = windlass("data", "show", "nothing", at=project, expect=1)
    assert "nothing" in told.stderr


def test_unknown_ids_and_products_are_one_clear_error(windlass, project: Path) -> None:
    assert "p-404" in windlass("trace", "p-404", at=project, expect=2).stderr
    assert "other" in windlass("versions", "--product", "other", at=project, expect=2).stderr
    assert "other" in windlass("train", "--product", "other", at=project, expect=2).stderr


def test_a_run_that_fails_says_what_where_and_what_to_do_and_one_that_is_rejected_says_why(
    as_json, windlass, tmp_path: Path
) -> None:
    windlass("init", "tumours", at=tmp_path)
    folder = tmp_path / "tumours"
    product = folder / "product.py"
    right = product.read_text()
    product.write_text(right.replace('target="malignant"', 'target="malignnt"'))
    failed = windlass("train", at=folder, expect=1)
    assert " failed in check: the target 'malignnt' is not among the columns (at " in failed.stdout
    assert "\n  remedy: did you mean 'malignant'?\n" in failed.stdout
    assert "malignnt" not in failed.stderr  # once is enough
    (incident,) = as_json("incidents", at=folder)
    assert "remedy" not in str(incident["cause"])

    product.write_text(right.replace("at_least=0.9", "at_least=1.0"))
    rejected = windlass("train", at=folder, expect=1)
    assert "the gate rejected the candidate: Its roc_auc of 0.99" in rejected.stdout
    assert "is below the floor of 1" in rejected.stdout
    first, second = as_json("runs", at=folder)
    assert "the target 'malignnt' is not among the columns" in str(first["error"])
    assert str(second["error"]).startswith("Its roc_auc of 0.99")


@pytest.mark.parametrize("command", ["status", "versions", "releases", "alarms", "incidents", "events", "runs"])
def test_each_view_is_readable_without_a_terminal(windlass, project: Path, command: str) -> None:
    shown = windlass(command, at=project)
    assert shown.stdout.strip()


def test_where_there_is_no_workspace_the_remedy_is_told(windlass, tmp_path: Path) -> None:
    told = windlass("status", at=tmp_path, expect=2)
    assert "windlass init" in told.stderr
    assert not (tmp_path / ".windlass").exists()


def test_a_page_that_cannot_be_written_is_told_before_anything_is_read(windlass, project: Path, tmp_path: Path) -> None:
    told = windlass("versions", "v1", "--html", str(tmp_path / "nowhere" / "v1.html"), at=project, expect=2)
    assert "--html" in told.stderr
    assert "does not exist" in told.stderr
    assert "is a folder" in windlass("versions", "v1", "--html", str(tmp_path), at=project, expect=2).stderr
    assert "name one" in windlass("versions", "--html", str(tmp_path / "v.html"), at=project, expect=2).stderr


def test_one_version_is_shown_with_its_evaluation_and_written_as_a_page(
    windlass, project: Path, tmp_path: Path
) -> None:
    card = json.loads(windlass("versions", "v1", "--json", at=project).stdout)
    evaluation = card["evaluation"]
    assert evaluation["metrics"]["roc_auc"] > evaluation["baseline"]["roc_auc"] == 0.5
    assert evaluation["calibration"]["bins"]
    assert card["latency"]["single_p50"] > 0
    assert {each["feature"] for each in evaluation["importances"]} >= {"mean_area", "perimeter_per_radius"}
    assert "mean_area" in windlass("versions", "v1", at=project).stdout
    page = tmp_path / "v1.html"
    windlass("versions", "v1", "--html", str(page), at=project)
    html = page.read_text()
    assert "Calibration" in html
    assert "<svg" in html
    assert "v99" in windlass("versions", "v99", at=project, expect=2).stderr


def test_a_person_is_erased_and_the_ledger_does_not_learn_who(windlass, project: Path) -> None:
    keys = pl.read_csv(project / "data" / "history.csv")["sample_id"]
    told = windlass("data", "erase", "--key", keys[7], "--reason", "request 12", at=project).stdout
    assert "erased 1 of examples/rows" in told
    assert "training sets of v1, v2 are recorded anew" in told
    shown = windlass("data", "show", "examples/rows", "-n", "999", "--json", at=project).stdout
    assert (keys[7] in shown, keys[8] in shown) == (False, True)
    assert keys[7].encode() not in Paths(project / ".windlass").ledger.read_bytes()
    named = windlass("data", "erase", "--key", keys[8], "--reason", f"{keys[8]} asked", at=project, expect=2).stderr
    assert "the reason names the key" in named
