"""Whether a file was replaced since somebody looked: a few times a second, so by what costs no reading."""

from __future__ import annotations

import os
from pathlib import Path

Stamp = tuple[int, int, int]


def stamp_of(path: Path | os.DirEntry[str]) -> Stamp:
    """What is another one once the file was replaced or written to. Raises OSError where there is none."""
    found = path.stat()
    return found.st_mtime_ns, found.st_ino, found.st_size
