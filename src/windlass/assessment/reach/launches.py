"""What a call of Python starts as a command of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.reading.code import Call, Function, last_of
from windlass.assessment.reading.shell import Command, read_shell

_LAUNCHERS = frozenset(
    {
        "subprocess.run", "subprocess.check_call", "subprocess.call", "subprocess.Popen", "subprocess.check_output",
        "os.system", "os.popen", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "sh.bash",
    }
)  # fmt: skip
_FILES = frozenset({"execute_notebook", "run_path", "run_module"})
_OPERATORS = frozenset({"BashOperator", "shell_task", "ShellOperation"})


_SCRIPT = re.compile(r"[\w./{}-]+\.(py|sh|ipynb)")


def may_launch(name: str) -> bool:
    """Whether a call of this name can start a command."""
    return name in _LAUNCHERS or last_of(name) in _FILES or last_of(name) in _OPERATORS


def launched_by(call: Call) -> Iterator[Command]:
    """The commands that a call starts: a text, a list of words, a script or a notebook by its path."""
    text = ""
    if call.name in _LAUNCHERS:
        text = next((arg for arg in call.args if arg), "") or call.kwarg("args") or ""
    elif call.last in _OPERATORS:
        text = call.kwarg("bash_command") or call.kwarg("command") or ""
    elif call.last in _FILES and call.args and call.args[0]:
        yield Command(argv=("python", call.args[0]), line=call.line)
    if text.startswith(("{}", "sys.")):  # the interpreter, whatever its name is
        text = text.replace("sys.executable", "python").replace("{}", "python", 1)
    if text:
        yield from read_shell(text, call.line)


def is_launcher(function: Function) -> bool:
    """Whether a function starts commands."""
    return any(may_launch(call.name) for call in function.calls)


def scripts_in(call: Call) -> list[Command]:
    """The scripts that a call names: `run_job("train.py")` starts it if that function starts commands."""
    return [
        Command(argv=("bash" if value.endswith(".sh") else "python", value), line=call.line)
        for value in call.args
        if value and _SCRIPT.fullmatch(value)
    ]
