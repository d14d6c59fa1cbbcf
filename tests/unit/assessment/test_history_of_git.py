"""What git tells of a checkout, and what is said where it tells nothing or not all."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from windlass.assessment.assess import assess
from windlass.assessment.reading.git import read_history
from windlass.assessment.records import State
from windlass.errors import UsageError

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "protocol.file.allow=always")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Three commits of a program that trains."""
    folder = tmp_path / "churn"
    folder.mkdir()
    git(folder, "init", "-q")
    for number in range(3):
        (folder / "train.py").write_text(f"from sklearn.svm import SVC\nSVC(C={number + 1}).fit([[0], [1]], [0, 1])\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", f"change {number}")
    return folder


def unread(folder: Path) -> dict[str, str]:
    return {each.path: each.why for each in assess(folder, now=NOW).unread}


def test_a_whole_history_is_read(checkout: Path) -> None:
    history = read_history(checkout)
    assert [commit.subject for commit in history.commits] == ["change 2", "change 1", "change 0"]
    assert history.lost == ""
    assert unread(checkout) == {}


def test_a_repository_without_a_commit_has_no_history_and_lost_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    history = read_history(tmp_path)
    assert (history.commits, history.head, history.lost) == ((), None, "")


def test_a_shallow_clone_is_not_judged_by_the_commits_that_it_has(checkout: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{checkout}", "shallow")
    found = assess(tmp_path / "shallow", now=NOW)
    assert found.mode == "files"
    assert found.commit == assess(checkout, now=NOW).commit
    assert found.finding("code-in-git").state is State.WIRED
    assert "git fetch --unshallow" in unread(tmp_path / "shallow")[".git"]


def test_what_git_refuses_to_read_is_told_with_its_remedy(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as in a container, for a folder from outside
    said = unread(checkout)[".git"]
    assert "dubious ownership" in said
    assert "safe.directory" in said


def test_a_broken_repository_is_told(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git" / "objects")
    assert "git does not read its history" in unread(checkout)[".git"]


def test_without_git_that_is_told(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "install git" in unread(checkout)[".git"]


def test_a_submodule_that_is_not_here_is_told(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    git(tmp_path / "all", "init", "-q")
    git(tmp_path / "all", "submodule", "add", "-q", f"file://{checkout}", "parts/churn")
    git(tmp_path / "all", "commit", "-qm", "take it in")
    assert unread(tmp_path / "all") == {}
    git(tmp_path, "clone", "-q", f"file://{tmp_path / 'all'}", "without")
    assert "git submodule update --init" in unread(tmp_path / "without")["parts/churn"]


def test_a_bare_repository_is_refused(checkout: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(checkout), "bare.git")
    with pytest.raises(UsageError, match="bare repository"):
        assess(tmp_path / "bare.git", now=NOW)


def test_a_file_is_no_folder(checkout: Path) -> None:
    with pytest.raises(UsageError, match="is a file"):
        assess(checkout / "train.py", now=NOW)


CI = "on: push\njobs:\n  t:\n    steps:\n      - run: python train.py\n"


@pytest.mark.parametrize("name", [".github/workflows/ci.yml", ".gitlab-ci.yml", ".circleci/config.yml"])
def test_ci_in_a_folder_of_a_repository_is_heard_by_nobody(checkout: Path, tmp_path: Path, name: str) -> None:
    texts = {
        ".gitlab-ci.yml": "t:\n  script: [python train.py]\n",
        ".circleci/config.yml": "jobs:\n  t:\n    steps:\n      - run: python train.py\n"
        "workflows:\n  w:\n    jobs: [t]\n",
    }
    path = checkout / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(texts.get(name, CI))
    assert assess(checkout, now=NOW).finding("training-automated").state is State.WIRED
    (tmp_path / "all").mkdir()
    git(tmp_path / "all", "init", "-q")
    shutil.copytree(checkout, tmp_path / "all" / "churn", ignore=shutil.ignore_patterns(".git"))
    assert assess(tmp_path / "all" / "churn", now=NOW).finding("training-automated").state is State.PRESENT


def test_of_a_short_history_nobody_can_say_whether_the_approach_changes(checkout: Path) -> None:
    target = assess(checkout, now=NOW).target
    assert target is not None
    assert target.why.startswith("As long as only the data change")
