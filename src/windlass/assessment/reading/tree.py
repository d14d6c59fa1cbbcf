"""The files of a project, read within bounds: hostile or merely huge, the scan ends and says what it left out."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from windlass.assessment.records import Unread

_LEFT_OUT = frozenset(
    {
        ".git", ".hg", ".svn", "node_modules", ".venv", "venv", "site-packages", "__pycache__", ".tox", ".nox",
        ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints", ".eggs", "bower_components", ".windlass",
    }
)  # fmt: skip
"""Folders of machines, not of people."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much is read at most."""

    files: int = 100_000
    bytes_of_text: int = 1_000_000
    bytes_of_code: int = 240_000
    """Of a file of Python: to parse it takes up to a thousand times as much memory."""
    bytes_of_notebook: int = 8_000_000
    bytes_in_all: int = 300_000_000
    depth: int = 40

    def of(self, path: str) -> int:
        """The bytes of one file."""
        special = {".ipynb": self.bytes_of_notebook, ".py": self.bytes_of_code}
        return special.get(PurePosixPath(path).suffix, self.bytes_of_text)


@dataclass
class Tree:
    """Paths below `root`, relative and with slashes, and their text on demand. Symbolic links are not followed."""

    root: Path
    limits: Limits = field(default_factory=Limits)
    unread: dict[str, str] = field(default_factory=dict)
    """Path to why."""
    _read: int = 0

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Every file with its size in bytes, by path in order."""
        found: dict[str, int] = {}
        waiting = [("", 0)]
        while waiting:
            folder, depth = waiting.pop()
            if len(found) >= self.limits.files:
                self.unread[folder or "."] = f"more than {self.limits.files:,} files: the rest was left out"
                break
            for name, is_folder, size in self._entries(folder):
                path = f"{folder}/{name}" if folder else name
                if not is_folder:
                    found[path] = size
                elif depth >= self.limits.depth:
                    self.unread[path] = f"deeper than {self.limits.depth} folders"
                else:
                    waiting.append((path, depth + 1))
        return dict(sorted(found.items()))

    def _entries(self, folder: str) -> list[tuple[str, bool, int]]:
        entries: list[tuple[str, bool, int]] = []
        try:
            with os.scandir(self.root / folder) as listing:
                for entry in listing:
                    if len(entries) >= self.limits.files:
                        self.unread[folder or "."] = f"more than {self.limits.files:,} files: the rest was left out"
                        break
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if not _printable(entry.name):
                        self.unread[_shown(path)] = "its name is not text"
                    elif entry.is_symlink():
                        self.unread[path] = "a symbolic link, which is not followed"
                    elif entry.is_dir(follow_symlinks=False):
                        if entry.name not in _LEFT_OUT and not _is_built(folder, entry.name):
                            entries.append((entry.name, True, 0))
                    elif entry.is_file(follow_symlinks=False):
                        entries.append((entry.name, False, entry.stat(follow_symlinks=False).st_size))
                    else:
                        self.unread[path] = "neither a file nor a folder: it is not opened"
        except OSError as error:
            self.unread[folder or "."] = f"could not be listed: {error.strerror}"
        return entries

    def __contains__(self, path: str) -> bool:
        return path in self.sizes

    def named(self, *endings: str) -> list[str]:
        """Paths that end in one of `endings`, whatever their case."""
        return [path for path in self.sizes if path.lower().endswith(endings)]

    def text(self, path: str) -> str | None:
        """What a file says, up to the limit; None, and a line in `unread`, where it cannot be told."""
        limit = self.limits.of(path)
        if self._read >= self.limits.bytes_in_all:
            self.unread[path] = f"more than {self.limits.bytes_in_all // 1_000_000} MB in all: the rest was left out"
            return None
        try:
            raw = _read(self.root / path, limit + 1)
        except OSError as error:
            self.unread[path] = f"could not be read: {error.strerror or error}"
            return None
        self._read += len(raw)
        if len(raw) > limit:
            self.unread[path] = f"larger than {limit // 1_000} KB: read up to there"
            raw = raw[:limit]
        if b"\0" in raw[:4096]:
            self.unread[path] = "not text"
            return None
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            self.unread.setdefault(path, "not valid UTF-8: read with the broken characters replaced")
            return raw.decode("utf-8", errors="replace")

    def what_was_not_read(self) -> tuple[Unread, ...]:
        """In order of path."""
        return tuple(Unread(path=path, why=why) for path, why in sorted(self.unread.items()))


def _read(path: Path, most: int) -> bytes:
    """At most `most` bytes of a regular file: not of a link, a pipe or a device put there meanwhile."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("not a regular file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(handle)


def _is_built(folder: str, name: str) -> bool:
    """Copies that packaging leaves behind: they would count everything twice."""
    return (name == "lib" and folder.rpartition("/")[2] == "build") or name.endswith((".egg-info", ".dist-info"))


def _printable(name: str) -> bool:
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in name)


def _shown(path: str) -> str:
    return path.encode("utf-8", errors="backslashreplace").decode()
