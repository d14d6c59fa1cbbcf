"""What the history of a checkout tells, read by git itself with its hooks and settings of others left out."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_SECONDS = 5
_MOST_COMMITS = 3000


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit."""

    id: str
    author: str
    at: datetime
    parents: int
    subject: str


@dataclass(frozen=True, kw_only=True)
class History:
    """The newest commits first; empty where there is no history."""

    commits: tuple[Commit, ...] = ()
    tags: tuple[tuple[str, datetime], ...] = ()
    head: str | None = None

    @property
    def days(self) -> float:
        """From the first commit to the last."""
        if not self.commits:
            return 0.0
        return (self.commits[0].at - self.commits[-1].at).total_seconds() / 86_400


def repository_of(path: Path) -> Path | None:
    """The checkout that `path` lies in."""
    return next((folder for folder in (path, *path.parents) if (folder / ".git").exists()), None)


def read_history(path: Path) -> History:
    """The history of the checkout around `path`; without git or a checkout there is none."""
    if repository_of(path) is None:
        return History()
    log = _git(path, "log", f"-{_MOST_COMMITS}", "--format=%H%x1f%an%x1f%ct%x1f%P%x1f%s", "--", ".")
    commits = tuple(_commit(line) for line in log.splitlines() if line.count("\x1f") == 4)
    tags = _git(path, "for-each-ref", "refs/tags", "--format=%(refname:short)%1f%(creatordate:unix)")
    head = _git(path, "rev-parse", "HEAD").strip()
    return History(
        commits=commits, tags=tuple(_tag(line) for line in tags.splitlines() if "\x1f" in line), head=head or None
    )


def _commit(line: str) -> Commit:
    name, author, at, parents, subject = line.split("\x1f")
    return Commit(
        id=name,
        author=author,
        at=datetime.fromtimestamp(int(at), UTC),
        parents=len(parents.split()),
        subject=subject,
    )


def _tag(line: str) -> tuple[str, datetime]:
    name, _, at = line.partition("\x1f")
    return name, datetime.fromtimestamp(int(at or 0), UTC)


def _git(path: Path, *arguments: str) -> str:
    """Git may run programs that a repository's settings name; those that reading could start are switched off."""
    off = (
        "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.pager=cat", "-c",
        "log.showSignature=false",
    )  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 (fixed words; the path is an argument of its own)
            ["git", "-C", str(path), *off, *arguments],  # noqa: S607 (git is found where the user has it)
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # without git the files speak alone, and the mode says so
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else ""
