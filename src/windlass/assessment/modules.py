"""The Python of a project: which import leads to which file, which call to which function."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property

from windlass.assessment.reading.code import Call, Class, Function, Module

Key = tuple[str, str]
"""Path of a file and the qualified name of a function in it."""

_FOREIGN = frozenset(
    {
        "mlflow", "wandb", "sklearn", "prefect", "airflow", "dagster", "feast", "evidently", "torch", "tensorflow",
        "keras", "xgboost", "lightgbm", "pandas", "numpy", "dvc", "kfp", "zenml", "metaflow", "kedro", "flask",
        "fastapi", "streamlit", "bentoml", "ray", "sagemaker", "azure", "google", "boto3", "redis", "docker",
        "prometheus_client", "great_expectations", "pandera", "pytest", "flytekit", "hydra", "optuna", "shap",
    }
)  # fmt: skip
"""A folder of the project that is called like one of these does not stand for it, unless it lies at the top."""

_HOOKED = ("Callback", "LightningModule", "LightningDataModule")
_HOOKS = frozenset(
    {"training_step", "validation_step", "test_step", "predict_step", "configure_optimizers", "prepare_data", "setup"}
)
_MAKES = ("__init__", "__post_init__")
_OPERATORS = ("Operator", "Sensor")
"""How the names of steps of Airflow end."""
_EVERYBODYS = frozenset(
    {
        "get", "items", "keys", "values", "append", "extend", "add", "pop", "update", "join", "split", "strip",
        "format", "read", "write", "close", "open", "copy", "sort", "index", "count", "lower", "upper", "replace",
        "startswith", "info", "warning", "error", "debug", "exception", "sum", "mean", "max", "min", "head", "apply",
        "to", "set", "exists", "mkdir", "encode", "decode", "json", "execute", "commit", "connect", "start", "stop",
        "send", "put",
    }
)  # fmt: skip
"""Methods that many objects have: the name alone tells nothing."""


@cache
def is_test_path(path: str) -> bool:
    """Whether a file is a test by its name or its folder."""
    return bool(re.search(r"(^|/)tests?/", path)) or _is_test_name(path)


def _is_test_name(path: str) -> bool:
    return bool(re.fullmatch(r"test_.*\.py|(.*_)?tests\.py|.*_test\.py|conftest\.py", path.rpartition("/")[2]))


_ASK_A_CLASS = frozenset({"isinstance", "issubclass", "super", "cast", "typing.cast", "hasattr", "getattr"})
"""They are given a class, and make nothing of it."""


RUN_IT = frozenset(
    {
        "with_options", "serve", "deploy", "to_deployment", "submit", "map", "delay", "apply_async", "remote", "spawn",
        "starmap", "create_snapshot", "create_run_template", "configure", "execute_in_process", "s", "si", "local",
    }
)  # fmt: skip
"""Methods by which engines and queues run the function that they stand on: `flow.serve()`, `task.delay()`."""


@dataclass
class Modules:
    """All modules by path."""

    by_path: dict[str, Module]
    files: tuple[str, ...] = ()
    _found: dict[tuple[str, str], Key | None] = field(default_factory=dict)
    _paths: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _edges: dict[Key, tuple[Key, ...]] = field(default_factory=dict)
    _near: dict[str, frozenset[str]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.by_path.values())

    @cached_property
    def _places(self) -> dict[str, list[str]]:
        """Top-level name to the folders it lies in."""
        found: dict[str, set[str]] = {}
        for path in self.by_path:
            if path.endswith(".ipynb"):
                continue
            parts = path[:-3].split("/")
            for depth, part in enumerate(parts):
                found.setdefault(part, set()).add("/".join(parts[:depth]))
        return {name: sorted(folders, key=lambda each: (each.count("/"), each)) for name, folders in found.items()}

    @cached_property
    def methods(self) -> dict[str, list[Key]]:
        """Name of a method to all functions that are one."""
        found: dict[str, list[Key]] = {}
        for module in self:
            for owner in module.classes.values():
                for name, function in owner.methods.items():
                    found.setdefault(name, []).append((module.path, function))
        return found

    @cached_property
    def _taken_in(self) -> frozenset[str]:
        """Files in a folder or with a name of tests that are none: code outside takes them in, and nothing in a file
        with such a name is called a test. They check data, or are tests of statistics.
        """
        homes = (
            self.path_of(name, seen_from=module.path)
            for module in self
            if not is_test_path(module.path)
            for full in module.imports.values()
            if "test" in full
            for name in (full, full.rpartition(".")[0])
        )
        return frozenset(
            path
            for path in homes
            if path is not None and is_test_path(path) and not (_is_test_name(path) and self._holds_tests(path))
        )

    def _holds_tests(self, path: str) -> bool:
        module = self.by_path.get(path)
        names = (*module.functions, *module.classes) if module is not None else ("test",)
        return path.endswith("conftest.py") or any(name.rpartition(".")[2].lower().startswith("test") for name in names)

    def is_test(self, path: str) -> bool:
        """Whether a file is a test: by its name, or by its folder if no code outside takes it in."""
        return is_test_path(path) and path not in self._taken_in and path not in self._only_named_so

    @cached_property
    def _only_named_so(self) -> frozenset[str]:
        """Scripts that are named tests and hold none: `3_test.py` of a chain of scripts that measures a model."""
        numbered = (path for path in self.by_path if re.fullmatch(r"\d+_(\w+_)?test\.py", path.rpartition("/")[2]))
        return frozenset(path for path in numbered if not self._holds_tests(path))

    def function(self, key: Key) -> Function:
        return self.by_path[key[0]].functions[key[1]]

    def path_of(self, dotted: str, *, seen_from: str) -> str | None:
        """The file that a dotted module name leads to."""
        key = (dotted, seen_from.rpartition("/")[0])
        if key not in self._paths:
            self._paths[key] = self._path_of(dotted, seen_from)
        return self._paths[key]

    def lacks(self, dotted: str, *, seen_from: str) -> bool:
        """Whether a dotted name means something that a file of the project should hold, and does not."""
        head, _, last = dotted.rpartition(".")
        home = self.path_of(head, seen_from=seen_from) if head else None
        if home is None or last == "*" or home in self._stars or self.path_of(dotted, seen_from=seen_from) is not None:
            return False
        module = self.by_path[home]
        made = {each.name for each in module.functions[""].assigned} if "" in module.functions else set()
        names = module.functions.keys() | module.classes.keys() | module.imports.keys() | made
        return not names & {last, "__getattr__"}

    @cached_property
    def _stars(self) -> dict[str, tuple[str, ...]]:
        """Path to the modules of which a file takes in everything: `from team.steps import *`."""
        found = {
            each.path: tuple(full.removesuffix(".*") for full in each.imports.values() if full.endswith(".*"))
            for each in self
        }
        return {path: modules for path, modules in found.items() if modules}

    def _starred(self, module: Module, rest: list[str], depth: int) -> Key | None:
        """What a name stands for that a file has from one of which it takes in everything."""
        for full in self._stars.get(module.path, ()) if depth < 5 else ():
            home = self.path_of(full, seen_from=module.path)
            if home is None or home == module.path:
                continue
            key = self._inside(self.by_path[home], rest, depth + 1)
            if key is not None:
                return key
        return None

    def like(self, pattern: str, most: int = 8) -> list[str]:
        """The files of modules whose dotted name is like a pattern with `*` for a part that only a variable knows."""
        wanted = re.compile(r"(.+\.)?" + re.escape(pattern).replace(r"\*", "[^.]+"))
        found = [path for path in self.by_path if wanted.fullmatch(path.removesuffix(".py").replace("/", "."))]
        return found if len(found) <= most else []

    def _path_of(self, dotted: str, seen_from: str) -> str | None:
        name = dotted.replace(".", "/")
        for base in self._bases(dotted.partition(".")[0], seen_from):
            stem = f"{base}/{name}" if base else name
            for path in (f"{stem}.py", f"{stem}/__init__.py"):
                if path in self.by_path:
                    return path
        return None

    def _bases(self, top: str, seen_from: str) -> list[str]:
        places = self._places.get(top, [])
        own = seen_from.rpartition("/")[0]
        above = {"", "src", own}
        while own:
            own = own.rpartition("/")[0]
            above |= {own, f"{own}/src" if own else "src"}
        near = [place for place in places if place in above]
        near.sort(key=lambda place: place != seen_from.rpartition("/")[0])
        if top in _FOREIGN:
            return near
        # Elsewhere only where a search path may begin: a folder that is no package, or that files beside it add.
        bent = seen_from.rpartition("/")[0] in self._bent and top not in sys.stdlib_module_names
        return near + [
            place for place in places if place not in above and (bent or f"{place}/__init__.py" not in self.by_path)
        ]

    @cached_property
    def _bent(self) -> frozenset[str]:
        """Folders with files that add to the search path."""
        return frozenset(
            module.path.rpartition("/")[0]
            for module in self
            if "sys" in module.packages
            for function in module.functions.values()
            for call in function.calls
            if call.name in ("sys.path.append", "sys.path.insert")
        )

    def find(self, dotted: str, *, seen_from: str, depth: int = 0) -> Key | None:
        """The function, or the top level of the module, that a dotted name stands for; re-exports are followed."""
        if dotted.partition(".")[0] not in self._places:
            return None  # of somebody else's package, as most are
        key = (dotted, seen_from)
        if key not in self._found:
            self._found[key] = None  # what leads back to itself is nothing
            self._found[key] = self._find(dotted, seen_from, depth)
        return self._found[key]

    def _find(self, dotted: str, seen_from: str, depth: int) -> Key | None:
        parts = dotted.split(".")
        for cut in range(len(parts), 0, -1):
            path = self.path_of(".".join(parts[:cut]), seen_from=seen_from)
            if path is None:
                continue
            rest = parts[cut:]
            if not rest:
                return self._exported(parts, seen_from, depth) or (path, "")
            return self._inside(self.by_path[path], rest, depth)
        return None

    def _exported(self, parts: list[str], seen_from: str, depth: int) -> Key | None:
        """What a package gives under the name of one of its own modules: `from .train import train`."""
        above = self.path_of(".".join(parts[:-1]), seen_from=seen_from) if len(parts) > 1 and depth < 5 else None
        full = self.by_path[above].imports.get(parts[-1], "") if above is not None else ""
        if above is None or full.split(".")[-2:] != [parts[-1]] * 2:
            return None
        return self.find(full, seen_from=above, depth=depth + 1)

    def _inside(self, module: Module, rest: list[str], depth: int) -> Key | None:
        name = ".".join(rest)
        if name in module.functions:
            return module.path, name
        if name in module.classes:
            return self._constructor(module, module.classes[name])
        if len(rest) == 2 and rest[0] in module.classes:
            return self.method(module, module.classes[rest[0]], rest[1])
        if len(rest) >= 2 and rest[0] in module.functions and rest[1] in RUN_IT:
            return module.path, rest[0]
        if rest[0] in module.imports and depth < 5:
            return self.find(".".join([module.imports[rest[0]], *rest[1:]]), seen_from=module.path, depth=depth + 1)
        # A value, such as an application, or everything: who takes it in runs the file that makes it.
        made = module.functions[""].assigned if "" in module.functions else ()
        whole = rest == ["*"] or any([each.name] == rest for each in made)
        return (module.path, "") if whole else self._starred(module, rest, depth)

    def _constructor(self, module: Module, owner: Class) -> Key | None:
        made = self.method(module, owner, "__init__") or self.method(module, owner, "__post_init__")
        return made or (module.path, "")

    def method(self, module: Module, owner: Class, name: str, depth: int = 0) -> Key | None:
        """A method of a class or of what it derives from."""
        if name in owner.methods:
            return module.path, owner.methods[name]
        for base in owner.bases if depth < 5 else ():
            found = self.class_of(base, module)
            if found is not None and (key := self.method(*found, name, depth + 1)) is not None:
                return key
        return None

    def class_of(self, dotted: str, module: Module) -> tuple[Module, Class] | None:
        """The class of the project that a name in `module` stands for."""
        if dotted.startswith(":"):
            owner = module.classes.get(dotted[1:])
            return (module, owner) if owner is not None else None
        head, _, last = dotted.rpartition(".")
        path = self.path_of(head, seen_from=module.path) if head else None
        if path is None:
            return None
        inner = self.by_path[path]
        if last in inner.classes:
            return inner, inner.classes[last]
        again = inner.imports.get(last)
        return self.class_of(again, inner) if again and again != dotted else None

    def called(self, call_name: str, module: Module, function: Function) -> list[Key]:
        """What a call may lead to in this project; several where only the name of a method is known."""
        first, dot, _ = call_name.partition(".")
        if first == "?":
            return self._by_name(call_name, module)
        if first in ("self", "super") and dot:
            of = self._of_self if first == "self" else self._of_super
            return of(call_name, module, function)
        if first[:1] == ":":
            key = self._inside(module, call_name[1:].split("."), 0)
            return [key] if key is not None else self._by_name(call_name, module)
        return self._chosen(call_name, module) or self._of_import(call_name, module)

    def _of_import(self, call_name: str, module: Module) -> list[Key]:
        first, dot, _ = call_name.partition(".")
        key = self._defined_instead(call_name, module) if module.path in self._instead else None
        if module.path in self._stars and first not in module.packages:
            key = key or self._starred(module, call_name.split("."), 0)
        # Of somebody else's package, as most are, or a variable that is called like a file, which cannot be called.
        if not dot or first not in self._places:
            return [key] if key is not None else []
        key = key or self.find(call_name, seen_from=module.path)
        if key is None and call_name.count(".") > 1:
            # Of what a function of the project made.
            return self._by_name(call_name, module) or self._of_all(call_name, module)
        return [key] if key is not None else []

    def _chosen(self, call_name: str, module: Module) -> list[Key]:
        """What each branch of `if name == "train": from jobs import train as job` makes of `job.main()`."""
        for full, others in module.instead.items():
            if call_name == full or call_name.startswith(f"{full}."):
                names = [f"{each}{call_name[len(full) :]}" for each in (*others, full)]
                keys = [self.find(each, seen_from=module.path) for each in names]
                return [key for key in keys if key is not None]
        return []

    @cached_property
    def _instead(self) -> dict[str, frozenset[str]]:
        """Path to the names that a file both takes in and defines, as for when the import fails."""
        both = {
            each.path: frozenset(each.imports.keys() & (each.functions.keys() | each.classes.keys())) for each in self
        }
        return {path: names for path, names in both.items() if names}

    def _defined_instead(self, call_name: str, module: Module) -> Key | None:
        """What `except ImportError: class Trainer` defines, where the project has nothing of the import."""
        for name in self._instead[module.path]:
            full = module.imports[name]
            if call_name == full or call_name.startswith(f"{full}."):
                if self.find(full, seen_from=module.path) is not None:
                    return None
                return self._inside(module, f"{name}{call_name[len(full) :]}".split("."), 0)
        return None

    def _of_self(self, call_name: str, module: Module, function: Function) -> list[Key]:
        parts = call_name.split(".")
        owner = module.classes.get(function.name.rpartition(".")[0])
        if owner is not None and len(parts) == 2:
            key = self.method(module, owner, parts[1])
            return [key] if key is not None else []
        return self._by_name(call_name, module)

    def _of_super(self, call_name: str, module: Module, function: Function) -> list[Key]:
        owner = module.classes.get(function.name.rpartition(".")[0])
        for base in owner.bases if owner is not None and call_name.count(".") == 1 else ():
            found = self.class_of(base, module)
            if found is not None and (key := self.method(*found, call_name.rpartition(".")[2])) is not None:
                return [key]
        return []

    def _by_name(self, call_name: str, module: Module) -> list[Key]:
        name = call_name.rpartition(".")[2]
        if name in _EVERYBODYS or name.startswith("__"):
            return []
        candidates = self.methods.get(name)
        if not candidates:
            return []
        near = [key for key in candidates if key[0] in self._near_to(module)]
        if near:
            return near if len(near) <= 4 else []
        return candidates if len(candidates) <= 12 and self._are_one_family(candidates) else []

    def _near_to(self, module: Module) -> frozenset[str]:
        """A file and those that it takes something in from."""
        if module.path not in self._near:
            files = (path for full in module.imports.values() for path in self._files_of(full, module.path))
            self._near[module.path] = frozenset((module.path, *files))
        return self._near[module.path]

    def _are_one_family(self, candidates: list[Key]) -> bool:
        """Whether methods are those of classes that derive from one class of the project: any of them may be called."""
        families = {self._root_of(self.by_path[path], name.rpartition(".")[0]) for path, name in candidates}
        return len(candidates) > 1 and len(families) == 1

    def _of_all(self, call_name: str, module: Module) -> list[Key]:
        """The one method of that name, where its class is the one that others derive from: a table tells which."""
        maker, _, name = call_name.rpartition(".")
        candidates = self.methods.get(name, ())
        if len(candidates) != 1 or name in _EVERYBODYS or self.find(maker, seen_from=module.path) is None:
            return []
        path, method = candidates[0]
        return list(candidates) if (path, method.rpartition(".")[0]) in self._derived_from else []

    @cached_property
    def _derived_from(self) -> frozenset[Key]:
        found = (
            self.class_of(base, module) for module in self for each in module.classes.values() for base in each.bases
        )
        return frozenset((each[0].path, each[1].name) for each in found if each is not None)

    def _root_of(self, module: Module, name: str, depth: int = 0) -> Key:
        """The outermost class of the project that a class derives from."""
        owner = module.classes.get(name)
        for base in owner.bases if owner is not None and depth < 5 else ():
            found = self.class_of(base, module)
            if found is not None and found[1] is not owner:
                return self._root_of(found[0], found[1].name, depth + 1)
        return module.path, name

    def _files_of(self, full: str, seen_from: str) -> list[str]:
        found = (self.path_of(full, seen_from=seen_from), self.path_of(full.rpartition(".")[0], seen_from=seen_from))
        return [path for path in found if path is not None]

    def edges(self, key: Key) -> tuple[Key, ...]:
        """Every function that a function calls or hands over."""
        known = self._edges.get(key)
        if known is None:
            module = self.by_path.get(key[0])
            function = module.functions.get(key[1]) if module is not None else None
            found = self._led_to(function, module) if module is not None and function is not None else ()
            known = self._edges[key] = tuple(found)
        return known

    def _led_to(self, function: Function, module: Module) -> dict[Key, None]:
        found: dict[Key, None] = {}
        done: set[str] = set()  # one name leads to the same from everywhere in a function
        of_class = "." in function.name
        for call in function.calls:
            if call.name not in done:
                done.add(call.name)
                for each in self.called(call.name, module, function):
                    found[each] = None
                    if each[1].endswith(_MAKES):  # what is made may be called as it is
                        asked = (each[0], f"{each[1].rpartition('.')[0]}.__call__")
                        if asked[1] in self.by_path[each[0]].functions:
                            found[asked] = None
                if call.last in self._hooked or call.last.endswith(_OPERATORS):
                    found |= dict.fromkeys((*self._of_operator(call.name, module), *self._hooks(call.name, module)))
            if call.args or call.kwargs:
                self._note_handed_over(call, function if of_class else None, module, found)
        for name in self._properties.keys() & set(function.words.split("\n")) if self._properties else ():
            for each in self._properties[name]:
                if each[0] in self._near_to(module) and each[1] != function.name:
                    found[each] = None
        return found

    def _note_handed_over(self, call: Call, method: Function | None, module: Module, found: dict[Key, None]) -> None:
        for each in self.handed_over(call, module):
            found[each] = None
        for each in self._of_classes_handed_over(call, module):
            found[each] = None
        for value in call.values if method is not None else ():
            if value[:5] == "self." and method is not None:  # `client.consume(self._on_message)`
                found |= dict.fromkeys(self._of_self(value, module, method) if value.count(".") == 1 else ())

    @cached_property
    def _hooked(self) -> frozenset[str]:
        """Names of classes of the project whose methods a trainer calls when it comes to them."""
        owners = (owner for module in self for owner in module.classes.values())
        return frozenset(owner.name for owner in owners if any(base.endswith(_HOOKED) for base in owner.bases))

    def _hooks(self, name: str, module: Module) -> Iterator[Key]:
        owner = self.class_of(name, module)
        if owner is not None:
            yield from self.hooks_of(owner[0].path, owner[1].name)

    def hooks_of(self, path: str, name: str) -> Iterator[Key]:
        """The methods of a class that a trainer calls when it comes to them."""
        if name in self._hooked:
            for hook, whole in self.by_path[path].classes[name].methods.items():
                if hook.startswith("on_") or hook in _HOOKS:
                    yield path, whole

    def _of_operator(self, name: str, module: Module) -> Iterator[Key]:
        """What Airflow calls of an operator or a sensor that the project wrote itself."""
        owner = self.class_of(name, module)
        if owner is not None and any(base.endswith(_OPERATORS) for base in owner[1].bases):
            keys = (self.method(*owner, each) for each in ("execute", "poke"))
            yield from (key for key in keys if key is not None)

    @cached_property
    def _properties(self) -> dict[str, list[Key]]:
        """Name of a property to the methods that compute one of that name: to read it is to call them."""
        found: dict[str, list[Key]] = {}
        for module in self:
            for name, function in module.functions.items():
                if any(each.last in ("property", "cached_property") for each in function.decorators):
                    found.setdefault(name.rpartition(".")[2], []).append((module.path, name))
        return found

    def _of_classes_handed_over(self, call: Call, module: Module) -> Iterator[Key]:
        """The public methods of classes of the project that stand in a table or are given as they are."""
        for value in call.values if call.name not in _ASK_A_CLASS else ():
            if value[:1] != ":" and ("." not in value or value.partition(".")[0] not in self._places):
                continue
            owner = self.class_of(value, module)
            if owner is not None:
                yield from ((owner[0].path, full) for name, full in owner[1].methods.items() if name[0] != "_")

    def handed_over(self, call: Call, module: Module) -> list[Key]:
        """Functions of the project that are given to a call as they are: callbacks, steps, targets of threads."""
        found: list[Key] = []
        for value in call.values:
            if value in module.imports:
                key = self.find(module.imports[value], seen_from=module.path)
            elif value[0] == ":":
                key = self._inside(module, value[1:].split("."), 0)
            elif "." in value and " " not in value and "/" not in value:
                key = self.find(value, seen_from=module.path)
            elif module.path in self._stars and value.isidentifier():
                key = self._starred(module, [value], 0)
            else:
                continue
            if key is not None and key[1]:
                found.append(key)
        return found
