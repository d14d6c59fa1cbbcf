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


_FOR_PROGRAMS = ("outputs", "parts", "numbers")
_DIGEST = 64


def render(trace: Mapping[str, Any]) -> None:
    """Print the trace, the answer first and its origins below."""
    root = Tree(Text(f"prediction {trace['prediction']['prediction_id']}", style="bold"))
    for name, title in _TITLES.items():
        branch = root.add(Text(title, style="bold cyan"))
        _grow(branch, _short(msgspec.to_builtins(trace[name], builtin_types=())))
    console().print(root)


def _short(value: Any) -> Any:
    """Without what only a program wants (the JSON has it all), and with digests as people compare them."""
    if isinstance(value, Mapping):
        return {name: _short(item) for name, item in value.items() if name not in _FOR_PROGRAMS}
    if isinstance(value, list):
        return [_short(item) for item in value]
    if isinstance(value, str) and len(value) == _DIGEST and value.isalnum():
        return value[:12]
    return value


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
            rest = dict(list(item.items())[1:]) if isinstance(item, Mapping) else {}
            if any(isinstance(part, (Mapping, list)) for part in rest.values()):
                _grow(branch.add(Text(say(head))), rest)
            else:
                told = ", ".join(f"{name} {say(part)}" for name, part in rest.items() if part is not None)
                branch.add(Text.assemble((f"{say(head)}  ", ""), (told, "dim")))
    else:
        branch.add(Text(say(value or None), style="dim"))
