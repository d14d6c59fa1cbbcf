"""What a call of Python starts as a command of its own."""

from __future__ import annotations

from collections.abc import Iterator

from windlass.assessment.reading.code import Call, last_of
from windlass.assessment.reading.shell import Command, read_shell

_LAUNCHERS = frozenset(
    {
        "subprocess.run", "subprocess.check_call", "subprocess.call", "subprocess.Popen", "subprocess.check_output",
        "os.system", "os.popen", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "sh.bash",
    }
)  # fmt: skip
_FILES = frozenset({"execute_notebook", "run_path", "run_module"})
_OPERATORS = frozenset({"BashOperator", "shell_task", "ShellOperation"})


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
