"""Projects on disk, written from text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Write:
    """`project(flights="...", **{"pkg/mod": "..."})` writes the files and returns the folder; call again to change."""

    def write(**modules: str) -> Path:
        for name, text in modules.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return tmp_path

    return write
