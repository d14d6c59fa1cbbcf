"""What variables hold that a program hands to other programs: commands, scripts, settings of their environment."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from windlass.assessment.reading.expression import constant_of, dotted_of
from windlass.assessment.reading.lookups import in_shell
from windlass.assessment.reading.names import Names, tail_of
from windlass.assessment.reading.shell import names_program
from windlass.assessment.reading.sql import names_model

_SCRIPT = re.compile(r"[^\s]*\.(py|sh|ipynb)")
_LONGEST = 4000
"""Of a text that variables make up: two lists that hold each other twice over would double it with each line."""
SPOKEN = frozenset({ast.Constant, ast.JoinedStr, ast.BinOp})
"""Texts as they are written, with and without values in them."""


class Held:
    """What the variables of one file hold, as far as it is read."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.commands: dict[str, str] = {}
        """Variable to the words of the list that it was given."""
        self.begun: dict[str, str] = {}
        """The same for lists of a single word or of none, to which others are added."""
        self.spoken: dict[str, str] = {}
        """Variable to the command that it was given as a text."""
        self.settings: dict[str, str] = {}
        """Variable, or `os.environ`, to what was put into the environment that it holds."""
        self.looked_up: dict[str, str] = {}
        """Variable to what it takes from the environment: `${SCRIPT:-train.py}`."""
        self.listed: dict[str, ast.List | ast.Tuple] = {}
        """Variable to the list that it was given."""
        self.scripts: dict[str, str] = {}
        """Variable to the script that it names: `SCRIPT = ROOT / "jobs" / "train.py"`."""
        self.loops: dict[str, tuple[str, ...]] = {}
        """Variable of a loop that is being read to the scripts that it goes through."""

    def note_script(self, name: str, value: ast.expr) -> None:
        """`SCRIPT = ROOT / "train.py"`; any other value makes the script of before forgotten."""
        named = (joined(value) if isinstance(value, ast.Call) else None) or constant_of(value)
        if named is not None and _SCRIPT.fullmatch(named) and name not in self.begun:
            self.scripts[name] = named
        elif self.scripts:
            self.scripts.pop(name, None)

    def note_command(self, name: str, value: ast.expr, *, more: bool) -> None:
        """`cmd = [sys.executable, SCRIPT]`, and `cmd += ["--fast"]`."""
        if isinstance(value, (ast.List, ast.Tuple)):
            if more:
                self._add_words(name, value)
            elif isinstance(value, ast.List):
                self.begun[name] = self.told(value)
                if len(value.elts) > 1:
                    self.commands[name] = self.begun[name]
            self.listed[name] = value
        elif isinstance(value, ast.BinOp) and name in self.begun and self.told(value.left) == self.begun[name]:
            self.begun[name] = self.commands[name] = self.told(value)  # `cmd = cmd + [SCRIPT]`
        self._note_spoken(name, value, more=more)
        if _is_environ(value):
            self.settings[name] = self.given_on(value) or ""
        if (asked := self.asked_of_environment(value)) is not None:
            self.looked_up[name] = asked
        elif self.looked_up:
            self.looked_up.pop(name, None)

    def _note_spoken(self, name: str, value: ast.expr, *, more: bool) -> None:
        """`cmd = f"python {SCRIPT} --fast"`, and `cmd += " --slow"`."""
        said = self.told(value) if type(value) in SPOKEN else ""
        if more and name in self.spoken:
            self.spoken[name] = f"{self.spoken[name]}{said or '{}'}"[:_LONGEST]
        elif name not in self.begun and names_program(f"{said} ..."):
            self.spoken[name] = said
        elif self.spoken:
            self.spoken.pop(name, None)

    def note_more(self, node: ast.expr) -> None:
        """`cmd.append(SCRIPT)` and `cmd.extend(["--fast", "1"])`, of a list that a variable was given."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) == 1):
            return
        name = dotted_of(node.func.value)
        if name in self.listed and node.func.attr in ("append", "extend"):
            self._add_words(name, node.args[0])

    def _add_words(self, name: str, more: ast.expr) -> None:
        before = self.commands.get(name) or self.begun.get(name, "{}")
        self.begun[name] = self.commands[name] = f"{before} {self.told(more)}".strip()[:_LONGEST]

    def loop_of(self, node: ast.For) -> dict[str, tuple[str, ...]]:
        """`for script in SCRIPTS`, and `for name, script in [("train", "train.py"), ...]`."""
        entries = self.listed.get(dotted_of(node.iter), node.iter)
        if not isinstance(entries, (ast.List, ast.Tuple)):
            return {}
        names = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
        found: dict[str, tuple[str, ...]] = {}
        for place, name in enumerate(names):
            rows = [each.elts if isinstance(each, (ast.List, ast.Tuple)) else [each] for each in entries.elts[:40]]
            texts = [self.told(row[place]) for row in rows if len(row) == len(names)]
            scripts = tuple([text for text in texts if _SCRIPT.fullmatch(text)])
            if scripts and isinstance(name, ast.Name):
                found[name.id] = scripts
        return found

    def told(self, node: ast.expr) -> str:
        """What a command is told, as a shell would write it; `{}` for what is not known."""
        if isinstance(node, (ast.List, ast.Tuple)):
            return " ".join(map(self.told, node.elts[:40]))[:_LONGEST]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            lists = any(isinstance(each, (ast.List, ast.Tuple)) for each in (node.left, node.right))
            return (" " if lists else "").join((self.told(node.left), self.told(node.right)))[:_LONGEST]
        if isinstance(node, ast.JoinedStr):
            parts = [each.value if isinstance(each, ast.FormattedValue) else each for each in node.values]
            return "".join(map(self.told, parts))[:_LONGEST]
        inner = self._worded(node)
        if inner is not None:
            return self.told(inner)
        name = dotted_of(node)
        known = self.looked_up.get(name) or self.asked_of_environment(node) or self.spoken.get(name)
        known = known or self.scripts.get(name)
        return known or self.commands.get(name) or self.begun.get(name) or constant_of(node) or name or "{}"

    def _worded(self, node: ast.expr) -> ast.expr | None:
        """What holds the words of an expression that only takes them apart, puts them together or hands them on."""
        if isinstance(node, ast.Starred):
            return node.value
        if isinstance(node, ast.Call) and len(node.args) == 1 and self._keeps_words(node.func):
            return node.args[0]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "split":
            return node.func.value
        return None

    @staticmethod
    def _keeps_words(function: ast.expr) -> bool:
        """Whether a function gives the words that it is given: `str(SCRIPT)`, `shlex.split(text)`, `" ".join(cmd)`."""
        if isinstance(function, ast.Attribute) and function.attr == "join":
            return isinstance(function.value, ast.Constant) and function.value.value == " "
        return dotted_of(function) in ("str", "Path", "os.fspath", "shlex.split", "shlex.join")

    def given_on(self, node: ast.expr) -> str | None:
        """What is put into an environment, a `NAME=value` on each line: `{**os.environ, "SCRIPT": "train.py"}`."""
        if isinstance(node, ast.BinOp):
            parts = [self.given_on(node.left), self.given_on(node.right)]
        elif isinstance(node, ast.Dict):
            named = zip(node.keys, node.values, strict=True)
            parts = [self._setting(key, value) if key is not None else self.given_on(value) for key, value in named]
        elif isinstance(node, ast.Call) and dotted_of(node.func) == "dict":
            parts = [*map(self.given_on, node.args)]
            parts += [self._setting(ast.Constant(each.arg), each.value) for each in node.keywords]
        else:
            whole = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else node
            name = dotted_of(whole)
            parts = [self.settings.get(name) or self.settings.get(self.names.resolve(whole))]
        return "\n".join(filter(None, parts))[:_LONGEST] or None

    def note_setting(self, target: ast.Subscript, value: ast.expr) -> None:
        """`os.environ["SCRIPT"] = "train.py"`, and the same for a copy of it."""
        of_process = tail_of(target.value) == "environ"
        held = self.names.resolve(target.value) if of_process else dotted_of(target.value)
        if (held == "os.environ" or held in self.settings) and (put := self._setting(target.slice, value)):
            self.settings[held] = f"{self.settings.get(held, '')}\n{put}".strip()[:_LONGEST]

    def _setting(self, name: ast.expr, value: ast.expr) -> str | None:
        said = self.told(value)
        return f"{constant_of(name)}={said}" if isinstance(name, ast.Constant) and "{}" not in said else None

    def filled(self, node: ast.expr) -> str | None:
        """A constant, with the scripts filled in that variables name."""
        if not self.scripts:
            return constant_of(node)
        if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
            return " ".join([self.filled(each) or dotted_of(each) or "{}" for each in node.elts[:40]])
        if isinstance(node, ast.JoinedStr):
            parts = [
                str(part.value)
                if isinstance(part, ast.Constant)
                else self.scripts.get(dotted_of(getattr(part, "value", None)), "{}")
                for part in node.values
            ]
            return "".join(parts)[:4000]
        if isinstance(node, ast.Call) and len(node.args) == 1 and dotted_of(node.func) in ("str", "Path", "os.fspath"):
            return self.filled(node.args[0])
        return self.scripts.get(dotted_of(node)) or constant_of(node)

    def asked_of_environment(self, node: ast.expr) -> str | None:
        """`${NAME:-default}` for `os.environ["NAME"]` and `os.getenv("NAME", "default")`, or None."""
        given: Sequence[ast.expr] = ()
        if isinstance(node, ast.Subscript) and tail_of(node.value) == "environ":
            given = [node.slice] if self.names.resolve(node.value) == "os.environ" else ()
        elif isinstance(node, ast.Call) and tail_of(node.func) in ("getenv", "get"):
            given = node.args if self.names.resolve(node.func) in ("os.getenv", "os.environ.get") else ()
        name, default, *_ = [*map(constant_of, given), None, None]
        return in_shell(name, default) if name else None

    def kept(self, name: str) -> str:
        """The command, the statement, or the script of a loop that a variable holds."""
        kept = self.commands.get(name, "")
        if names_program(kept) or names_model(kept):
            return kept
        return self.scripts.get(name, "") if name in self.loops else ""


def _is_environ(node: ast.expr) -> bool:
    """Whether it is the environment of a process: `os.environ`, a copy, or a table that takes it in."""
    within: ast.expr | None = None
    if isinstance(node, ast.Dict):
        within = next((value for key, value in zip(node.keys, node.values, strict=True) if key is None), None)
    elif isinstance(node, ast.BinOp):
        within = node.left
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "copy":
        within = node.func.value
    elif isinstance(node, ast.Call) and dotted_of(node.func) == "dict":
        within = next(iter(node.args), None)
    return _is_environ(within) if within is not None else tail_of(node) == "environ"


def joined(node: ast.Call) -> str | None:
    """The file that `os.path.join(HERE, "..", "train.py")` names, with `{}` for what is not known."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "format":  # `"python train.py {}".format(mode)`
        return constant_of(node.func.value)
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("join", "joinpath") or len(node.args) < 2:
        return None
    parts = [constant_of(each) or "{}" for each in node.args]
    return "/".join(parts) if "." in parts[-1] else None
