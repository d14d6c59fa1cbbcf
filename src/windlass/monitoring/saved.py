"""Profiles and the state of a watch as files: JSON with a version and a checksum, so opening one runs nothing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import msgspec

from windlass.errors import DataError
from windlass.monitoring.profiles import Profile
from windlass.monitoring.state import WatchState

VERSION = 1
PROFILE = "windlass-profile"
STATE = "windlass-drift-state"
_START = 64


class _File(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    version: int
    digest: str
    """SHA-256 of the content as it stands here."""
    content: msgspec.Raw


Kept = TypeVar("Kept", Profile, WatchState)


def save_profile(profile: Profile, path: Path | str) -> None:
    """Write a profile, whole or not at all."""
    _write(Path(path), _encode(profile, PROFILE))


def load_profile(path: Path | str) -> Profile:
    """What `save_profile` wrote. Raises DataError for anything else."""
    return _decode(Path(path), Profile, PROFILE, remedy="make it again with `windlass profile`")


def is_profile(path: Path) -> bool:
    """Whether the file says that it is a profile; its end may be missing."""
    with path.open("rb") as file:
        return f'"{PROFILE}"'.encode() in file.read(_START)


def save_state(state: WatchState, path: Path | str) -> None:
    """Write the state of a watch, whole or not at all."""
    _write(Path(path), _encode(state, STATE))


def load_state(path: Path | str) -> WatchState:
    """What `save_state` wrote. Raises DataError for anything else."""
    return _decode(Path(path), WatchState, STATE, remedy="put it back from a copy, or remove it to begin anew")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else reads the state at `path` to write it anew inside the block: whoever came later would undo it.

    The lock is a file beside it, since the state itself is replaced whenever it is written.
    """
    with path.with_name(f".{path.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _encode(value: Profile | WatchState, name: str) -> bytes:
    content = msgspec.json.encode(value)
    file = _File(format=name, version=VERSION, digest=sha256(content).hexdigest(), content=msgspec.Raw(content))
    return msgspec.json.encode(file)


def _decode(path: Path, kind: type[Kept], name: str, *, remedy: str) -> Kept:
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except msgspec.DecodeError as error:
        raise DataError(f"this is no whole {name}: {error}", where=str(path), remedy=remedy) from error
    except OSError as error:
        raise DataError(f"the file cannot be read: {error}", where=str(path), remedy="check the path") from error
    if file.format != name:
        raise DataError(f"this is a {file.format}, not a {name}", where=str(path), remedy=remedy)
    if file.version != VERSION:
        raise DataError(
            f"the {name} is of version {file.version}; this Windlass reads version {VERSION}",
            where=str(path),
            remedy="open it with the Windlass that wrote it, or make it again",
        )
    if sha256(file.content).hexdigest() != file.digest:
        raise DataError(f"the {name} was changed or damaged: its checksum differs", where=str(path), remedy=remedy)
    try:
        return msgspec.json.decode(file.content, type=kind)
    except msgspec.DecodeError as error:
        raise DataError(f"this is no whole {name}: {error}", where=str(path), remedy=remedy) from error


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
