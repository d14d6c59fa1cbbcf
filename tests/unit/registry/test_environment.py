"""Where a version was made."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from windlass.registry import environment
from windlass.registry.environment import MOST_DIFF, capture


def git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *named, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    project = tmp_path / "project"
    project.mkdir()
    (project / "flights.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return project


def test_what_is_installed_is_named(tmp_path: Path) -> None:
    found = capture(tmp_path)
    assert found.python == platform.python_version()
    assert found.platform
    assert found.windlass == version("windlass")
    assert found.distributions["polars"] == version("polars")
    assert found.distributions["scikit-learn"] == version("scikit-learn")


def test_a_clean_repository_gives_its_commit(repository: Path) -> None:
    found = capture(repository)
    assert found.git_commit == git(repository, "rev-parse", "HEAD")
    assert (found.git_dirty, found.git_diff) == (False, "")


def test_changes_are_kept_as_a_diff(repository: Path) -> None:
    (repository / "flights.py").write_text("x = 2\n")
    (repository.parent / "elsewhere.py").write_text("beside the project\n")
    found = capture(repository)
    assert found.git_dirty
    assert "-x = 1" in found.git_diff
    assert "+x = 2" in found.git_diff
    assert "elsewhere" not in found.git_diff


def test_a_change_beside_the_project_does_not_count(repository: Path) -> None:
    (repository.parent / "elsewhere.py").write_text("")
    assert not capture(repository).git_dirty


def test_a_new_file_is_dirty_without_a_diff(repository: Path) -> None:
    (repository / "new.py").write_text("y = 1\n")
    found = capture(repository)
    assert (found.git_dirty, found.git_diff) == (True, "")


def test_a_long_diff_is_cut(repository: Path) -> None:
    (repository / "flights.py").write_text("é = 1\n" * 100_000)
    assert len(capture(repository).git_diff.encode()) <= MOST_DIFF + 3


def test_bytes_that_are_no_text_do_no_harm(repository: Path) -> None:
    (repository / "flights.py").write_bytes(b"x = '\xff\xfe'\n")
    assert "+x = '" in capture(repository).git_diff


def test_a_diff_tool_of_the_user_is_not_run(repository: Path, tmp_path: Path) -> None:
    git(repository, "config", "diff.external", f"touch {tmp_path / 'ran'} #")
    (repository / "flights.py").write_text("x = 2\n")
    assert "+x = 2" in capture(repository).git_diff
    assert not (tmp_path / "ran").exists()


def test_no_repository_no_commit_and_no_git_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert capture(tmp_path).git_commit is None
    git(tmp_path, "init", "-q")
    assert (capture(tmp_path).git_commit, capture(tmp_path).git_dirty) == (None, False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert capture(tmp_path).git_commit is None


def test_git_is_asked_twice(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is a process, for which every run waits."""
    asked: list[str] = []
    git_says = environment._git

    def noted(project: Path, *arguments: str) -> bytes | None:
        asked.append(arguments[0])
        return git_says(project, *arguments)

    monkeypatch.setattr(environment, "_git", noted)
    assert capture(repository).git_dirty is False
    assert asked == ["rev-parse", "status"]
