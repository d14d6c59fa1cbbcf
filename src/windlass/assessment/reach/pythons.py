"""What a call of Python runs."""

from __future__ import annotations

import re

from windlass.assessment.reach.asked import Asked, Leads, main_of
from windlass.assessment.reading.python import NotPython, read_python
from windlass.assessment.reading.shell import Command
from windlass.assessment.words import parts_of

TEST_RUNNERS = frozenset(
    {"pytest", "py.test", "behave", "unittest", "nose2", "nosetests", "testthat", "locust", "trial"}
)
_VARIABLE = re.compile(r"\$\{?\w+\}?|\$\(\w+\)")
_OTHERS = frozenset({"pip", "venv", "build", "http", "ensurepip", "compileall", "json"})


def run_python(asked: Asked) -> Leads:
    """`python x.py`, `python -m x`, `python -c` and code that is fed to it."""
    words = list(asked.rest)
    while words and words[0].startswith("-") and words[0] not in ("-m", "-c"):
        option = words.pop(0)
        if option in ("-W", "-X") and words:
            words.pop(0)
        if option == "-":
            break
    if not words or asked.rest[:1] == ("-",):
        return _inline(asked, asked.command.fed) if asked.command.fed else Leads()
    if words[0] == "-c" and len(words) > 1:
        return _inline(asked, words[1])
    if words[0] == "-m" and len(words) > 1:
        return _python_module(asked, words[1:])
    if words[:2] == ["setup.py", "test"]:
        return Leads(tests="unittest", words=tuple(words[2:]))
    path = asked.path(words[0])
    if path is None or path not in asked.project.modules.by_path:
        return Leads()
    tests = "assert" if _is_test_script(asked, path) else ""
    return Leads(functions=main_of(asked.project, path), tests=tests, words=tuple(words[1:]))


def _is_test_script(asked: Asked, path: str) -> bool:
    """Whether a file that is run by itself is a test: it lies under such a name, and asserts as it runs."""
    ran = (asked.project.modules.by_path[path].functions.get(name) for name in ("", "<main>"))
    return bool(parts_of(path) & {"test", "tests"}) and any(each is not None and each.asserts for each in ran)


def _python_module(asked: Asked, words: list[str]) -> Leads:
    name = words[0]
    top = name.partition(".")[0]
    if top in TEST_RUNNERS:
        return Leads(tests=top, words=tuple(words[1:]))
    if len(words) > 1 and words[1].startswith(":"):  # a console script
        key = asked.project.modules.find(f"{name}.{words[1][1:]}", seen_from=asked.seen_from)
        return Leads(functions=(key,) if key else (), words=tuple(words[2:]))
    for candidate in (f"{name}.__main__", name):
        path = asked.project.modules.path_of(candidate, seen_from=asked.seen_from)
        if path is not None:
            return Leads(functions=main_of(asked.project, path), words=tuple(words[1:]))
    if "$" in name:
        named = asked.project.modules.like(_VARIABLE.sub("*", name))
        return Leads(functions=tuple(key for path in named for key in main_of(asked.project, path)))
    if top in _OTHERS:
        return Leads()
    return Leads(commands=(("", Command(argv=tuple(words), line=asked.command.line)),))


def _inline(asked: Asked, text: str) -> Leads:
    """Code on the command line: what it calls of the project."""
    modules = asked.project.modules
    try:
        module = read_python(asked.seen_from, text.replace('\\"', '"'))
    except NotPython:
        return Leads()
    keys = [
        key
        for function in module.functions.values()
        for call in function.calls
        for key in modules.called(call.name, module, function)
        if key[0] in modules.by_path
    ]
    return Leads(functions=tuple(dict.fromkeys(keys)))
