from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from windlass.cli.main import app
from windlass.errors import UsageError


@pytest.mark.parametrize("name", ["tumours", "my tumours", "it's & more"])
def test_a_shell_can_follow_what_is_said_to_be_next(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(app, ["init", name], catch_exceptions=False)
    assert said.exit_code == 0
    enter = said.stdout.split("; next: ", 1)[1].split(" && windlass", 1)[0]
    there = subprocess.run(["sh", "-c", f"{enter} && ls"], capture_output=True, text=True, check=True)
    assert "product.py" in there.stdout.split()


def test_the_routes_of_a_new_project_can_be_tried_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(app, ["init", "tumours"], catch_exceptions=False)
    with Path("tumours/windlass.toml").open("a") as settings:
        settings.write('[alerts.ops]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\n')
    with pytest.raises(UsageError, match="the message did not arrive"):
        CliRunner().invoke(app, ["alerts", "test", "ops", "--project", "tumours"], catch_exceptions=False)
    said = CliRunner().invoke(app, ["alerts", "--project", "tumours"], catch_exceptions=False)
    assert said.exit_code == 0


def test_modules_that_a_model_file_needs_are_copied_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "class Mean:\n    n_features_in_ = 2\n\n    def predict(self, rows):\n        return rows.mean(axis=1)\n"
    )
    make = "import mine, pickle; pickle.dump(mine.Mean(), open('model.pkl', 'wb'))"
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(app, ["init", "mean", "--from-model", "model.pkl", "--trust"], catch_exceptions=False)
    assert said.stdout.splitlines() == [
        "copied beside product.py, since the model holds objects of it: mine.py",
        "made mean; next: cd mean && windlass up",
    ]
    assert (tmp_path / "mean" / "mine.py").read_bytes() == (tmp_path / "mine.py").read_bytes()


def test_rows_that_are_none_of_the_models_are_told_beside_the_project_that_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = (
        "import pickle, sklearn.linear_model as m; "
        "pickle.dump(m.LinearRegression().fit([[1.0], [2.0]], [1, 2]), open('model.pkl', 'wb'))"
    )
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    (tmp_path / "rows.csv").write_text("wind\n1\n")
    monkeypatch.chdir(tmp_path)
    asked = ["init", "mean", "--from-model", "model.pkl", "--trust", "--data", "rows.csv"]
    said = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert said.stderr.splitlines()[-1].startswith("before it can serve: these columns are not there: x0; remedy: ")


@pytest.mark.parametrize(
    ("header", "asked", "target", "said"),
    [
        ("x0,late", (), "late", "the model predicts 'late', the one column of rows.csv that it does not take"),
        ("x0,id,late", ("--key", "id"), "late", "the model predicts 'late', the one column of rows.csv"),
        ("x0,id,late", (), "target", "what the model predicts is called 'target'; otherwise mend it in product.py"),
        ("wind,late", (), "target", "what the model predicts is called 'target'; otherwise mend it in product.py"),
        ("x0,late", ("--target", "delay"), "delay", None),
    ],
)
def test_what_the_model_predicts_is_the_column_that_it_does_not_take(
    header: str, asked: tuple[str, ...], target: str, said: str | None, tmp_path: Path
) -> None:
    make = (
        "import pickle, sklearn.linear_model as m; "
        "pickle.dump(m.LinearRegression().fit([[1.0], [2.0]], [1, 2]), open('model.pkl', 'wb'))"
    )
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    (tmp_path / "rows.csv").write_text(f"{header}\n{','.join('1' for _ in header.split(','))}\n")
    words = ["init", str(tmp_path / "mean"), "--trust", "--from-model", str(tmp_path / "model.pkl")]
    words += ["--data", str(tmp_path / "rows.csv"), *asked]
    told = CliRunner().invoke(app, words, catch_exceptions=False).stderr
    assert f'target="{target}"' in (tmp_path / "mean" / "product.py").read_text()
    assert ("nobody says it" in told) is (said is not None)
    assert said is None or f"nobody says it, so it was assumed: {said}" in told


def test_a_new_project_names_no_page_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(app, ["init", "tumours"], catch_exceptions=False)
    assert not [file for file in Path("tumours").rglob("*.*") if file.is_file() and "docs/" in file.read_text()]


def test_files_of_a_new_project_import_what_is_public_alone(tmp_path: Path) -> None:
    make = (
        "import pickle, sys, sklearn.linear_model as m; "
        "pickle.dump(m.LinearRegression().fit([[1.0], [2.0]], [1, 2]), open(sys.argv[1], 'wb'))"
    )
    model = tmp_path / "model.pkl"
    subprocess.run([sys.executable, "-c", make, str(model)], check=True)
    CliRunner().invoke(app, ["init", str(tmp_path / "a")], catch_exceptions=False)
    words = ["init", str(tmp_path / "b"), "--trust", "--from-model", str(model)]
    CliRunner().invoke(app, words, catch_exceptions=False)
    written = [*tmp_path.rglob("*.py")]
    imported = {
        name for file in written for name in re.findall(r"(?m)^(?:from|import) (windlass\S*)", file.read_text())
    }
    assert len(written) == 4
    assert imported == {"windlass", "windlass.testing"}
