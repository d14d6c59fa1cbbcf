"""The product files, scripts and policies of the how-to pages, run as they stand.

What a page has a reader type is typed into a shell; what a test adds, to look at what came of it, is called here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import windlass as wl

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
POLICIES = ["gates-and-costs", "late-labels", "release-policies", "retraining-policies"]


@pytest.fixture(scope="module")
def sample(windlass: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `windlass init` makes it, with its rows."""
    home = tmp_path_factory.mktemp("how-to")
    windlass("init", "tumours", at=home)
    return home / "tumours"


@pytest.fixture
def train(sample: Path, tmp_path: Path, fences: Callable, windlass: Callable) -> Callable[[str, int], Any]:
    """Train the n-th product file of a page; what `show` prints as JSON."""

    def run(page: str, place: int, *show: str) -> list[Any]:
        bodies = [fence.body for fence in fences(HOW_TO / f"{page}.md") if fence.body.startswith("# product.py")]
        project = tmp_path / "tumours"
        shutil.copytree(sample, project)
        (project / "product.py").write_text(bodies[place])
        windlass("train", at=project)
        return [json.loads(windlass(*command.split(), "--json", at=project).stdout) for command in show]

    return run


def test_a_product_with_a_contract_trains(train: Callable) -> None:
    (versions,) = train("write-a-product", 0, "versions")
    assert versions[0]["metrics"]["roc_auc"] > 0.9


def test_a_train_of_ones_own_is_noted(train: Callable) -> None:
    versions, comparison = train("write-a-product", 1, "versions", "runs compare v1 v1")
    assert versions[0]["metrics"]["roc_auc"] > 0.9
    assert {"group": "metric", "name": "trees", "a": 30.0, "b": 30.0, "differs": False} in comparison["rows"]


def test_several_sources_are_kept_apart_and_assembled(train: Callable) -> None:
    versions, tables = train("several-sources", 0, "versions", "data ls")
    assert versions[0]["metrics"]["roc_auc"] > 0.9
    assert {(table["table"], table["rows"]) for table in tables} == {
        ("examples/samples", 569),
        ("examples/diagnoses", 569),
    }


def test_labels_that_come_apart_find_their_rows(train: Callable) -> None:
    versions, tables = train("late-labels", 0, "versions", "data ls")
    assert versions[0]["metrics"]["roc_auc"] > 0.9
    assert {(table["table"], table["rows"]) for table in tables} == {("examples/rows", 569), ("outcomes", 569)}


def test_a_search_space_is_searched(train: Callable) -> None:
    versions, events = train("tune", 0, "versions", "events --steps --limit 1000")
    assert versions[0]["metrics"]["roc_auc"] > 0.9
    assert any(event["kind"] == "step.finished" and "step tune" in event["what"] for event in events)


def test_a_script_logs_a_run(sample: Path, fences: Callable, shell: Callable, windlass: Callable) -> None:
    (script,) = [fence.body for fence in fences(HOW_TO / "log-a-run.md") if fence.tag == "python"]
    (sample / "script.py").write_text(script)
    shell("python script.py", at=sample)
    (run,) = json.loads(windlass("runs", "--json", at=sample).stdout)
    assert (run["trigger"], run["outcome"]) == ("notebook", "done")
    compared = json.loads(windlass("runs", "compare", run["run"], run["run"], "--json", at=sample).stdout)
    facts = {(row["group"], row["name"]): row["a"] for row in compared["rows"]}
    assert facts["param", "depth"] == 3
    assert facts["metric", "roc_auc"] == 0.83


def test_every_command_of_the_operators_page_works(
    sample: Path, tmp_path: Path, fences: Callable, shell: Callable, windlass: Callable
) -> None:
    project = tmp_path / "tumours"
    shutil.copytree(sample, project)
    script = "".join(fence.body for fence in fences(HOW_TO / "operate.md") if fence.tag == "sh")
    windlass("train", at=project)
    printed = shell(script, at=project).stdout
    assert "\nv1\n" in printed  # the one-liner that reads the champion from JSON
    kinds = [event["kind"] for event in json.loads(windlass("events", "--json", at=project).stdout)]
    assert kinds.count("product.paused") == kinds.count("product.resumed") == 1
    assert "the ledger holds" in printed


@pytest.mark.parametrize("page", POLICIES)
def test_the_policies_shown_can_be_declared(page: str, fences: Callable) -> None:
    bodies = [fence.body for fence in fences(HOW_TO / f"{page}.md") if fence.tag == "python"]
    fragments = [body for body in bodies if not body.startswith("# product.py")]
    assert fragments
    for body in fragments:
        declared: dict[str, Any] = {}
        exec(compile(body, f"{page}.md", "exec"), declared)
        assert any(isinstance(value, wl.Gate | wl.Outcome | wl.Release | wl.Retrain) for value in declared.values())


def test_watching_without_a_product_says_what_the_page_says(
    fences: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bodies = [fence.body for fence in fences(HOW_TO / "watch-drift.md") if fence.tag == "python"]
    for body in bodies:
        exec(compile(body, "watch-drift.md", "exec"), {})
    drifted, decayed = capsys.readouterr().out.splitlines()
    assert "has shifted" in drifted
    assert "on the holdout it was" in decayed
