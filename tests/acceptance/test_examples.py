"""The breast cancer example as its README tells it, and every request of the HTTP page sent to it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True, kw_only=True)
class Followed:
    """What is there when the README has been followed to its end."""

    project: Path
    shown: list[Any]
    """Answers that the HTTP page shows, in its order."""
    got: list[Any]
    """The real ones."""
    done: subprocess.CompletedProcess[str]

    def read(self, name: str) -> Any:
        return json.loads((self.project / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def followed(
    root: Path, fences: Callable, shell: Callable, windlass: Callable, tmp_path_factory: pytest.TempPathFactory
) -> Followed:
    home = tmp_path_factory.mktemp("examples") / "breast_cancer"
    example = root / "examples" / "breast_cancer"
    shutil.copytree(example, home, ignore=shutil.ignore_patterns("tumour", "model.joblib"))
    *blocks, stop = [fence.body for fence in fences(example / "README.md") if fence.tag == "sh"]
    page = fences(root / "docs" / "how-to" / "call-over-http.md")
    requests = [fence.body for fence in page if fence.tag == "sh"]
    late = [fence.body for fence in fences(root / "docs" / "how-to" / "late-labels.md") if fence.tag == "sh"]
    scripts = [f"python - <<'END_OF_FENCE'\n{fence.body}END_OF_FENCE\n" for fence in page if fence.tag == "python"]
    sent = [f"{{\n{request}}} > request-{number}.out\n" for number, request in enumerate(requests)]
    done = shell("\n".join([*blocks, *sent, *scripts, *late, stop]), at=home)
    project = home / "tumour"
    looked_at = {
        "predictions": "data show predictions --limit 1000",
        "outcomes": "data show outcomes",
        "versions": "versions",
        "trace": f"trace {json.loads((project / 'answer.json').read_text())['predictions'][0]['id']}",
    }
    for name, command in looked_at.items():
        (project / f"{name}.json").write_text(windlass(*command.split(), "--json", at=project).stdout)
    windlass("ledger", "verify", at=project)
    return Followed(
        project=project,
        shown=[json.loads(fence.body) for fence in page if fence.tag == "json"],
        got=[json.loads((project / f"request-{number}.out").read_text()) for number in range(len(requests))],
        done=done,
    )


def test_the_model_answers_as_it_was_trained(followed: Followed) -> None:
    first, second = followed.read("answer")["predictions"]
    assert (first["label"], second["label"]) == ("malignant", "benign")
    assert first["score"] > 0.9
    assert second["score"] < 0.1


def test_every_answer_is_captured(followed: Followed) -> None:
    captured = {row["prediction_id"]: row for row in followed.read("predictions")}
    for answer in followed.read("answer")["predictions"]:
        assert captured[answer["id"]]["score"] == pytest.approx(answer["score"])
    # Two of the README, then of the HTTP page: one by curl, six by MLflow's forms, two by tensors, two by Python.
    assert len(captured) == 2 + 1 + 6 + 2 + 2


def test_the_outcome_reaches_its_answer(followed: Followed) -> None:
    told = followed.read("answer")["predictions"][0]["id"]
    values = {row["prediction_id"] or row["key"]: json.loads(row["value"]) for row in followed.read("outcomes")}
    assert values[told] == "malignant"
    assert values["s0568"] == "benign"  # by key, from the page on late labels
    assert [outcome["value"] for outcome in followed.read("trace")["outcomes"]] == ["malignant"]


def test_the_version_came_from_the_file_and_no_run(followed: Followed) -> None:
    (version,) = followed.read("versions")
    assert (version["version"], version["role"], version["run"]) == ("v1", "champion", None)
    assert followed.read("trace")["run"] is None


def test_each_answer_of_the_http_page_is_the_real_one(followed: Followed) -> None:
    assert len(followed.shown) == len(followed.got)
    for shown, got in zip(followed.shown, followed.got, strict=True):
        assert _without_ids(got) == _alike(_without_ids(shown))


def test_the_example_stops_cleanly(followed: Followed) -> None:
    assert "windlass: stopped" in followed.done.stdout


def test_a_joblib_file_takes_somebody_who_vouches_for_it(followed: Followed, windlass: Callable) -> None:
    home = followed.project.parent
    refused = windlass("init", "other", "--from-model", "model.joblib", at=home, expect=1)
    assert "--trust" in refused.stderr
    assert not (home / "other").exists()


def _without_ids(value: Any) -> Any:
    """Ids are new each time; that there is one, and of which form, stays."""
    if isinstance(value, dict):
        return {name: _without_ids(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_ids(item) for item in value]
    return "an id" if isinstance(value, str) and re.fullmatch(r"p-[0-9a-z]+-\d+", value) else value


def _alike(value: Any) -> Any:
    """Scores are shown in three figures; all else must be the same."""
    if isinstance(value, dict):
        return {name: _alike(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_alike(item) for item in value]
    return pytest.approx(value, rel=1e-2) if isinstance(value, float) else value
