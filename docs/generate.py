"""Write the generated pages of the reference: `python docs/generate.py`; `--check` only says whether they are stale."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

import click

from windlass import settings
from windlass.cli.main import app

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- written by docs/generate.py; do not edit -->\n\n"


def cli_page() -> str:
    """Every command with its options, as `--help` tells them."""
    lines = [_NOTE, "# Commands\n"]
    for path, command in _commands("windlass", app):
        lines.append(f"\n## `{path}`\n\n{inspect.cleandoc(command.help or '')}\n")
        rows = [_parameter(parameter) for parameter in command.params]
        if rows:
            lines.append("\n| argument or option | meaning | default |\n|---|---|---|\n" + "".join(rows))
    lines.append(
        "\n## Exit codes\n\n0: done. 1: it did not work, or `ledger verify` found a fault. 2: the call was wrong. "
        "130: interrupted.\n"
    )
    return "".join(lines)


def settings_page() -> str:
    """Every setting with its type, default and meaning, from the class itself."""
    (cls,) = [node for node in ast.parse(inspect.getsource(settings)).body if _is_settings(node)]
    assert isinstance(cls, ast.ClassDef)
    lines = [
        _NOTE,
        "# Settings\n\nDefaults < `windlass.toml` < environment (`WINDLASS_` and the name in capitals) < flags.\n\n",
        "| setting | type | default | meaning |\n|---|---|---|---|\n",
    ]
    for field, doc in zip(cls.body, cls.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant):
            name = ast.unparse(field.target)
            default = ast.unparse(field.value) if field.value is not None else ""
            kind = ast.unparse(field.annotation).replace("|", "\\|")
            meaning = " ".join(str(doc.value.value).split())
            lines.append(f"| `{name}` | `{kind}` | `{default}` | {meaning} |\n")
    return "".join(lines)


def _is_settings(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == "Settings"


def _commands(path: str, command: click.Command) -> list[tuple[str, click.Command]]:
    found = [] if command is app else [(path, command)]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in sorted(command.list_commands(context)):
            subcommand = command.get_command(context, name)
            assert subcommand is not None, f"{path} {name} is listed, and not there"
            found += _commands(f"{path} {name}", subcommand)
    return found


def _parameter(parameter: click.Parameter) -> str:
    is_option = parameter.param_type_name == "option"
    names = " ".join(f"`{option}`" for option in parameter.opts) if is_option else f"`{(parameter.name or '').upper()}`"
    meaning = " ".join((getattr(parameter, "help", None) or "").split())
    told = parameter.to_info_dict()
    shown = getattr(parameter, "show_default", None)  # what is in force where nothing was said, of a setting
    value = shown if isinstance(shown, str) else None if told.get("is_flag") else told["default"]
    default = "required" if parameter.required else "" if value is None else f"`{value}`"
    return f"| {names} | {meaning} | {default} |\n"


PAGES = {"cli.md": cli_page, "settings.md": settings_page}


def main() -> None:
    stale = []
    for name, page in PAGES.items():
        path, text = REFERENCE / name, page()
        if "--check" in sys.argv:
            stale += [name] if not path.is_file() or path.read_text() != text else []
        else:
            path.write_text(text)
    if stale:
        raise SystemExit(f"stale: {', '.join(stale)}; run python docs/generate.py")


if __name__ == "__main__":
    main()
