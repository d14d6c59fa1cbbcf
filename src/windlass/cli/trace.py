"""A trace as a tree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from rich.text import Text
from rich.tree import Tree

from windlass.cli.output import console, say
from windlass.product.duration import format_duration

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


_EVIDENCE = ("request", "features")
"""What was sent and seen is shown to the last digit."""
_FOR_PROGRAMS = ("outputs", "parts", "numbers")
_DIGEST = 64


def render(trace: Mapping[str, Any]) -> None:
    """Print the trace, the answer first and its origins below."""
    root = Tree(Text(f"prediction {trace['prediction']['prediction_id']}", style="bold"))
    for name, title in _TITLES.items():
        branch = root.add(Text(title, style="bold cyan"))
        plain = msgspec.to_builtins(trace[name], builtin_types=())
        _grow(branch, _exact(plain) if name in _EVIDENCE else _short(plain))
    console().print(root)


def _exact(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    return {name: repr(value) if isinstance(value, float) else value for name, value in values.items()}


def _short(value: Any) -> Any:
    """Without what only a program wants (the JSON has it all), and with digests and waits as people compare them."""
    if isinstance(value, Mapping):
        told = {name: _short(item) for name, item in value.items() if name not in _FOR_PROGRAMS}
        if isinstance(told.get("within"), float):
            told["within"] = format_duration(timedelta(seconds=told["within"]))
        return told
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
