"""A trace as a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from rich.text import Text
from rich.tree import Tree

from windlass.cli.output import console, say

_TITLES = {
    "prediction": "the answer",
    "request": "the request it answered",
    "features": "what the model saw",
    "outcomes": "what came true",
    "version": "the version that answered",
    "release": "how that version was released",
    "champion": "when it became the champion",
    "run": "the run that made it",
    "data": "the data it learned from",
    "code": "the code and environment",
}


def render(trace: Mapping[str, Any]) -> None:
    """Print the trace, the answer first and its origins below."""
    root = Tree(Text(f"prediction {trace['prediction']['prediction_id']}", style="bold"))
    for name, title in _TITLES.items():
        branch = root.add(Text(title, style="bold cyan"))
        _grow(branch, msgspec.to_builtins(trace[name], builtin_types=()))
    console().print(root)


def _grow(branch: Tree, value: Any) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(item, (Mapping, list)) and item:
                _grow(branch.add(Text(str(name), style="dim")), item)
            else:
                branch.add(Text.assemble((f"{name}  ", "dim"), say(item)))
    elif isinstance(value, list) and value:
        for item in value:
            head = next(iter(item.values())) if isinstance(item, Mapping) and item else item
            twig = branch.add(Text(say(head)))
            if isinstance(item, Mapping):
                _grow(twig, dict(list(item.items())[1:]))
    else:
        branch.add(Text(say(value or None), style="dim"))
