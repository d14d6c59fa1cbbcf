"""Dockerfiles and compose files: what an image runs when it starts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from windlass.assessment.automation.workflow import mapping, text_of, words
from windlass.assessment.reading.shell import Command, read_shell
from windlass.assessment.reading.yaml import Map

_INSTRUCTION = re.compile(r"^\s*(FROM|RUN|CMD|ENTRYPOINT|COPY|ADD|WORKDIR|HEALTHCHECK)\s+(.*)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Image:
    """One Dockerfile."""

    path: str
    base: str
    starts: tuple[Command, ...]
    """What runs when a container starts."""
    builds: tuple[Command, ...]
    """What runs while the image is built."""
    copies: tuple[str, ...]
    """What of the project goes into it."""
    healthcheck: int = 0

    @property
    def is_of_others(self) -> bool:
        """The program of somebody else with packages or a script to start it, and nothing of the project in it."""
        return bool(_OTHERS.search(self.base)) and all(_SETS_UP.search(each) for each in self.copies)


_OTHERS = re.compile(
    r"(^|/)(airflow|mlflow|minio|mc|grafana|prometheus|postgres|mysql|redis|kafka|jenkins|superset|metabase|trino)(:|$)"
)
_SETS_UP = re.compile(r"\.(sh|txt|ya?ml|json|toml|lock|ini|cfg|conf|sql|crt|xml|env|properties)$")


def read_dockerfile(path: str, text: str) -> Image | None:
    """None for what has no FROM."""
    base, health = "", 0
    copies: list[str] = []
    starts: dict[str, tuple[Command, ...]] = {}
    builds: list[Command] = []
    for line, name, rest in _instructions(text):
        if name == "FROM":
            base = rest.split()[0] if rest.split() else base
        elif name == "RUN":
            builds += read_shell(rest, line)
        elif name in ("CMD", "ENTRYPOINT"):
            starts[name] = _command(rest, line)
        elif name in ("COPY", "ADD"):
            if "--from" not in rest:
                copies += _sources(rest)
        elif name == "HEALTHCHECK" and not rest.upper().startswith("NONE"):
            health = line
    if not base:
        return None
    entry, command = starts.get("ENTRYPOINT", ()), starts.get("CMD", ())
    if entry and command and not command[0].argv[0].startswith("-"):
        command = (Command(argv=(*entry[-1].argv, *command[0].argv), line=entry[-1].line), *command)
    return Image(
        path=path, base=base, starts=(*entry, *command), builds=tuple(builds), copies=tuple(copies), healthcheck=health
    )


def _sources(rest: str) -> list[str]:
    """What COPY and ADD copy: all words but the last."""
    words = [word for word in re.sub(r'[\[\]",]', " ", rest).split() if not word.startswith("--")]
    return words[:-1]


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        found = _INSTRUCTION.match(lines[number])
        start = number
        number += 1
        if found is None:
            continue
        rest = found[2]
        while rest.rstrip().endswith("\\") and number < len(lines):
            following = lines[number]
            rest = rest.rstrip()[:-1] + ("" if following.lstrip().startswith("#") else " " + following.strip())
            if following.lstrip().startswith("#"):
                rest += " \\"
            number += 1
        yield start + 1, found[1].upper(), rest.strip()


def _command(rest: str, line: int) -> tuple[Command, ...]:
    if rest.startswith("["):
        try:
            argv = tuple(str(each) for each in json.loads(rest))
        except (ValueError, TypeError):
            return ()
        if argv[:2] in (("sh", "-c"), ("bash", "-c"), ("/bin/sh", "-c"), ("/bin/bash", "-c")) and len(argv) > 2:
            return tuple(read_shell(argv[2], line))
        return (Command(argv=argv, line=line),) if argv else ()
    return tuple(read_shell(rest, line))


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service of a compose file."""

    path: str
    name: str
    line: int
    image: str
    builds: bool
    dockerfile: str
    context: str
    commands: tuple[Command, ...]
    environment: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


def read_compose(path: str, document: Any) -> Iterator[Service]:
    """The services of a compose file."""
    for name, about in mapping(mapping(document).get("services")).items():
        if not isinstance(about, Map):
            continue
        build = about.get("build")
        command = about.get("command")
        text = " ".join(words(command)) if isinstance(command, list) else text_of(command)
        given = about.get("environment")
        variables = (
            tuple(f"{key}={text_of(value)}" for key, value in given.items()) if isinstance(given, Map) else words(given)
        )
        yield Service(
            path=path,
            name=name,
            line=about.line,
            image=text_of(about.get("image")),
            builds=build is not None,
            context=text_of(build) or text_of(mapping(build).get("context")) or ".",
            dockerfile=text_of(mapping(build).get("dockerfile")) or "Dockerfile",
            commands=tuple(read_shell(text, about.line_of("command"))),
            environment=variables,
            volumes=words(about.get("volumes")),
        )
