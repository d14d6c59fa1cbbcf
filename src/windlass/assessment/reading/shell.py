"""Shell text as the commands that it runs, each with its line and whether its failure is swallowed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from windlass.assessment.reading.variables import Known

_KEYWORDS = frozenset(
    {"if", "then", "else", "elif", "while", "until", "do", "!", "{", "(", "time", "exec", "sudo", "nohup", "command"}
)
_ENDS = frozenset({"fi", "done", "esac", "}", ")", ";;"})
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_LIST = re.compile(r"[A-Za-z_]\w*\+?=$")
_HARMLESS = frozenset({"true", ":", "echo", "exit", "printf"})
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_OPERATORS = ("&&", "||", ";;", "|&", ";", "|", "&", "\n")


LAUNCHERS = frozenset(
    {
        "subprocess.run", "subprocess.check_call", "subprocess.call", "subprocess.Popen", "subprocess.check_output",
        "os.system", "os.popen", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "sh.bash",
    }
)  # fmt: skip
"""Functions of Python that start a command: a text, or a list of words."""


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command."""

    argv: tuple[str, ...]
    line: int
    swallowed: str = ""
    """Why its failure stops nothing, or ""."""
    folder: str = ""
    """Where it runs, relative to where the script began."""
    fed: str = ""
    """What a here-document gives it to read."""
    piped: str = ""
    """The program that gets what it writes."""
    reads: str = ""
    """The file that it is given to read: `bq query < train.sql`."""
    given: tuple[tuple[str, str], ...] = ()
    """What it finds in its environment beside what is there already: `SCRIPT=train.py python steps.py`."""

    @property
    def text(self) -> str:
        return " ".join(self.argv)


def option(argv: tuple[str, ...], *names: str) -> str:
    """The value of an option, `--uri X` or `--uri=X`, by any of its names, or ""."""
    for place, word in enumerate(argv):
        if word in names and place + 1 < len(argv):
            return argv[place + 1]
        if word.partition("=")[0] in names and "=" in word:
            return word.partition("=")[2]
    return ""


_PROGRAM = re.compile(
    r"(gcloud|aws|az|docker|kubectl|helm|terraform|databricks|dvc|mlflow|python3?|bash|make|uv|helmfile|kustomize)\s+\S"
)


def names_program(text: str) -> bool:
    """Whether a text, or a list with spaces between, begins as a command of a known program does."""
    return bool(_PROGRAM.match(text))


def read_shell(text: str, line: int = 1) -> list[Command]:
    """The commands of a script that begins at `line`, in order."""
    found: list[Command] = []
    folder, lenient = "", False
    before: list[str] = []
    known = Known()
    for words, operator, at, fed in _split(text, line):
        known.hear(words)
        argv = _bare(words)
        if operator == "||" and found and argv and argv[0] in _HARMLESS and not _leaves(argv):
            found[-1] = replace(found[-1], swallowed=f"|| {' '.join(argv)[:40]}")
        if not argv:
            continue
        if operator == "|" and found:
            found[-1] = replace(found[-1], piped=argv[0])
        if argv[0] in ("cd", "pushd") and len(argv) > 1:
            before.append(folder)
            folder = _join(folder, argv[1])
        elif argv[0] == "popd" and before:
            folder = before.pop()
        if argv[0] == "set":
            lenient = _set(argv, lenient=lenient)
        known.move(argv, folder)
        lost = "set +e" if lenient else ""
        for each in known.heard(argv, folder):
            said = " ".join(each[1:])
            if each[0] == "eval" and not re.search(r"[$`]", said):  # of `eval $(ssh-agent)` nobody knows what it says
                found += [replace(inner, line=at, folder=folder, fed=fed, swallowed=lost) for inner in read_shell(said)]
                continue
            reads = _given(words)
            given = known.exported(words)
            found.append(Command(argv=each, line=at, folder=folder, fed=fed, swallowed=lost, reads=reads, given=given))
    return found


_HEEDS = re.compile(
    r"^#!.*\s-\w*e|\bset\s+-\w*e|errexit|\$\?|PIPESTATUS|\btrap\b|\b(?:exit|return)\s+[1-9$]|&&|\|\|", re.MULTILINE
)
"""What a script that looks at how its commands end has."""


def read_script(text: str) -> list[Command]:
    """The commands of a file that a shell runs: without `set -e` the last of them decides how it ends."""
    found = read_shell(text)
    if not found or _HEEDS.search(re.sub(r"^\s*#(?!!).*", "", text, flags=re.MULTILINE)):
        return found
    last = found[-1].line
    why = "the script goes on without set -e"
    return [each if each.line == last else replace(each, swallowed=each.swallowed or why) for each in found]


def _leaves(argv: tuple[str, ...]) -> bool:
    return argv[0] == "exit" and argv[1:] != ("0",)


def _set(argv: tuple[str, ...], *, lenient: bool) -> bool:
    if any(word.startswith("+") and "e" in word for word in argv[1:]):
        return True
    return lenient and not any(word.startswith("-") and "e" in word for word in argv[1:])


def _join(folder: str, to: str) -> str:
    if to.startswith(("/", "$", "~", "-")):
        return folder
    parts = [part for part in folder.split("/") if part]
    for part in to.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


def _given(words: list[str]) -> str:
    """The file after `<`."""
    after = [words[at + 1] for at, word in enumerate(words[:-1]) if word == "<"]
    return after[0] if after else next((word[1:] for word in words if re.match(r"<[\w./$]", word)), "")


def _bare(words: list[str]) -> tuple[str, ...]:
    """Without the words of control flow and assignments before it, and without where it writes to."""
    while words and (words[0] in _KEYWORDS or _ASSIGNMENT.match(words[0])):
        words = _as_another(words[1:]) if words[0] == "sudo" else words[1:]
    if words and words[0] == "env":
        words = words[1:]
        while words and (_ASSIGNMENT.match(words[0]) or words[0].startswith("-")):
            words = words[1:]
    if not words or words[0] in _ENDS or words[0].startswith("#"):
        return ()
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif re.fullmatch(r"\d?(>|>>|<|>&|&>)", word):
            skip = True
        elif not re.match(r"\d?(>>?|<|&>)", word):
            kept.append(word)
    return tuple(kept)


def _as_another(words: list[str]) -> list[str]:
    """What `sudo -E -u app python train.py` runs."""
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in ("-u", "-g", "--user", "--group") else words[1:]
    return words


def _split(text: str, line: int, depth: int = 0) -> list[tuple[list[str], str, int, str]]:
    """(words, the operator before them, line, here-document) of each simple command."""
    scanner = _Scanner(text, line, depth)
    scanner.run()
    return scanner.found


def _closed(text: str, start: int) -> int:
    """Where a `$(` that begins at `start` ends, quotes in it left out, or 0 if it never does."""
    depth, place, quote = 0, start + 1, ""
    while place < len(text):
        letter = text[place]
        if letter == "\\" and quote != "'":
            place += 1
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
            if depth == 0:
                return place + 1
        place += 1
    return 0


_LONGEST_NAME = 100
_MOST_NESTED = 3
"""Commands within commands that are followed."""


class _Scanner:
    """Reads letter by letter, since quotes, continuations and substitutions nest."""

    def __init__(self, text: str, line: int, depth: int) -> None:
        self.text, self.line, self.place = text.replace("\r\n", "\n"), line, 0
        self.depth = depth
        self.found: list[tuple[list[str], str, int, str]] = []
        self.words: list[str] = []
        self.word: list[str] = []
        self.begun = False
        self.operator, self.started = "\n", line
        self.closes = True
        """Whether every `$(` within quotes has had an end."""

    def run(self) -> None:
        while self.place < len(self.text):
            self._step()
        self._end("\n")

    def _step(self) -> None:
        letter = self.text[self.place]
        if letter == "\\":
            self._escape()
        elif letter in "'\"`":
            self._quoted(letter)
        elif letter == "(" and self.word and self.word[-1] == "=" and _LIST.match("".join(self.word)):
            self._list()
        elif self.text.startswith(("$(", "${"), self.place):
            self._nested(")" if self.text[self.place + 1] == "(" else "}")
        elif letter == "#" and not self.begun:
            end = self.text.find("\n", self.place)
            self.place = len(self.text) if end < 0 else end
        elif letter in " \t":
            self._close()
            self.place += 1
        else:
            self._operator_or(letter)

    def _operator_or(self, letter: str) -> None:
        ahead = self.text[self.place : self.place + 2]
        redirect = ahead == "&>" or (letter == "&" and self.word and self.word[-1] in "><")
        operator = next((each for each in _OPERATORS if ahead.startswith(each)), None) if not redirect else None
        if operator is None:
            self._take(letter)
            self.place += 1
            return
        self.place += len(operator)
        if operator == "\n":
            self._newline()
        else:
            self._end(operator)

    def _newline(self) -> None:
        fed = ""
        here = next((_HEREDOC.search(word) for word in [*self.words, "".join(self.word)] if "<<" in word), None)
        if here is None and "<<" in " ".join(self.words):
            here = _HEREDOC.search(" ".join([*self.words, "".join(self.word)]))
        skipped = 0
        if here is not None:
            end = re.compile(rf"^\s*{re.escape(here[1])}\s*$", re.MULTILINE).search(self.text, self.place)
            fed = self.text[self.place : end.start() if end else len(self.text)]
            after = end.end() if end else len(self.text)
            skipped = self.text.count("\n", self.place, after)
            self.place = after
        self._end("\n", fed)
        self.line += 1 + skipped

    def _take(self, text: str) -> None:
        if not self.begun and not self.words:
            self.started = self.line
        self.begun = True
        self.word.append(text)

    def _close(self) -> None:
        if self.begun:
            self.words.append("".join(self.word))
        self.word, self.begun = [], False

    def _end(self, operator: str, fed: str = "") -> None:
        self._close()
        if self.words:
            self.found.append((self.words, self.operator, self.started, fed))
            self.operator = operator
        elif operator != "\n":
            self.operator = operator
        self.words = []

    def _escape(self) -> None:
        following = self.text[self.place + 1 : self.place + 2]
        if following == "\n":
            self._close()
            self.line += 1
        else:
            self._take(following)
        self.place += 2

    def _quoted(self, quote: str) -> None:
        end = self.place + 1
        assigns = 1 < len(self.word) < _LONGEST_NAME and bool(_LIST.fullmatch("".join(self.word)))
        while end < len(self.text) and self.text[end] != quote:
            if quote == '"' and self.text.startswith("$(", end) and (after := self._closed(end)):
                if assigns:
                    self._follow(self.text[end:after])  # `ANSWER="$(aws ssm send-command ...)"`
                end = after
            else:
                end += 2 if self.text[end] == "\\" and quote != "'" else 1
        inside = self.text[self.place + 1 : end]
        self._take(inside)
        self.line += inside.count("\n")
        self.place = end + 1

    def _closed(self, start: int) -> int:
        """Where a `$(` ends, or 0 if it never does: then none is looked for any more, and a text is read once."""
        after = _closed(self.text, start) if self.closes else 0
        self.closes = bool(after)
        return after

    def _follow(self, inside: str) -> None:
        """Keep what a substitution runs, `$(...)`."""
        if self.depth < _MOST_NESTED and not inside.startswith("$(("):
            within = _split(inside[2:-1], self.line, self.depth + 1)
            # What moves to another folder does so for itself alone, mostly to tell where it is.
            self.found += within if all(words[0] not in ("cd", "pushd") for words, *_ in within) else ()

    def _list(self) -> None:
        """`FILES=("a.py" "b.py")` names files, and runs none of them."""
        end = self.text.find(")", self.place)
        inside = self.text[self.place : end if end >= 0 else len(self.text)]
        self.line += inside.count("\n")
        self.place += len(inside) + 1

    def _nested(self, closing: str) -> None:
        opening = "(" if closing == ")" else "{"
        depth, end = 0, self.place + 1
        while end < len(self.text):
            depth += (self.text[end] == opening) - (self.text[end] == closing)
            end += 1
            if depth == 0:
                break
        inside = self.text[self.place : end]
        self._take(inside)
        if closing == ")":
            self._follow(inside)  # `ANSWER=$(aws ssm send-command ...)`
        self.line += inside.count("\n")
        self.place = end
