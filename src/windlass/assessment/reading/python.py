"""Python by its syntax tree. Nothing is imported and nothing is run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from sys import intern

from windlass.assessment.reading.code import Assigned, Call, Check, Class, Function, Module, last_of
from windlass.assessment.reading.expression import Scan, constant_of, dotted_of, scan
from windlass.assessment.reading.lookups import in_shell
from windlass.assessment.reading.shell import LAUNCHERS, names_program
from windlass.assessment.reading.sql import names_model

_QUIET = frozenset({"print", "logging", "logger", "log", "warnings", "time"})
_Definition = ast.FunctionDef | ast.AsyncFunctionDef


class NotPython(Exception):
    """Not readable as Python 3."""


def read_python(path: str, text: str) -> Module:
    """The calls, functions and classes of one file; NotPython names the line that cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = _parse(text)
        return _Reader(path).read(tree)
    except SyntaxError as error:
        line = text.splitlines()[(error.lineno or 1) - 1 : error.lineno or 1]
        two = any(word in "".join(line) for word in ("print ", "exec ", "except ", "raise ", "<>", "ur'", "0L"))
        kind = "Python 2, it seems" if two else "not Python 3"
        raise NotPython(f"{kind}: line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotPython(f"too deep or too odd to parse: {type(error).__name__}") from error


_F_STRING = re.compile(r"""\b[rR]?[fF][rR]?(["']).*\1""")
_MOST_EMPTIED = 50


def _parse(text: str) -> ast.Module:
    """The tree of a file. Python before 3.12 cannot parse quotes of an f-string within it: such a string is emptied.

    So is a command of a notebook that is kept as a file, `%pip install churn` or `!ls`.
    """
    for _ in range(_MOST_EMPTIED):
        try:
            return ast.parse(text)
        except SyntaxError as error:
            lines = text.split("\n")
            at = (error.lineno or 1) - 1
            line = lines[at] if at < len(lines) else ""
            command = line.startswith(("%", "!"))
            emptied = "pass" if command else _F_STRING.sub('""', line)
            if not (command or error.msg.startswith("f-string")) or emptied in ("", line):
                raise
            lines[at] = emptied
            text = "\n".join(lines)
    return ast.parse(text)


class _Reader:
    def __init__(self, path: str) -> None:
        self.module = Module(path=path)
        self.package = path.replace("\\", "/").split("/")[:-1]
        self.kinds: dict[str, str] = {}
        """Variable, or `self.x`, to the dotted name of its class."""
        self.tails: set[str] = set()
        """The last words of those with a dot: most attributes are none of them."""
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
        self.loops: dict[str, tuple[str, ...]] = {}
        """Variable of a loop that is being read to the scripts that it goes through."""
        self.repeated = 0
        """How many calls were taken once for each script of a loop."""
        self.scripts: dict[str, str] = {}
        """Variable to the script that it names: `SCRIPT = ROOT / "jobs" / "train.py"`."""
        self.local: dict[str, str] = {}
        """Name defined in this file to its qualified name."""
        self.caught: set[str] = set()
        """The names under which exceptions are caught."""
        self.words: dict[str, set[str]] = {}
        """Name of a function to the words that it uses."""

    def read(self, tree: ast.Module) -> Module:
        self._imports(tree.body)
        self.local.update({name: name for name in _defined(tree.body, self.module.imports)})
        self._body(tree.body, self._add(Function(name="")), (), within="")
        for name, words in self.words.items():
            self.module.functions[name].words = "\n".join(sorted(words))
        self.module.packages = frozenset([full.partition(".")[0] for full in self.module.imports.values()])
        return self.module

    def _add(self, function: Function) -> Function:
        self.module.functions[function.name] = function
        self.words[function.name] = set()
        return function

    def _imports(self, body: Sequence[ast.stmt], chosen: dict[str, list[str]] | None = None) -> None:
        for node in body:
            kind = type(node)
            if kind in _BLOCKS:
                outermost = chosen is None and kind is ast.If
                among: dict[str, list[str]] | None = {} if outermost else chosen
                for inner in _blocks(node):
                    self._imports(inner, among)
                if outermost and among:
                    others = {all_[-1]: tuple(all_[:-1]) for all_ in among.values() if len(all_) > 1}
                    self.module.instead.update(others)
            elif kind is ast.Import or kind is ast.ImportFrom:
                self._import(node)  # type: ignore[arg-type]
                if chosen is not None and kind is ast.ImportFrom:
                    for alias in node.names:  # type: ignore[attr-defined]
                        name = alias.asname or alias.name
                        full = self.module.imports.get(name, "")
                        if full and full not in chosen.setdefault(name, []):
                            chosen[name].append(full)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                self.module.imports[local] = alias.name if alias.asname else local
                self.module.import_lines.setdefault(alias.name, node.lineno)
            return
        base = node.module or ""
        if node.level:
            self.module.is_placed = True
            above = self.package[: len(self.package) - node.level + 1]
            base = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            full = f"{base}.{alias.name}" if base else alias.name
            # Of `from a import *` and `from b import *` each is kept: no name is called like that.
            self.module.imports[full if alias.name == "*" else alias.asname or alias.name] = full
            self.module.import_lines.setdefault(full, node.lineno)

    # -- statements ------------------------------------------------------------------------------------------------

    def _body(self, body: Sequence[ast.stmt], into: Function, guards: tuple[int, ...], *, within: str) -> None:
        for statement in body:
            self._statement(statement, into, guards, within)

    def _statement(self, node: ast.stmt, into: Function, guards: tuple[int, ...], within: str) -> None:
        kind = type(node)
        if kind is ast.Expr:
            self._note(node.value, into, guards)  # type: ignore[attr-defined]
            if self.listed:
                self._note_more(node.value)  # type: ignore[attr-defined]
        elif kind is ast.Assign or kind is ast.AnnAssign or kind is ast.AugAssign:
            self._assign(node, into, guards)  # type: ignore[arg-type]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._function(node, into, within, guards)
        elif isinstance(node, ast.ClassDef):
            self._class(node, into, within)
        elif isinstance(node, ast.If):
            self._if(node, into, guards, within)
        elif isinstance(node, ast.Assert):
            into.asserts.append(self._check(node.test, into, guards))
        elif isinstance(node, ast.Raise):
            self._raise(node, into, guards)
        elif not isinstance(node, (ast.Import, ast.ImportFrom)):
            self._other(node, into, guards, within)

    def _raise(self, node: ast.Raise, into: Function, guards: tuple[int, ...]) -> None:
        # What is raised again as it was caught, or wrapped, is no judgement of the one who caught it.
        if node.exc is not None and self.caught.isdisjoint(self._note(node.exc, into, guards).plain):
            into.raises.append(node.lineno)
        if node.cause is not None:
            self._note(node.cause, into, guards)

    def _other(self, node: ast.stmt, into: Function, guards: tuple[int, ...], within: str) -> None:
        if isinstance(node, ast.Return) and (given := self._given(node.value)):
            into.gives = given if into.gives in ("", given) else "?"
        if isinstance(node, ast.Return) and isinstance(node.value, (ast.Compare, ast.BoolOp, ast.Tuple, ast.IfExp)):
            names: set[str] = set()
            orders = self._note(node.value, into, guards, names).orders
            into.assigned.append(
                Assigned(name="return", line=node.lineno, constant=False, words=_lower(names), orders=orders)
            )
            return
        if isinstance(node, ast.Try):
            self.caught.update([handler.name for handler in node.handlers if handler.name])
            if not node.orelse and _only_tell(node.handlers):
                first = max(node.body[0].lineno, *map(_acts, node.body))
                into.unheeded += ((first, node.body[-1].end_lineno or first),)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if isinstance(item.optional_vars, ast.Name):
                    self._note_kind(item.optional_vars.id, item.context_expr)
        elif isinstance(node, ast.While) and _is_endless(node.test):
            into.loops = into.loops or node.lineno
        for expression in _expressions(node):
            self._note(expression, into, guards)
        loop = self._loop_of(node) if isinstance(node, ast.For) else {}
        outside = self.loops
        self.loops = {**outside, **loop}
        if type(node) in _BLOCKS:
            for inner in _blocks(node):
                self._body(inner, into, guards, within=within)
        self.loops = outside

    def _if(self, node: ast.If, into: Function, guards: tuple[int, ...], within: str) -> None:
        check = self._check(node.test, into, guards, stops=_stops(node.body) or _stops(node.orelse))
        if "__name__" in check.words:  # what runs when the file is run
            main = self.module.functions.get("<main>") or self._add(Function(name="<main>", line=node.lineno))
            self._body(node.body, main, (), within=within)
            return
        into.branches.append(check)
        under = (*guards, check.line)
        self._body(node.body, into, under, within=within)
        self._body(node.orelse, into, under, within=within)

    def _check(self, test: ast.expr, into: Function, guards: tuple[int, ...], *, stops: bool = False) -> Check:
        names: set[str] = set()
        seen = self._note(test, into, guards, names)
        return Check(
            line=test.lineno,
            words=_lower(names),
            orders=seen.orders,
            numbers=tuple(seen.numbers),
            stops=stops,
            flags=tuple(seen.plain),
        )

    def _assign(
        self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, into: Function, guards: tuple[int, ...]
    ) -> None:
        value = node.value
        if value is None:
            return
        orders = self._note(value, into, guards).orders
        words = _words_of(value) if orders else ()
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Tuple):  # `is_valid, why = check(frame)`
                names = [each.id for each in target.elts if isinstance(each, ast.Name)]
                into.assigned += [Assigned(name=each, line=node.lineno, constant=False) for each in names]
                continue
            if isinstance(target, ast.Subscript):  # `env["SCRIPT"] = "train.py"`
                held = self._resolve(target.value) if _tail_of(target.value) == "environ" else dotted_of(target.value)
                if (held == "os.environ" or held in self.settings) and (put := self._setting(target.slice, value)):
                    self.settings[held] = f"{self.settings.get(held, '')}\n{put}".strip()[:_LONGEST]
            name = dotted_of(target)
            if name:
                self._note_kind(name, value)
                self._note_command(name, value, more=isinstance(node, ast.AugAssign))
                self._note_script(name, value)
                if type(value) in _SPOKEN and names_model(said := constant_of(value) or ""):
                    self.commands[name] = said
                if type(value) in _TABLES and (entries := self._held(value)):
                    into.calls.append(Call(name="", line=node.lineno, args=entries, guards=guards))
                if isinstance(node, ast.AnnAssign):
                    self._note_annotation(name, node.annotation)
                into.assigned.append(
                    Assigned(
                        name=name,
                        line=node.lineno,
                        constant=isinstance(value, ast.Constant) and not isinstance(node, ast.AugAssign),
                        words=words,
                        orders=orders,
                    )
                )

    def _note_script(self, name: str, value: ast.expr) -> None:
        named = (_joined(value) if isinstance(value, ast.Call) else None) or constant_of(value)
        if named is not None and _SCRIPT.fullmatch(named) and name not in self.begun:
            self.scripts[name] = named
        elif self.scripts:
            self.scripts.pop(name, None)

    def _note_command(self, name: str, value: ast.expr, *, more: bool) -> None:
        """`cmd = [sys.executable, SCRIPT]`, and `cmd += ["--fast"]`."""
        if isinstance(value, (ast.List, ast.Tuple)):
            if more:
                self._add_words(name, value)
            elif isinstance(value, ast.List):
                self.begun[name] = self._told(value)
                if len(value.elts) > 1:
                    self.commands[name] = self.begun[name]
            self.listed[name] = value
        elif isinstance(value, ast.BinOp) and name in self.begun and self._told(value.left) == self.begun[name]:
            self.begun[name] = self.commands[name] = self._told(value)  # `cmd = cmd + [SCRIPT]`
        self._note_spoken(name, value, more=more)
        if _is_environ(value):
            self.settings[name] = self._given_on(value) or ""
        if (asked := self._asked_of_environment(value)) is not None:
            self.looked_up[name] = asked
        elif self.looked_up:
            self.looked_up.pop(name, None)

    def _note_spoken(self, name: str, value: ast.expr, *, more: bool) -> None:
        """`cmd = f"python {SCRIPT} --fast"`, and `cmd += " --slow"`."""
        said = self._told(value) if type(value) in _SPOKEN else ""
        if more and name in self.spoken:
            self.spoken[name] = f"{self.spoken[name]}{said or '{}'}"[:_LONGEST]
        elif name not in self.begun and names_program(f"{said} ..."):
            self.spoken[name] = said
        elif self.spoken:
            self.spoken.pop(name, None)

    def _note_more(self, node: ast.expr) -> None:
        """`cmd.append(SCRIPT)` and `cmd.extend(["--fast", "1"])`, of a list that a variable was given."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) == 1):
            return
        name = dotted_of(node.func.value)
        if name in self.listed and node.func.attr in ("append", "extend"):
            self._add_words(name, node.args[0])

    def _add_words(self, name: str, more: ast.expr) -> None:
        before = self.commands.get(name) or self.begun.get(name, "{}")
        self.begun[name] = self.commands[name] = f"{before} {self._told(more)}".strip()[:_LONGEST]

    def _loop_of(self, node: ast.For) -> dict[str, tuple[str, ...]]:
        """`for script in SCRIPTS`, and `for name, script in [("train", "train.py"), ...]`."""
        entries = self.listed.get(dotted_of(node.iter), node.iter)
        if not isinstance(entries, (ast.List, ast.Tuple)):
            return {}
        names = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
        found: dict[str, tuple[str, ...]] = {}
        for place, name in enumerate(names):
            rows = [each.elts if isinstance(each, (ast.List, ast.Tuple)) else [each] for each in entries.elts[:40]]
            texts = [self._told(row[place]) for row in rows if len(row) == len(names)]
            scripts = tuple([text for text in texts if _SCRIPT.fullmatch(text)])
            if scripts and isinstance(name, ast.Name):
                found[name.id] = scripts
        return found

    def _told(self, node: ast.expr) -> str:
        """What a command is told, as a shell would write it; `{}` for what is not known."""
        if isinstance(node, (ast.List, ast.Tuple)):
            return " ".join(map(self._told, node.elts[:40]))[:_LONGEST]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            lists = any(isinstance(each, (ast.List, ast.Tuple)) for each in (node.left, node.right))
            return (" " if lists else "").join((self._told(node.left), self._told(node.right)))[:_LONGEST]
        if isinstance(node, ast.JoinedStr):
            parts = [each.value if isinstance(each, ast.FormattedValue) else each for each in node.values]
            return "".join(map(self._told, parts))[:_LONGEST]
        inner = self._worded(node)
        if inner is not None:
            return self._told(inner)
        name = dotted_of(node)
        known = self.looked_up.get(name) or self._asked_of_environment(node) or self.spoken.get(name)
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

    def _command(self, node: ast.expr) -> str | None:
        said = self._told(node)
        return self._argument(node) if said in ("{}", dotted_of(node)) else said

    def _given_on(self, node: ast.expr) -> str | None:
        """What is put into an environment, a `NAME=value` on each line: `{**os.environ, "SCRIPT": "train.py"}`."""
        if isinstance(node, ast.BinOp):
            parts = [self._given_on(node.left), self._given_on(node.right)]
        elif isinstance(node, ast.Dict):
            named = zip(node.keys, node.values, strict=True)
            parts = [self._setting(key, value) if key is not None else self._given_on(value) for key, value in named]
        elif isinstance(node, ast.Call) and dotted_of(node.func) == "dict":
            parts = [*map(self._given_on, node.args)]
            parts += [self._setting(ast.Constant(each.arg), each.value) for each in node.keywords]
        else:
            whole = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else node
            name = dotted_of(whole)
            parts = [self.settings.get(name) or self.settings.get(self._resolve(whole))]
        return "\n".join(filter(None, parts))[:_LONGEST] or None

    def _setting(self, name: ast.expr, value: ast.expr) -> str | None:
        said = self._told(value)
        return f"{constant_of(name)}={said}" if isinstance(name, ast.Constant) and "{}" not in said else None

    def _filled(self, node: ast.expr) -> str | None:
        """A constant, with the scripts filled in that variables name."""
        if not self.scripts:
            return constant_of(node)
        if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
            return " ".join([self._filled(each) or dotted_of(each) or "{}" for each in node.elts[:40]])
        if isinstance(node, ast.JoinedStr):
            parts = [
                str(part.value)
                if isinstance(part, ast.Constant)
                else self.scripts.get(dotted_of(getattr(part, "value", None)), "{}")
                for part in node.values
            ]
            return "".join(parts)[:4000]
        if isinstance(node, ast.Call) and len(node.args) == 1 and dotted_of(node.func) in ("str", "Path", "os.fspath"):
            return self._filled(node.args[0])
        return self.scripts.get(dotted_of(node)) or constant_of(node)

    def _held(self, value: ast.expr) -> tuple[str | None, ...]:
        """The functions and classes that a table holds: who looks one up in it calls it by no name."""
        inner = value.values if isinstance(value, ast.Dict) else getattr(value, "elts", ())
        names = [self._resolve(each) for each in inner if isinstance(each, (ast.Name, ast.Attribute))]
        return tuple([name for name in names[:64] if name.startswith(":") or "." in name])

    def _note_kind(self, name: str, value: ast.expr) -> None:
        if isinstance(value, ast.Await):
            value = value.value
        if isinstance(value, ast.Call):
            self.kinds[name] = self._made(value)
            if "." in name:
                self.tails.add(name.rpartition(".")[2])
        else:
            self.kinds.pop(name, None)

    def _made(self, value: ast.Call) -> str:
        """What a call makes: what it calls, or the module that `import_module("mlflow")` takes in."""
        made = self._resolve(value.func)
        if made in ("importlib.import_module", "__import__") and value.args:
            return constant_of(value.args[0]) or made
        return made

    def _given(self, value: ast.expr | None) -> str:
        """The module or class that an answer is, as far as it is known."""
        if isinstance(value, ast.Call):
            given, called = self._made(value), self._resolve(value.func)
            given = given if given != called or "." in given or given.startswith(":") else ""
        else:
            dotted = dotted_of(value) if isinstance(value, (ast.Name, ast.Attribute)) else ""
            given = self.kinds.get(dotted) or self.module.imports.get(dotted, "")
        return "" if given.startswith(("?", "self", "super", "typing.")) else given

    def _note_annotation(self, name: str, annotation: ast.expr) -> None:
        """`trainer: Trainer = instantiate(config)`: what is written counts more than what made it."""
        kind = self._resolve(_less_none(annotation))
        if kind and ("." in kind or kind.startswith(":")):
            self.kinds[name] = kind

    # -- definitions -----------------------------------------------------------------------------------------------

    def _function(self, node: _Definition, into: Function, within: str, guards: tuple[int, ...]) -> None:
        name = f"{within}.{node.name}" if within else node.name
        other = self.module.functions.get(name) if guards else None
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        kinds = dict(self.kinds)
        for argument in arguments:
            self.kinds.pop(argument.arg, None)
            if argument.arg in ("self", "cls"):  # `cls: type[T]` says less than where it stands
                continue
            if argument.annotation is not None and (kind := self._resolve(_less_none(argument.annotation))):
                self.kinds[argument.arg] = kind
        function = Function(
            name=name,
            line=node.lineno,
            decorators=tuple(self._decorator(each, into) for each in node.decorator_list),
            parameters=tuple(argument.arg for argument in arguments),
            stub=_is_stub(node.body),
        )
        words = self.words.get(name, set())
        self._add(function)
        if other is not None:  # `if HAS_LIBRARY:` has defined it in another way: it may be either
            function.calls += other.calls
            function.stub &= other.stub
            self.words[name] |= words
        local = dict(self.local)
        self.local.update({inner: f"{name}.{inner}" for inner in _defined(node.body, self.module.imports)})
        for default in [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]:
            self._note(default, into, ())
        self._body(node.body, function, (), within=name)
        self.local = local
        self.kinds = {key: kind for key, kind in self.kinds.items() if key.startswith("self.")} | kinds

    def _class(self, node: ast.ClassDef, into: Function, within: str) -> None:
        name = f"{within}.{node.name}" if within else node.name
        owner = Class(
            name=name,
            line=node.lineno,
            bases=tuple(self._resolve(base) for base in node.bases),
            decorators=tuple(self._decorator(each, into) for each in node.decorator_list),
        )
        for statement in node.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                owner.methods[statement.name] = f"{name}.{statement.name}"
        self.module.classes[name] = owner
        outer = {key: kind for key, kind in self.kinds.items() if not key.startswith("self.")}
        self.kinds = dict(outer)
        # The constructor first: it says what the attributes are.
        ordered = sorted(node.body, key=lambda each: getattr(each, "name", "") != "__init__")
        self._body(ordered, into, (), within=name)
        self.kinds = outer

    def _decorator(self, node: ast.expr, into: Function) -> Call:
        """A decorator; what its arguments call is called by what stands around it."""
        if isinstance(node, ast.Call):
            for given in [*node.args, *(keyword.value for keyword in node.keywords)]:
                if isinstance(given, ast.Call):
                    self._note(given, into, ())
            return self._call(node, ())
        name = self._resolve(node)
        return Call(name=name, last=intern(last_of(name)), line=node.lineno)

    # -- expressions -----------------------------------------------------------------------------------------------

    def _note(self, node: ast.expr, into: Function, guards: tuple[int, ...], names: set[str] | None = None) -> Scan:
        """What an expression calls and uses; its words go into `names` too."""
        words = self.words[into.name]
        seen = scan(node, words if names is None else names)
        if names is not None:
            words |= names
        for each in reversed(seen.calls):
            into.calls += self._calls(each, guards) if self.loops else [self._call(each, guards)]
            if type(each.func) is ast.IfExp:  # `(train_daily if daily else train_hourly)(rows)`
                chosen = (self._resolve(each.func.body), self._resolve(each.func.orelse))
                into.calls += [Call(name=name, last=last_of(name), line=each.lineno) for name in chosen if name]
        for each in seen.calls:
            for given in each.keywords:  # `Verdict(accepted=score > floor)`
                if type(given.value) is ast.Compare and given.arg:
                    compared = Assigned(
                        name=given.arg,
                        line=each.lineno,
                        constant=False,
                        words=_words_of(given.value),
                        orders=scan(given.value, set()).orders,
                    )
                    into.assigned.append(compared)
        return seen

    def _calls(self, node: ast.Call, guards: tuple[int, ...]) -> list[Call]:
        """A call within a loop, once for each script that the loop hands to it."""
        handed = (each for one in (*node.args, *node.keywords) for each in ast.walk(one))
        name = min((each.id for each in handed if isinstance(each, ast.Name) and each.id in self.loops), default=None)
        if name is None or self.repeated > _MOST_REPEATED:
            return [self._call(node, guards)]
        self.repeated += len(self.loops[name])
        before = self.scripts
        found = []
        for script in self.loops[name]:
            self.scripts = {**before, name: script}
            found.append(self._call(node, guards))
        self.scripts = before
        return found

    def _call(self, node: ast.Call, guards: tuple[int, ...]) -> Call:
        function = node.func
        name = self._resolve(function)
        args: tuple[str | None, ...] = ()
        kwargs: tuple[tuple[str, str | None], ...] = ()
        if name in LAUNCHERS:
            args = tuple([self._command(each) for each in node.args[:6]])
            of = {"args": self._command, "env": self._given_on}
            kwargs = tuple(
                [(each.arg or "**", of.get(each.arg or "", self._argument)(each.value)) for each in node.keywords]
            )
            if not any(key == "env" for key, _ in kwargs) and "os.environ" in self.settings:
                kwargs += (("env", self.settings["os.environ"]),)
            return Call(
                name=name, last=intern(last_of(name)), line=node.lineno, args=args, kwargs=kwargs, guards=guards
            )
        if node.args:
            one = self._command if name in _LOADS_A_FILE else self._argument
            args = tuple([one(each) for each in node.args[:6]])
        if node.keywords:
            kwargs = tuple([(each.arg or "**", self._argument(each.value)) for each in node.keywords[:_MOST_KEYWORDS]])
        if "aws_cdk" in name:
            args, kwargs = self._of_cdk(node, args, kwargs)
        return Call(
            name=name,
            last=intern(last_of(name)),
            line=node.lineno,
            args=args,
            kwargs=kwargs,
            guards=guards,
            on=_tail_of(function.value) if type(function) is ast.Attribute else "",
        )

    def _of_cdk(
        self, node: ast.Call, args: tuple[str | None, ...], kwargs: tuple[tuple[str, str | None], ...]
    ) -> tuple[tuple[str | None, ...], tuple[tuple[str, str | None], ...]]:
        """What a step or a description of a build is given, its commands each on a line of its own."""
        lists = {each.arg: "\n".join(_lines_of(each.value)) for each in node.keywords if each.arg in _OF_COMMANDS}
        spec = [line for each in node.args[:1] if isinstance(each, ast.Dict) for line in _commands_of(each)]
        return ("\n".join(spec), *args[1:]) if spec else args, tuple(
            [(key, lists.get(key) or value) for key, value in kwargs]
        )

    def _argument(self, node: ast.expr) -> str | None:
        kind = type(node)
        if kind is ast.Constant:
            return str(node.value)[:4000]  # type: ignore[attr-defined]
        if kind is ast.Name:
            return self._kept(node.id) or self._root(node.id, alone=True) or None  # type: ignore[attr-defined]
        if kind is ast.Dict:
            return self._statement_in(node)  # type: ignore[arg-type]
        if kind is not ast.Attribute:
            constant = _joined(node) if kind is ast.Call else self._filled(node)  # type: ignore[arg-type]
            constant = constant or self._asked_of_environment(node)
            if constant is None and kind is ast.Call and self.scripts:
                constant = self._filled(node)
            if constant is not None:
                return constant
        return self._resolve(node) or None

    def _kept(self, name: str) -> str:
        """The command, the statement, or the script of a loop that a variable holds."""
        kept = self.commands.get(name, "")
        if names_program(kept) or names_model(kept):
            return kept
        return self.scripts.get(name, "") if name in self.loops else ""

    def _asked_of_environment(self, node: ast.expr) -> str | None:
        """`${NAME:-default}` for `os.environ["NAME"]` and `os.getenv("NAME", "default")`, or None."""
        given: Sequence[ast.expr] = ()
        if isinstance(node, ast.Subscript) and _tail_of(node.value) == "environ":
            given = [node.slice] if self._resolve(node.value) == "os.environ" else ()
        elif isinstance(node, ast.Call) and _tail_of(node.func) in ("getenv", "get"):
            given = node.args if self._resolve(node.func) in ("os.getenv", "os.environ.get") else ()
        name, default, *_ = [*map(constant_of, given), None, None]
        return in_shell(name, default) if name else None

    def _statement_in(self, table: ast.Dict, depth: int = 0) -> str | None:
        """The statement about a model that a job of a database is described with: `{"query": {"query": TRAIN}}`."""
        for value in table.values:
            if isinstance(value, ast.Dict) and depth < 3:
                said = self._statement_in(value, depth + 1)
            else:
                said = self.commands.get(value.id) if isinstance(value, ast.Name) else constant_of(value)
            if said and (names_model(said) or said.endswith(".sql")):
                return said
        return None

    def _resolve(self, node: ast.expr) -> str:
        """The dotted name that an expression stands for, or ""."""
        trail: list[str] = []
        while True:
            kind = type(node)
            if kind is ast.Name:
                root = self._root(node.id, alone=not trail)  # type: ignore[attr-defined]
                break
            if kind is ast.Attribute:
                if trail and node.attr in self.tails:  # type: ignore[attr-defined]
                    known = self.kinds.get(dotted_of(node))
                    if known:
                        root = known
                        break
                trail.append(node.attr)  # type: ignore[attr-defined]
                node = node.value  # type: ignore[attr-defined]
            elif kind is ast.Call:
                node = node.func  # type: ignore[attr-defined]
            elif kind is ast.Subscript or kind is ast.Await:
                node = node.value  # type: ignore[attr-defined]
            elif trail:
                root = "?"
                break
            else:
                return ""
        if not trail:
            return root
        trail.append(root)
        trail.reverse()
        return intern(".".join(trail))

    def _root(self, name: str, *, alone: bool) -> str:
        if name in self.kinds and not alone:
            return self.kinds[name] or "?"
        if name in self.local:
            return f":{self.local[name]}"
        if name in self.module.imports:
            return self.module.imports[name]
        if name in ("self", "cls"):
            return "self"
        if name == "super":
            return name
        return name if alone else "?"


def _less_none(annotation: ast.expr) -> ast.expr:
    """`X` of `Optional[X]` and of `X | None`."""
    if isinstance(annotation, ast.Subscript) and dotted_of(annotation.value).endswith("Optional"):
        return annotation.slice
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.right, ast.Constant):
        return annotation.left
    return annotation


def _tail_of(node: ast.expr) -> str:
    """The last word of a dotted name, or "" for anything else."""
    last = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    while isinstance(node, ast.Attribute):
        node = node.value
    return last if isinstance(node, ast.Name) else ""


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
    return _is_environ(within) if within is not None else _tail_of(node) == "environ"


def _lines_of(node: ast.expr) -> list[str]:
    """The texts of a list, in order; a value that is not known stands as `{}`."""
    return [constant_of(each) or "{}" for each in node.elts] if isinstance(node, ast.List) else []


def _commands_of(node: ast.Dict) -> Iterator[str]:
    """The commands of all phases of a build that is described by a table."""
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(value, ast.Dict):
            yield from _commands_of(value)
        elif isinstance(key, ast.Constant) and key.value in _OF_COMMANDS:
            yield from _lines_of(value)


def _joined(node: ast.Call) -> str | None:
    """The file that `os.path.join(HERE, "..", "train.py")` names, with `{}` for what is not known."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "format":  # `"python train.py {}".format(mode)`
        return constant_of(node.func.value)
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("join", "joinpath") or len(node.args) < 2:
        return None
    parts = [constant_of(each) or "{}" for each in node.args]
    return "/".join(parts) if "." in parts[-1] else None


_OF_COMMANDS = frozenset({"commands", "install_commands"})
_SCRIPT = re.compile(r"[^\s]*\.(py|sh|ipynb)")
_LONGEST = 4000
"""Of a text that variables make up: two lists that hold each other twice over would double it with each line."""
_MOST_REPEATED = 2000
_MOST_KEYWORDS = 64
"""Of a call: trainers take dozens."""
_SPOKEN = frozenset({ast.Constant, ast.JoinedStr, ast.BinOp})
"""Texts as they are written, with and without values in them."""
_LOADS_A_FILE = frozenset({"importlib.util.spec_from_file_location", "runpy.run_path"})
_TABLES = frozenset({ast.Dict, ast.List, ast.Set})


_GOES_ON = re.compile(r"_?(is_|keep_|should_)?(running|alive|run|active)_?")
_BOUNDS = re.compile(r"(?=.)((max|num|n)_?)?(ticks|iterations|iters|rounds|cycles|runs|count|limit|steps|loops)?")
_STOPS = re.compile(r"_?(should_|is_)?(stop(ped|ping)?|shutdown|shutting_down|exit|quit|done|terminated?)(_\w+)?")


def _is_endless(test: ast.expr) -> bool:
    """`while True`, and `while self.running` or `while not stop.is_set()`, which only a signal from outside ends.

    `while ticks is None or tick < ticks` ends for those who bound it.
    """
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        first = test.values[0]
        return (
            isinstance(first, ast.Compare)
            and isinstance(first.ops[0], ast.Is)
            and bool(_BOUNDS.fullmatch(dotted_of(first.left).rpartition(".")[2].lower()))
        )
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = test.operand
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            inner = inner.func.value
        return bool(_STOPS.fullmatch(dotted_of(inner).rpartition(".")[2].lower()))
    return bool(_GOES_ON.fullmatch(dotted_of(test).rpartition(".")[2].lower()))


def _words_of(node: ast.expr) -> tuple[str, ...]:
    names: set[str] = set()
    scan(node, names)
    return _lower(names)


def _lower(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted({intern(name.lower()) for name in names}))


_BLOCKS: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in ("body", "orelse", "finalbody") if name in kind._fields)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.stmt) and {"body", "cases"} & set(kind._fields)
}
"""The kinds of statements that hold others, and where."""


def _blocks(node: ast.AST) -> Iterator[Sequence[ast.stmt]]:
    for name in _BLOCKS[type(node)]:
        yield getattr(node, name)
    for handler in getattr(node, "handlers", ()):
        yield handler.body
    for case in getattr(node, "cases", ()):
        yield case.body


def _defined(body: Sequence[ast.stmt], imported: Mapping[str, str], *, within: bool = False) -> Iterator[str]:
    """The functions and classes of a body, also those within `with DAG(...):` that stand in for no import."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if not (within and node.name in imported):
                yield node.name
        elif type(node) in _BLOCKS:
            for inner in _blocks(node):
                yield from _defined(inner, imported, within=True)


_EXPRESSIONS: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(
        name for name in kind._fields if name in ("value", "target", "targets", "iter", "test", "items", "subject")
    )
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.stmt)
}
"""The fields of a statement that hold expressions of its own."""


def _expressions(node: ast.stmt) -> Iterator[ast.expr]:
    """The expressions that belong to a statement itself, in order."""
    for name in _EXPRESSIONS[type(node)]:
        value = getattr(node, name)
        if name == "items":
            yield from [item.context_expr for item in value]
        elif name == "targets":
            yield from value
        elif value is not None:
            yield value


def _stops(body: Sequence[ast.stmt]) -> bool:
    for statement in body:
        if isinstance(statement, (ast.Raise, ast.Return)):
            return True
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            name = dotted_of(statement.value.func)
            if name in ("sys.exit", "exit", "quit", "os._exit", "pytest.fail", "SystemExit"):
                return True
    return False


_EVERYTHING = frozenset({"Exception", "BaseException"})


def _only_tell(handlers: Sequence[ast.ExceptHandler]) -> bool:
    """Whether what they catch is everything, and nothing follows from it."""
    types = [each.type for each in handlers]
    caught = [inner for each in types for inner in (each.elts if isinstance(each, ast.Tuple) else [each])]
    everything = any(each is None or dotted_of(each) in _EVERYTHING for each in caught)
    return everything and all(_is_told(each) for handler in handlers for each in handler.body)


def _is_told(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name = dotted_of(node.value.func)
        return name.partition(".")[0] in _QUIET or ".logger." in f".{name}" or name.endswith("print_exc")
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _acts(node: ast.stmt) -> int:
    """The last line of a statement, and of those in it, that does more than to tell, to ask and to raise."""
    if isinstance(node, ast.Raise) or _is_told(node):
        return 0
    if type(node) in _BLOCKS:
        return max((_acts(each) for body in _blocks(node) for each in body), default=0)
    return node.lineno


def _is_stub(body: Sequence[ast.stmt]) -> bool:
    """Nothing in it does anything: constants, messages, `pass`, returns of constants."""
    return all(_does_nothing(statement) for statement in body)


def _does_nothing(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Pass, ast.Raise)):
        return True
    if isinstance(node, ast.Return):
        return node.value is None or isinstance(node.value, (ast.Constant, ast.Dict))
    if isinstance(node, ast.Expr):
        if isinstance(node.value, ast.Constant):
            return True
        return isinstance(node.value, ast.Call) and dotted_of(node.value.func).partition(".")[0] in _QUIET
    return False
