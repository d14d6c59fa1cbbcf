"""What the history of a checkout tells, read by git itself with its hooks and settings of others left out."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_SECONDS = 20
_MOST_COMMITS = 3000


class NoHistory(Exception):
    """Git tells nothing, and why."""


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
    lost: str = ""
    """Why the history of a checkout is not here, and what brings it; "" if it is, or if there is none."""
    origin: str = ""
    """Address that the checkout was cloned from, as its settings have it: it may hold a password."""

    @property
    def days(self) -> float:
        """From the first commit to the last."""
        if not self.commits:
            return 0.0
        return (self.commits[0].at - self.commits[-1].at).total_seconds() / 86_400


def repository_of(path: Path) -> Path | None:
    """The checkout that `path` lies in."""
    return next((folder for folder in (path, *path.parents) if (folder / ".git").exists()), None)


def is_bare(path: Path) -> bool:
    """Whether a folder is a repository without a checkout."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def submodules_in(text: str) -> list[str]:
    """The folders that a `.gitmodules` fills from other repositories."""
    return re.findall(r"^\s*path\s*=\s*(\S.*?)/?\s*$", text, re.MULTILINE)


def read_history(path: Path) -> History:
    """The history of the checkout around `path`; without a checkout there is none.

    A history that is cut off, or that git refuses to read, is left out and `lost` says why: a part of it would be taken
    for the whole.
    """
    if repository_of(path) is None:
        return History()
    try:
        return _history(path)
    except NoHistory as error:
        return History(lost=str(error))


def kept_files(path: Path, most: int) -> tuple[str, ...]:
    """What git keeps below `path`, whether it is checked out or not, as seen from there: `most` paths at most."""
    if repository_of(path) is None:
        return ()
    try:
        listed = _git(path, "ls-files", "-z")
    except NoHistory:
        return ()  # the history, which is read first, says why
    return tuple(listed.split("\0")[:most])


def _history(path: Path) -> History:
    head = _git(path, "rev-parse", "--quiet", "--verify", "HEAD").strip()
    if not head:
        return History()  # a repository without a commit
    origin = _git(path, "config", "--get", "remote.origin.url").strip()
    if _git(path, "rev-parse", "--is-shallow-repository").strip() == "true":
        cut = "the history is cut off by a shallow clone and was left out; `git fetch --unshallow` brings it"
        return History(head=head, origin=origin, lost=cut)
    log = _git(path, "log", f"-{_MOST_COMMITS}", "--format=%H%x1f%an%x1f%ct%x1f%P%x1f%s", "--", ".")
    tags = _git(path, "for-each-ref", "refs/tags", "--format=%(refname:short)%1f%(creatordate:unix)")
    return History(
        commits=tuple(_commit(line) for line in log.splitlines() if line.count("\x1f") == 4),
        tags=tuple(_tag(line) for line in tags.splitlines() if "\x1f" in line),
        head=head,
        origin=origin,
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
    """What git answers, "" if it has nothing to say; NoHistory names why it cannot answer.

    Git may run programs that a repository's settings name; those that reading could start are switched off.
    """
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
    except subprocess.TimeoutExpired:
        raise NoHistory(f"git did not answer within {_SECONDS} s: its history was left out") from None
    except OSError:
        raise NoHistory("git cannot be started: its history was left out; install git") from None
    if done.returncode and done.stderr.strip():
        why = " ".join(done.stderr.decode("utf-8", errors="replace").split())
        raise NoHistory(f"git does not read its history, which was left out: {why[:300]}")
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else ""
