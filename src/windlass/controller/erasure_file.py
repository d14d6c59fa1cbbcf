"""Files that name a person's key: what is to be erased, and the secret that its hash is made with."""

from __future__ import annotations

import hmac
import os
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from uuid import uuid4

import msgspec

from windlass.records.erasure import Erasure
from windlass.records.paths import Paths


def hashed(paths: Paths, key: str) -> str:
    """HMAC-SHA256 of the key, in hex; the secret is made when it is first asked for, readable by its owner alone."""
    if not paths.secret.exists():
        paths.keys.mkdir(parents=True, exist_ok=True)
        staged = paths.keys / f".{uuid4().hex}"
        _write_private(staged, token_bytes(32))
        staged.rename(paths.secret)
    return hmac.new(paths.secret.read_bytes(), key.encode(), sha256).hexdigest()


def read_erasure(paths: Paths, command: str) -> Erasure | None:
    """What is to be erased; None when its file is gone."""
    try:
        return msgspec.json.decode(paths.erasure(command).read_bytes(), type=Erasure)
    except FileNotFoundError:
        return None


def write_erasure(paths: Paths, erasure: Erasure) -> None:
    """Put it on the disk whole, readable by its owner alone."""
    path = paths.erasure(erasure.command)
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".new")
    _write_private(staged, msgspec.json.encode(erasure))
    staged.rename(path)


def _write_private(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 (of a descriptor)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
