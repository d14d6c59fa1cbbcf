"""What curl and wget are told: where they ask, whether they send something, and whether they keep the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_CURL = {
    "d": "send", "F": "send", "T": "send", "o": "keep", "H": "", "X": "", "u": "", "m": "", "A": "", "e": "", "b": "",
    "c": "", "w": "", "x": "", "E": "", "K": "", "r": "", "y": "", "Y": "", "C": "", "D": "",
    "data": "send", "data-raw": "send", "data-binary": "send", "data-urlencode": "send", "data-ascii": "send",
    "json": "send", "form": "send", "form-string": "send", "upload-file": "send", "output": "keep",
    "output-dir": "", "header": "", "request": "", "user": "", "max-time": "", "user-agent": "", "referer": "",
    "cookie": "", "cookie-jar": "", "write-out": "", "proxy": "", "cert": "", "config": "", "range": "",
    "continue-at": "", "dump-header": "", "retry": "", "retry-delay": "", "retry-max-time": "", "connect-timeout": "",
    "cacert": "", "key": "", "oauth2-bearer": "", "resolve": "", "limit-rate": "",
}  # fmt: skip
"""Options that take a value, to what it does."""
_WGET = {
    "O": "keep", "o": "", "P": "", "t": "", "T": "", "U": "", "a": "", "i": "", "l": "", "Q": "", "w": "", "A": "",
    "output-document": "keep", "output-file": "", "directory-prefix": "", "tries": "", "timeout": "",
    "user-agent": "", "header": "", "post-data": "send", "post-file": "send", "body-data": "send", "body-file": "send",
    "user": "", "password": "", "method": "", "wait": "", "waitretry": "", "input-file": "",
}  # fmt: skip
_NOWHERE = frozenset({"-", "/dev/null", "/dev/stdout"})


@dataclass(frozen=True)
class Fetched:
    """One request, or several of the same kind."""

    places: tuple[str, ...]
    sends: bool
    kept: bool
    """Whether the answer goes into a file."""


def fetched(argv: tuple[str, ...]) -> Fetched | None:
    """What a command of curl or wget asks; None for any other."""
    if argv[0] not in ("curl", "wget"):
        return None
    options, places = _read(argv[1:], _CURL if argv[0] == "curl" else _WGET)
    files = [value for name, value in options if name == "keep"]
    kept = any(file not in _NOWHERE for file in files)
    told = {name for name, _ in options}
    if argv[0] == "curl":
        kept |= bool(told & {"O", "remote-name", "remote-name-all"})
    else:
        kept |= not files and "spider" not in told  # it keeps what it gets, unless it is told not to
    return Fetched(places=tuple(places), sends="send" in told, kept=kept)


def _read(words: tuple[str, ...], taking: dict[str, str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The options, by what they do or by their own name, each with its value; and all other words."""
    options: list[tuple[str, str]] = []
    places: list[str] = []
    rest = iter(words)
    for word in rest:
        if word.startswith("--"):
            name, given, value = word[2:].partition("=")
            value = value if given or name not in taking else next(rest, "")
            options.append((taking.get(name) or name, value))
        elif word.startswith("-") and len(word) > 1:
            options += _short(word[1:], taking, rest)
        else:
            places.append(word)
    return options, places


def _short(letters: str, taking: dict[str, str], rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The options of `-fsSLo file` and of `-qO-`."""
    for place, letter in enumerate(letters, start=1):
        if letter in taking:
            yield taking[letter] or letter, letters[place:] or next(rest, "")
            return
        yield letter, ""
