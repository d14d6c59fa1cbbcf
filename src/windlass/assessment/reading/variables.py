"""What a command is told by name: variables, values of a loop or of a matrix, and files that were moved before."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

Values = Mapping[str, tuple[str, ...]]
"""Name to what it stands for: one value, or each of those that a loop or a matrix goes through."""

_MOST = 12
_MOST_NAMES = 2
"""Of those with several values: their combinations multiply."""
_MOST_EXPORTED = 64
_LONGEST = 4000
"""Of a value: `A=$A$A` doubles it with each line."""
_NAME = re.compile(
    r"\$\{\{\s*(?:(?:env|variables|parameters|inputs)\.)?(?P<given>[\w.-]+)\s*\}\}"
    r"|\$\{(?P<braced>\w+)(?::?-(?P<default>[^}]*))?\}|\$\((?P<round>[\w.]+)\)|\$(?P<plain>\w+)"
)
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_DECLARES = frozenset({"export", "local", "readonly", "declare"})
_UNKNOWN = re.compile(r"\$\(|`")


def filled(text: str, values: Values) -> str:
    """A text with the first value of each name that is known, or the default that it names itself."""

    def fill(found: re.Match[str]) -> str:
        known = values.get(found["given"] or found["braced"] or found["round"] or found["plain"])
        return known[0] if known else found["default"] or found[0]

    return _NAME.sub(fill, text) if "$" in text else text


def _within_bounds(text: str, values: Values) -> str:
    """The same for one word, as long as a word of a command may be."""
    return filled(text, values)[:_LONGEST] if len(text) <= _LONGEST else text


def spread(argv: tuple[str, ...], values: Values, names: int = _MOST_NAMES) -> list[tuple[str, ...]]:
    """A command with its names filled in; once for each value of a name that has several, of the first `names`."""
    if not any("$" in word for word in argv):
        return [argv]
    found_in = (found for word in argv for found in _NAME.finditer(word))
    named = dict.fromkeys(found[group] for found in found_in for group in found.groupdict())
    several = next((name for name in named if name is not None and len(values.get(name, ())) > 1), None)
    if several is None or not names:
        return [tuple(part for word in argv for part in _parts(word, _within_bounds(word, values)))]
    return [
        each for value in values[several][:_MOST] for each in spread(argv, {**values, several: (value,)}, names - 1)
    ]


def _parts(word: str, text: str) -> list[str]:
    """Words that a variable alone stands for."""
    return text.split() if text != word and _NAME.fullmatch(word) and text.strip() else [text]


class Known:
    """What a script has set and moved so far."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[str, ...]] = {}
        self._loops: list[str] = []
        self._moved: dict[str, str] = {}
        self._exported: dict[str, str] = {}

    def hear(self, words: list[str]) -> None:
        """Take note of an assignment, or of a loop that begins or ends."""
        first = words[0]
        if first == "for" and words[2:3] == ["in"]:
            self._loops.append(words[1])
            self.values[words[1]] = tuple(_within_bounds(word, self.values) for word in words[3:])
        elif first in ("while", "until", "select"):
            self._loops.append("")
        elif first == "done" and self._loops:
            self.values.pop(self._loops.pop(), None)
        else:
            given = [_ASSIGNED.fullmatch(word) for word in (words[1:] if first in _DECLARES else words)]
            for found in given if all(given) else ():
                if found is not None and not _UNKNOWN.search(found[2]):
                    self.values[found[1]] = (_within_bounds(found[2], self.values),)
                    if first == "export" and len(self._exported) < _MOST_EXPORTED:
                        self._exported[found[1]] = self.values[found[1]][0]

    def exported(self, words: list[str]) -> tuple[tuple[str, str], ...]:
        """What a command finds in its environment: what was exported, and the assignments before its name."""
        found = dict(self._exported)
        for word in words:
            assigned = _ASSIGNED.fullmatch(word)
            if assigned is not None and not _UNKNOWN.search(assigned[2]):
                found[assigned[1]] = _within_bounds(assigned[2], self.values)
            elif assigned is None and word != "env":
                break
        return tuple(found.items())

    def heard(self, argv: tuple[str, ...], folder: str) -> list[tuple[str, ...]]:
        """What a command in a folder comes to, given all of that."""
        found = spread(argv, self.values)
        if argv[0] in ("cp", "mv") or not self._moved:
            return found
        return [(each[0], *(self._back(word, folder) for word in each[1:])) for each in found]

    def move(self, argv: tuple[str, ...], folder: str) -> None:
        """Remember what `cp` or `mv` brings where: each file, and what lies in a folder."""
        places = [word for word in argv[1:] if not word.startswith("-")]
        if argv[0] not in ("cp", "mv") or len(places) < 2:
            return
        *sources, target = [posixpath.normpath(posixpath.join(folder, place)) for place in places]
        for source in sources:
            self._moved[posixpath.join(target, posixpath.basename(source))] = source
            if len(sources) == 1:
                self._moved[target] = source

    def _back(self, word: str, folder: str) -> str:
        """Where a file, named by a path, lay before it was moved. A bare word may be anything, such as a verb."""
        here = posixpath.normpath(posixpath.join(folder, word))
        if here in self._moved and ("/" in word or "." in word):
            return self._moved[here]
        above, _, rest = here.rpartition("/")
        while above:
            if above in self._moved and "." not in posixpath.basename(above):
                return posixpath.join(self._moved[above], rest)
            above, _, last = above.rpartition("/")
            rest = f"{last}/{rest}"
        return word
