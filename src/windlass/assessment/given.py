"""Calls of what a function of the project gave: `client = get_client()` with `def get_client(): return MlflowClient()`.

Clients are made late, and behind a function: the import may be missing, or costs seconds. Without this, a call of
theirs has the name of the function in it, and says nothing of the product that it belongs to.
"""

from __future__ import annotations

from msgspec.structs import replace

from windlass.assessment.modules import RUN_IT, Modules
from windlass.assessment.reading.code import Call, Function, Module

_AS_THEY_ARE = frozenset({"lru_cache", "cache", "cache_resource", "property", "cached_property", "staticmethod"})
"""Decorators after which a call of the function still gives what it returns."""


def name_what_is_given(modules: Modules) -> None:
    """Give calls of what functions returned the name of what it is: `:get_client.log_metric` is one of `mlflow`."""
    givers = {
        module.path: found
        for module in modules
        if (found := {name for name, each in module.functions.items() if _gives(each)})
    }
    last_words = frozenset(name for names in givers.values() for name in names)
    for module in modules if givers else ():
        own = {f":{name}": module.functions[name].gives for name in givers.get(module.path, ())}
        taken = _taken_in(module, modules, last_words)
        if own or taken:
            tops = frozenset(("self", *(full.partition(".")[0] for full in taken)))
            for function in module.functions.values():
                function.calls = [
                    _named(call, function, own, taken)
                    if call.name[:1] == ":" or call.name.partition(".")[0] in tops
                    else call
                    for call in function.calls
                ]


def _gives(function: Function) -> bool:
    return function.gives not in ("", "?") and all(each.last in _AS_THEY_ARE for each in function.decorators)


def _taken_in(module: Module, modules: Modules, last_words: frozenset[str]) -> dict[str, str]:
    """The functions of other files that a file takes in and that give something, and what."""
    found: dict[str, str] = {}
    for full in module.imports.values():
        home, _, last = full.rpartition(".")
        key = modules.find(full, seen_from=module.path) if home and last in last_words else None
        function = modules.by_path[key[0]].functions[key[1]] if key is not None and key[0] != module.path else None
        if function is not None and function.name == last and _gives(function):
            found[full] = f"{home}.{function.gives[1:]}" if function.gives.startswith(":") else function.gives
    return found


def _named(call: Call, function: Function, own: dict[str, str], taken: dict[str, str]) -> Call:
    head, dot, _ = call.name.rpartition(".")
    while dot:
        if head.startswith("self."):
            given = own.get(f":{function.name.rpartition('.')[0]}.{head[5:]}")
        else:
            given = own.get(head) or taken.get(head)
        rest = call.name[len(head) + 1 :]
        if given is not None and rest.partition(".")[0] not in RUN_IT:  # these are of the function, not of what it gave
            return replace(call, name=f"{given}.{rest}")
        head, dot, _ = head.rpartition(".")
    return call
