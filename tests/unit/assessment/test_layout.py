"""How the parts of the assessment hang together."""

from __future__ import annotations

import ast
from pathlib import Path

import windlass.assessment

ROOT = Path(windlass.assessment.__file__).parent
PACKAGE = "windlass.assessment"


def imports() -> dict[str, set[str]]:
    """Each module with the modules of the assessment that it imports, also those inside of functions."""
    found = {}
    for path in ROOT.rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        name = ".".join([PACKAGE, *path.relative_to(ROOT).with_suffix("").parts])
        found[name] = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return found


def test_no_modules_import_one_another_in_a_circle() -> None:
    direct = imports()
    reached = {name: set[str]() for name in direct}
    for name, seen in reached.items():
        waiting = [each for each in direct[name] if each in direct]
        while waiting:
            here = waiting.pop()
            if here not in seen:
                seen.add(here)
                waiting += [each for each in direct[here] if each in direct]
    assert f"{PACKAGE}.facts" in reached[f"{PACKAGE}.probes.gates"]
    assert [name for name, seen in reached.items() if name in seen] == []
