"""Names of Python that hold what the environment says, and the files of settings that Python loads into it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from windlass.assessment.reading.code import Module

_READS = re.compile("environ|getenv|BaseSettings")
_ASSIGNED = re.compile(
    r"\b(\w+)[ \t]*(?::[^=\n]+)?=[ \t]*(?:str\()?(?:os\.)?(?:environ\.get\(|environ\[|getenv\()"
    r"\s*[\"'](\w+)[\"'](?:\s*,\s*[\"']([^\"'\n]*)[\"'])?"
)
_SETTING = re.compile(
    r"^[ \t]+(\w+)\s*:[^=\n]+=\s*(?:\w*Field\(\s*(?:default\s*=\s*)?)?[\"']([^\"'\n]*)[\"']", re.MULTILINE
)
"""A field of settings of Pydantic, which the environment says by its name."""
_PREFIX = re.compile(r"\benv_prefix\s*=\s*[\"'](\w*)[\"']")
_ENV_FILE = re.compile(r"\benv_file[\"']?\s*[=:]\s*[\"']([^\"'\n]+)[\"']")


def lookups_in(module: Module, text: str) -> Mapping[str, str]:
    """Each name that takes what it holds from the environment, and `${NAME:-default}` for what that is."""
    found: dict[str, str] = {}
    if not (module.packages & {"os", "pydantic_settings", "pydantic"} and _READS.search(text)):
        return found
    if "os" in module.packages:
        for name, variable, default in _ASSIGNED.findall(text):
            found.setdefault(name, in_shell(variable, default))
    if "BaseSettings" in text:
        prefix = _PREFIX.search(text)
        for name, default in _SETTING.findall(text):
            found.setdefault(name, in_shell(f"{prefix[1] if prefix is not None else ''}{name}".upper(), default))
    return found


def loaded_in(module: Module, text: str) -> set[str]:
    """The files of settings that a program loads: `load_dotenv(".env.prod")`, `env_file = ".env"`."""
    found: set[str] = set()
    if "dotenv" in module.packages:
        calls = [call for each in module.functions.values() for call in each.calls if call.last == "load_dotenv"]
        found |= {next(iter(call.values), ".env") for call in calls}
    if module.packages & {"pydantic_settings", "pydantic"} and "env_file" in text:
        found |= set(_ENV_FILE.findall(text))
    return found


def in_shell(name: str, default: str | None) -> str:
    """A name of the environment as a shell has it filled in."""
    return f"${{{name}:-{default}}}" if default else f"${{{name}}}"
