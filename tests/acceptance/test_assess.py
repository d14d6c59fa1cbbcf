"""`windlass assess` as it is used: reports, exit codes, folders in repositories, monorepos, templates."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from click.testing import CliRunner

from windlass.cli import output
from windlass.cli.main import app
from windlass.errors import UsageError

Act = Callable[[Path, str], tuple[int, dict[str, str], str]]

TRAIN = """
from sklearn.svm import SVC

def train(x, y):
    return SVC().fit(x, y)

if __name__ == "__main__":
    train([[0], [1]], [0, 1])
"""
TEST = "from train import train\n\ndef test_train():\n    assert train([[0], [1]], [0, 1]) is not None\n"
LIBRARY = '[project]\nclassifiers = ["Topic :: Software Development :: Libraries"]\n'
CI = "on: push\njobs:\n  test:\n    steps:\n      - run: pytest\n"


def put(root: Path, files: Mapping[str, str]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return root


def run(*words: str | Path, answers: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, ["assess", *map(str, words)], input=answers)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return put(tmp_path / "churn", {"train.py": TRAIN, "tests/test_train.py": TEST, ".github/workflows/ci.yml": CI})


def test_it_writes_every_form(project: Path, tmp_path: Path) -> None:
    forms = ("json", "markdown", "html", "sarif", "badge")
    code, shown = run(project, *(word for form in forms for word in (f"--{form}", tmp_path / f"out.{form}")))
    assert code == 0
    assert "microsoft" in shown
    assert "tests-in-ci" in shown
    said = json.loads((tmp_path / "out.json").read_text())
    assert (said["kind"], said["models"]["microsoft"]["level"]) == ("project", 1)
    assert all((tmp_path / f"out.{form}").stat().st_size > 200 for form in forms)


def test_the_files_are_written_though_nobody_reads_the_report(project: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "windlass", "assess", str(project), "--html", str(tmp_path / "out.html")]
    read, written = os.pipe()
    os.close(read)  # as `windlass assess | head -1` does
    subprocess.run(program, stdout=written, stderr=subprocess.DEVNULL, check=False)
    os.close(written)
    assert (tmp_path / "out.html").stat().st_size > 200
    assert "first" in run(project, "--history")[1]


def test_a_narrow_terminal_breaks_no_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # what rich takes for a terminal
    shown = re.sub(r"\x1b\[[0-9;]*m", "", run(project, "--no-history")[1])
    assert max(map(len, shown.splitlines())) <= 90
    assert re.search(r"application-integration \d", shown)
    assert "microsoft 2 still needs" in shown


def test_json_alone_can_be_piped(project: Path) -> None:
    code, shown = run(project, "--json", "-", "--no-history")
    assert code == 0
    assert json.loads(shown)["name"] == "churn"
    assert not (project / ".windlass").exists()


def test_a_floor_for_ci(project: Path) -> None:
    assert run(project, "--fail-under", "microsoft:1", "--no-history")[0] == 0
    code, shown = run(project, "--fail-under", "microsoft:2", "--no-history")
    assert code == 1
    assert "below 2" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "gartner"], "there is no model"),
        (["--target", "microsoft:9"], "is no level"),
        (["--fail-under", "nonsense"], "is no level"),
        (["--html", "gone/a.html"], "does not exist"),
        (["--html", "-"], "only the JSON"),
        (["--live"], "no live system"),
        (["--history", "--json", "-"], "nothing is assessed"),
    ],
)
def test_nonsense_is_refused_before_any_work(
    project: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UsageError, match=said):
        run(project, *words)


@pytest.mark.parametrize("words", [[], ["--history"]])
def test_a_folder_that_is_not_there(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        run(tmp_path / "gone", *words)


def test_a_level_that_there_is_not_names_those_that_there_are(project: Path) -> None:
    with pytest.raises(UsageError, match="microsoft:0 to microsoft:4, google:0 to google:2"):
        run(project, "--target", "google:3")


def test_a_tracker_that_is_no_server_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    with pytest.raises(UsageError, match="MLFLOW_TRACKING_URI names sqlite, which is no server"):
        run(project, "--live")


def test_the_history_shows_what_moved(project: Path) -> None:
    assert "no assessment" in run(project, "--history")[1]
    run(project)
    put(project, {".github/workflows/cd.yml": CI.replace("pytest", "gcloud run deploy x")})
    run(project)
    shown = run(project, "--history")[1]
    assert "first" in shown
    assert "project" in shown
    assert "service-cd: absent -> wired" in shown


def test_a_history_that_cannot_be_read_is_told_before_any_work(project: Path, tmp_path: Path) -> None:
    put(project, {".windlass/maturity.jsonl": "{\n"})
    with pytest.raises(UsageError, match="line 1 is no assessment"):
        run(project, "--html", tmp_path / "out.html")
    assert not (tmp_path / "out.html").exists()
    assert run(project, "--no-history")[0] == 0


@pytest.mark.parametrize("link", [".windlass", ".windlass/maturity.jsonl"])
def test_nothing_is_kept_through_a_link_of_the_project(project: Path, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project / link).parent.mkdir(exist_ok=True)
    (project / link).symlink_to(outside if link == ".windlass" else outside / "maturity.jsonl")
    with pytest.raises(UsageError, match="a symbolic link"):
        run(project)
    assert list(outside.iterdir()) == []


def test_answers_are_not_kept_through_a_link_either(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (project / "maturity.yaml").symlink_to(outside)
    with pytest.raises(UsageError, match="no file of the project"):
        run(project, "--interview", "--no-history", answers="lead\ny\nwe do\n\n")
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("text", ["answers: 3\n", "- x\n"])
def test_answers_that_are_none_are_told(project: Path, text: str) -> None:
    put(project, {"maturity.yaml": text})
    with pytest.raises(UsageError, match="no list of answers"):
        run(project, "--no-history")


def test_an_interview_is_kept_and_counts(project: Path) -> None:
    code, _ = run(project, "--interview", "--no-history", answers="lead\ny\nwe do\n\n")
    assert code == 0
    kept = (project / "maturity.yaml").read_text()
    assert "role: lead" in kept
    assert "says: we do" in kept
    assert "files+interview" in run(project, "--no-history")[1]


def test_an_interview_asks_again_what_it_cannot_use(project: Path) -> None:
    code, shown = run(project, "--interview", "--no-history", answers="lead\nmaybe\ny\nwe do\ngone.md\ntrain.py\n")
    assert code == 0
    assert "'maybe' is none of the answers" in shown
    assert "there is no 'gone.md'" in shown
    assert "link: train.py" in (project / "maturity.yaml").read_text()


def test_a_folder_of_a_repository_has_the_ci_of_the_repository(tmp_path: Path) -> None:
    folder = "    defaults: {run: {working-directory: services/churn}}\n"
    ci = f"on: push\njobs:\n  t:\n{folder}    steps:\n      - run: pytest\n"
    put(tmp_path / "repo", {".github/workflows/ci.yml": ci, "services/other/x.py": "x = 1\n"})
    put(tmp_path / "repo" / "services" / "churn", {"train.py": TRAIN, "tests/test_train.py": TEST})
    said = json.loads(run(tmp_path / "repo/services/churn", "--json", "-", "--no-history")[1])
    finding = next(each for each in said["practices"] if each["id"] == "tests-in-ci")
    assert finding["state"] == "wired"
    assert finding["evidence"][0]["path"] == "../../.github/workflows/ci.yml"


def test_a_monorepo_has_a_level_for_each_project(tmp_path: Path) -> None:
    for name in ("churn", "fraud"):
        put(tmp_path / "mono" / name, {"requirements.txt": "scikit-learn\n", "train.py": TRAIN})
    said = json.loads(run(tmp_path / "mono", "--json", "-", "--no-history")[1])
    assert said["kind"] == "monorepo"
    assert [(each["path"], each["models"]["microsoft"]["level"]) for each in said["projects"]] == [
        ("churn", 0),
        ("fraud", 0),
    ]


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("template", {"cookiecutter.json": "{}", "{{cookiecutter.name}}/train.py": TRAIN}),
        ("library", {"pyproject.toml": LIBRARY, "lib/a.py": TRAIN.partition("if __name__")[0]}),
        ("documentation", {"README.md": "# MLOps drift retraining canary registry"}),
        ("files", {"data/rows.csv": "a,b\n1,2\n"}),
        ("empty", {}),
    ],
)  # fmt: skip
def test_what_has_no_level_is_told_why(tmp_path: Path, kind: str, files: dict[str, str]) -> None:
    said = json.loads(run(put(tmp_path / "it", files), "--json", "-", "--no-history")[1])
    assert said["kind"] == kind
    assert "no level" in said["kind_why"]
    assert {each["level"] for each in said["models"].values()} == {None}
    assert run(tmp_path / "it", "--fail-under", "microsoft:0", "--no-history")[0] == 1


def test_names_of_practices_are_whole_in_a_narrow_terminal(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(run(project, "--json", "-", "--no-history")[1])
    shown = [each["id"] for each in found["practices"] if each["evidence"]]
    monkeypatch.setattr(output, "_PIPE_WIDTH", 60)
    text = run(project, "--no-history")[1]
    assert [name for name in shown if f" {name} " not in text] == []


def test_history_of_git_counts_where_there_is_one(project: Path) -> None:
    def git(*words: str, date: str) -> None:
        who = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"]
        environment = {
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_DATE": date,
            "PATH": "/usr/bin:/bin",
            "HOME": str(project),
        }
        subprocess.run(["git", *who, *words], cwd=project, check=True, env=environment, capture_output=True)

    git("init", "-q", date="2026-01-01T00:00:00Z")
    for number in (1, 20):
        put(project, {"notes.txt": str(number)})
        git("add", "-A", date=f"2026-01-{number:02}T00:00:00Z")
        git("commit", "-qm", f"change {number}", date=f"2026-01-{number:02}T00:00:00Z")
    said = json.loads(run(project, "--json", "-")[1])
    assert said["mode"] == "files+history"
    assert len(said["commit"]) == 40
    finding = next(each for each in said["practices"] if each["id"] == "code-in-git")
    assert finding["state"] == "wired"
    assert finding["evidence"][0]["why"] == "2 commits over 19 days"
    unknown = subprocess.run(["git", "status", "--porcelain"], cwd=project, check=True, capture_output=True).stdout
    assert (project / ".windlass" / "maturity.jsonl").is_file()
    assert unknown == b""
    assert ".git:" not in run(project, "--no-history", "--markdown", project / "plan.md")[1]
    assert "`git log` 2 commits" in (project / "plan.md").read_text()


def test_a_folder_that_windlass_has_already_is_left_as_it_is(project: Path) -> None:
    put(project, {".windlass/maturity.jsonl": ""})
    run(project)
    assert [path.name for path in (project / ".windlass").iterdir()] == ["maturity.jsonl"]


@pytest.fixture
def act(root: Path, tmp_path: Path) -> Act:
    """Run the last step of the action as a runner does, with what the steps before it have installed."""
    step = yaml.safe_load((root / "action.yml").read_text())["runs"]["steps"][-1]
    temp = tmp_path / "runner"
    program = temp / "windlass" / "bin" / "windlass"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m windlass "$@"\n')
    program.chmod(0o755)

    def run_step(folder: Path, floor: str) -> tuple[int, dict[str, str], str]:
        for name in ("output", "summary"):
            (temp / name).unlink(missing_ok=True)
        given = {"RUNNER_TEMP": temp, "GITHUB_OUTPUT": temp / "output", "GITHUB_STEP_SUMMARY": temp / "summary"}
        inputs = {"FOLDER": str(folder), "FLOOR": floor, "MODEL": "all"}
        assert set(inputs) == set(step["env"])
        (temp / "output").touch()
        environment = os.environ | {name: str(path) for name, path in given.items()} | inputs
        done = subprocess.run(["bash", "-e", "-c", step["run"]], env=environment, capture_output=True, check=False)
        outputs = dict(line.split("=", 1) for line in (temp / "output").read_text().splitlines())
        return done.returncode, outputs, (temp / "summary").read_text() if (temp / "summary").exists() else ""

    return run_step


def test_the_action_sums_up_and_hands_on_its_files(act: Act, project: Path) -> None:
    code, outputs, summary = act(project, "")
    assert code == 0
    assert json.loads(Path(outputs["json"]).read_text())["name"] == "churn"
    assert json.loads(Path(outputs["sarif"]).read_text())["version"] == "2.1.0"
    assert summary.startswith("# Maturity of churn")


def test_two_steps_of_a_job_have_files_of_their_own(act: Act, project: Path, tmp_path: Path) -> None:
    _, first, _ = act(project, "")
    _, second, _ = act(put(tmp_path / "fraud", {"train.py": TRAIN}), "")
    assert [json.loads(Path(each["json"]).read_text())["name"] for each in (first, second)] == ["churn", "fraud"]


def test_the_action_fails_below_its_floor_and_sums_up_all_the_same(act: Act, project: Path) -> None:
    code, outputs, summary = act(project, "microsoft:4")
    assert code == 1
    assert Path(outputs["sarif"]).is_file()
    assert summary.startswith("# Maturity of churn")


def test_the_action_takes_an_input_for_a_word_and_runs_nothing_of_it(act: Act, project: Path, tmp_path: Path) -> None:
    act(project, "")
    code, outputs, summary = act(project, f"$(touch {tmp_path}/harm); touch {tmp_path}/harm")
    assert code == 2
    assert not summary  # nor that of the step before
    assert not outputs
    assert not (tmp_path / "harm").exists()
