"""Conditions of GitHub Actions, as far as the event decides them."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\s*(\|\||&&|==|!=|!|\(|\)|,|'(?:[^']|'')*'|[^\s()!=&|,']+|[=&|])")
_EVENTS = {"dispatch": "workflow_dispatch", "event": "repository_dispatch", "tag": "push", "call": "workflow_call"}
_INPUTS = re.compile(r"(github\.event\.)?inputs\.")


def may_run(condition: str, kind: str) -> bool:
    """Whether a job or step under a condition can run on an event of this kind: only a definite no counts."""
    text = condition.strip().removeprefix("${{").removesuffix("}}").replace('"', "'")
    return _Reader(_TOKEN.findall(text), kind).either() is not False


class _Reader:
    """Reads an expression to True, False, or None where something else than the event decides."""

    def __init__(self, tokens: list[str], kind: str) -> None:
        self.tokens, self.kind, self.place = tokens, kind, 0

    def either(self) -> bool | None:
        found = self.both()
        while self._take("||"):
            other = self.both()
            found = True if found or other else None if found is None or other is None else False
        return found

    def both(self) -> bool | None:
        found = self.one()
        while self._take("&&"):
            other = self.one()
            found = False if found is False or other is False else None if found is None or other is None else True
        return found

    def one(self) -> bool | None:
        if self._take("!"):
            found = self.one()
            return None if found is None else not found
        if self._take("("):
            found = self.either()
            self._take(")")
            return found
        return self._compared(self._next())

    def _compared(self, left: str) -> bool | None:
        if self._take("("):  # a function: who knows
            depth = 1
            while depth and self.place < len(self.tokens):
                word = self._next()
                depth += (word == "(") - (word == ")")
            return None
        for operator in ("==", "!="):
            if self._take(operator):
                same = self._same(left, self._next())
                return same if same is None or operator == "==" else not same
        if _INPUTS.match(left):
            return None if self.kind in ("dispatch", "call") else False
        return {"true": True, "false": False}.get(left.lower())

    def _same(self, left: str, right: str) -> bool | None:
        if left.startswith("'"):
            left, right = right, left
        if left == "github.event_name":
            return right.strip("'") == _EVENTS.get(self.kind, self.kind)
        if _INPUTS.match(left) and self.kind not in ("dispatch", "call"):
            return right in ("''", "null")  # an input that nobody gives is empty
        return None

    def _next(self) -> str:
        self.place += 1
        return self.tokens[self.place - 1] if self.place <= len(self.tokens) else ""

    def _take(self, token: str) -> bool:
        if self.place < len(self.tokens) and self.tokens[self.place] == token:
            self.place += 1
            return True
        return False
