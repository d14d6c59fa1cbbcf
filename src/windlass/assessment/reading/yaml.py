"""YAML as data with the line of everything, within bounds: no tags are obeyed, and anchors cannot explode."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_NODES = 200_000
_DEEPEST = 60


class TooMuch(Exception):
    """More nodes or levels than any real file has."""


class Map(dict[str, Any]):
    """A mapping that knows its lines, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}

    def line_of(self, key: str) -> int:
        """Where the value of `key` begins, or the mapping itself."""
        return self.lines.get(key, self.line)


class Items(list[Any]):
    """A list that knows its lines, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


class _Frame:
    """A collection that is being read."""

    def __init__(self, value: Map | Items, anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.key: str | None = None
        self.size = 1


class _Reader:
    def __init__(self) -> None:
        self.documents: list[Any] = []
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.nodes = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if type(event) is yaml.ScalarEvent:
            value = _scalar(event)
            self._remember(event.anchor, value, 1)
            # A literal block begins on the line below its mark.
            self._put(value, line + 1 if event.style in ("|", ">") else line, 1)
        elif isinstance(event, yaml.AliasEvent):
            value, size = self.anchors.get(event.anchor, (None, 1))
            self._put(value, line, size)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open(Map(line), event.anchor)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open(Items(line), event.anchor)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            frame = self.stack.pop()
            self._remember(frame.anchor, frame.value, frame.size)
            self._put(frame.value, frame.value.line, 0)
            if self.stack:
                self.stack[-1].size += frame.size
        elif isinstance(event, yaml.DocumentStartEvent):
            self.anchors.clear()

    def _open(self, value: Map | Items, anchor: str | None) -> None:
        if len(self.stack) >= _DEEPEST:
            raise TooMuch(f"nested deeper than {_DEEPEST} levels")
        self.stack.append(_Frame(value, anchor))

    def _remember(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, size)

    def _put(self, value: Any, line: int, size: int) -> None:
        self.nodes += max(size, 1)
        if self.nodes > _MOST_NODES:
            raise TooMuch(f"more than {_MOST_NODES:,} values once its anchors are followed")
        if not self.stack:
            self.documents.append(value)
            return
        frame = self.stack[-1]
        frame.size += size
        into = frame.value
        if isinstance(into, Items):
            into.append(value)
            into.lines.append(line)
        elif frame.key is None:
            frame.key = value if isinstance(value, str) else str(value)[:200]
        else:
            key, frame.key = frame.key, None
            for name, item, at in _merged(key, value, line):
                into[name] = item
                into.lines[name] = at


def _merged(key: str, value: Any, line: int) -> list[tuple[str, Any, int]]:
    """`<<` takes over what it names."""
    if key != "<<":
        return [(key, value, line)]
    sources = value if isinstance(value, Items) else [value]
    return [
        (name, item, each.line_of(name)) for each in sources if isinstance(each, Map) for name, item in each.items()
    ]


def _scalar(event: Any) -> Any:
    """Plain true and false are truth values; `on`, dates and numbers stay the words they are."""
    text = event.value
    plain = event.style in (None, "")  # the parser in C says "" where the one in Python says None
    if plain and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return None if plain and text in ("", "~", "null") else text


def read_yaml(text: str) -> tuple[list[Any], str]:
    """The documents of a file, and why it could not be read to its end ("" if it could)."""
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.take(event)
    except TooMuch as error:
        return [], str(error)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        return reader.documents, f"not YAML{where} (a template of something else, perhaps)"
    return reader.documents, ""
