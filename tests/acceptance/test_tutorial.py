"""The tutorial, followed to the letter: every command on the page is run, in one shell, in an empty folder."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def followed(root, fences, shell, windlass, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The project at the end of the page, and all that was printed on the way."""
    home = tmp_path_factory.mktemp("tutorial")
    page = root / "docs" / "tutorial" / "first-loop.md"
    script = "\n".join(fence.body for fence in fences(page) if fence.tag == "sh")
    done = shell(script, at=home)
    folder = home / "tumours"
    looked_at = {
        "versions": "versions",
        "runs": "runs",
        "predictions": "data show predictions",
        "outcomes": "data show outcomes",
        "events": "events --limit 1000",
        "verification": "ledger verify",
        "trace": f"trace {read(folder, 'answer')['predictions'][0]['id']}",
    }
    for name, command in looked_at.items():
        (folder / f"{name}.json").write_text(windlass(*command.split(), "--json", at=folder).stdout)
    return folder, done


def read(folder: Path, name: str):
    return json.loads((folder / f"{name}.json").read_text())


def test_the_second_training_finds_nothing_new(followed) -> None:
    folder, done = followed
    assert [run["outcome"] for run in read(folder, "runs")] == ["registered", "unchanged"]
    assert [version["version"] for version in read(folder, "versions")] == ["v1"]
    assert "nothing has changed" in done.stdout


def test_the_answer_is_captured_with_what_came_true(followed) -> None:
    folder, _ = followed
    (answer,) = read(folder, "answer")["predictions"]
    assert answer["version"] == "v1"
    (captured,) = read(folder, "predictions")
    assert (captured["prediction_id"], captured["version"]) == (answer["id"], "v1")
    assert captured["score"] == pytest.approx(answer["score"])
    (outcome,) = read(folder, "outcomes")
    assert (outcome["prediction_id"], json.loads(outcome["value"])) == (answer["id"], False)


def test_the_trace_goes_back_to_the_run_and_the_rows(followed) -> None:
    folder, _ = followed
    trace = read(folder, "trace")
    (run, _) = read(folder, "runs")
    assert trace["version"]["version"] == "v1"
    assert trace["run"]["run"] == run["run"]
    assert trace["data"]["rows"] == sum(1 for _ in (folder / "data" / "history.csv").open()) - 1
    assert [step["step"] for step in trace["run"]["steps"]] == [
        "extract", "pin", "check", "features", "train", "evaluate", "gate", "refit", "bundle",
    ]  # fmt: skip
    assert trace["outcomes"][0]["value"] is False


def test_the_ledger_holds_and_tells_who_stopped_it(followed) -> None:
    folder, _ = followed
    assert read(folder, "verification")["ok"] is True
    kinds = [event["kind"] for event in read(folder, "events")]
    assert kinds.index("product.paused") < kinds.index("product.resumed") < kinds.index("controller.stopped")


def test_the_page_ends_with_nothing_running(followed) -> None:
    _, done = followed
    assert "windlass: stopped" in done.stdout
