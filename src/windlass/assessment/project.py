"""A project as its files tell it: parsed on demand, each file once."""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from windlass.assessment.automation.cdk import pipelines_of_python, pipelines_of_typescript
from windlass.assessment.automation.environment import (
    SECTIONS,
    holds_settings,
    together,
    variables_of_document,
    variables_of_lines,
)
from windlass.assessment.automation.image import Image, Service, read_compose, read_dockerfile
from windlass.assessment.automation.narrowing import narrowed
from windlass.assessment.automation.others import read_cloud_build, submitted
from windlass.assessment.automation.systems import (
    active_workflows,
    is_heard_at_the_top_alone,
    template_workflows,
)
from windlass.assessment.automation.targets import (
    Target,
    read_console_scripts,
    read_just,
    read_make,
    read_package_json,
    read_task_functions,
    read_toml_tasks,
    read_tox,
)
from windlass.assessment.automation.workflow import Workflow
from windlass.assessment.given import name_what_is_given
from windlass.assessment.modules import Key, Modules
from windlass.assessment.reading.code import Module
from windlass.assessment.reading.git import History, kept_files
from windlass.assessment.reading.lookups import loaded_in, lookups_in
from windlass.assessment.reading.readers import read_code
from windlass.assessment.reading.shell import Command, read_shell
from windlass.assessment.reading.terraform import Block, read_terraform
from windlass.assessment.reading.tree import Tree
from windlass.assessment.reading.variables import Values
from windlass.assessment.reading.yaml import read_yaml
from windlass.assessment.records import Unread

_TEMPLATE = re.compile(
    r"\{\{|\{%|__cookiecutter|\bcookiecutter\.|(^|/)__[A-Z][A-Z0-9_]*[A-Z0-9]__|(^|/)inst/rmarkdown/templates/"
)
_EXAMPLE_DOCKERFILES = (".devcontainer/", "docs/", "site-packages/")


def is_rendered_later(path: str) -> bool:
    """Whether a path belongs to a template that somebody has yet to fill in."""
    return bool(_TEMPLATE.search(path))


_OF_TEMPLATES = (".j2", ".jinja", ".jinja2", ".tmpl", ".tpl", ".mustache", ".erb")
"""How the names of files end that something fills in for others."""
_MOST_PLAIN = 400
"""Files without an ending: beyond, they are data."""
_HELM = re.compile(r"\{\{.*?\}\}")


def _without_helm(text: str) -> str:
    """A template of a chart with its blocks taken as they stand, and a word for each value."""
    lines = text.split("\n")
    return "\n".join("" if line.strip().startswith("{{") else _HELM.sub("value", line) for line in lines)


@dataclass
class Repository:
    """What lies around a project, or around several: its CI may run them."""

    tree: Tree

    @cached_property
    def workflows(self) -> list[Workflow]:
        """CI that is active in it."""
        return active_workflows(self.tree, lambda path: read_yaml(self.tree.text(path) or "")[0])


@dataclass
class Project:
    """The project in `tree`. `outer` is the repository around it, whose CI may run it, and `inside` its place there."""

    tree: Tree
    history: History = field(default_factory=History)
    outer: Repository | None = None
    inside: str = ""
    known: Mapping[str, Module] = field(default_factory=dict)
    """What was read of its Python already, as a part of a larger project."""
    _yaml: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.tree.root

    @cached_property
    def paths(self) -> list[str]:
        """Every file that is not part of an unfilled template."""
        return [path for path in self.tree.sizes if not is_rendered_later(path)]

    @cached_property
    def expected(self) -> frozenset[str]:
        """Every file of the tree, and those that git keeps and a sparse or partial checkout has left out."""
        return frozenset((*self.tree.sizes, *filter(None, kept_files(self.root, self.tree.limits.files))))

    @cached_property
    def _lower(self) -> list[tuple[str, str]]:
        return [(path.lower(), path) for path in self.paths]

    def named(self, *endings: str) -> list[str]:
        """Files whose path ends so, in lower case, outside of unfilled templates."""
        return [path for lower, path in self._lower if lower.endswith(endings)]

    def text(self, path: str) -> str:
        """What a file says, or "" where it cannot be read; the tree remembers why."""
        return self.tree.text(path) or ""

    def yaml(self, path: str) -> list[Any]:
        """The documents of a YAML file."""
        if path not in self._yaml:
            text = self.text(path)
            documents, why = read_yaml(_without_helm(text) if self._is_in_chart(path) else text)
            if why:
                self.tree.unread.setdefault(path, why)
            self._yaml[path] = documents
        return self._yaml[path]

    def _is_in_chart(self, path: str) -> bool:
        folder, templates, _ = path.rpartition("templates/")
        return bool(templates) and f"{folder}Chart.yaml" in self.tree.sizes

    @cached_property
    def yaml_paths(self) -> list[str]:
        return self.named(".yml", ".yaml")

    def repository_at(self, top: Path) -> Repository:
        """The repository at `top` around a folder of this project: the same one for all folders that lie in it."""
        if self.outer is not None and self.outer.tree.root == top:
            return self.outer
        return self._as_repository if self.root == top else Repository(Tree(top, self.tree.limits))

    @cached_property
    def _as_repository(self) -> Repository:
        return Repository(Tree(self.root, self.tree.limits))

    # -- code ------------------------------------------------------------------------------------------------------

    @cached_property
    def modules(self) -> Modules:
        """Every Python file and notebook that can be read."""
        paths = [path for path in self.paths if path.endswith((".py", ".ipynb"))]
        unknown = [path for path in paths if path not in self.known]
        texts = ((path, text) for path in unknown if (text := self.tree.text(path)))
        read = dict(read_code(texts, size=sum(self.tree.sizes[path] for path in unknown)))
        found: dict[str, Module] = {}
        for path in paths:
            module = self.known.get(path) or read.get(path)
            if isinstance(module, Module):
                found[path] = module
                if module.left_out:
                    self.tree.unread[path] = module.left_out
            elif module is not None:
                self.tree.unread[path] = module
        modules = Modules(found, tuple(self.tree.sizes))
        name_what_is_given(modules)
        return modules

    def read_in(self, folder: str) -> dict[str, Module]:
        """The Python of a folder of it, by the paths there, as far as it was read whole and reads the same there."""
        inside = f"{folder}/"
        return {
            path.removeprefix(inside): replace(module, path=path.removeprefix(inside))
            for path, module in self.modules.by_path.items()
            if path.startswith(inside) and not module.is_placed and path not in self.tree.unread
        }

    @cached_property
    def configured(self) -> tuple[Key, ...]:
        """Every function and constructor of the project that a configuration of Hydra names to be made or called."""
        found: dict[Key, None] = {}
        for path in self.yaml_paths:
            for document in self.yaml(path) if "_target_" in self.text(path) else ():
                for dotted in _targets(document):
                    key = self.modules.find(dotted, seen_from="conf.py")
                    if key is not None and key[1]:
                        found[key] = None
                        found |= dict.fromkeys(self.modules.hooks_of(key[0], key[1].removesuffix(".__init__")))
        return tuple(found)

    @cached_property
    def answering(self) -> dict[str, tuple[Key, ...]]:
        """Path of a route that takes something in, to the functions that answer there."""
        found: dict[str, tuple[Key, ...]] = {}
        for module in self.modules:
            for name, function in module.functions.items():
                for decorator in function.decorators:
                    route = decorator.args[0] if decorator.args else None
                    if decorator.last in ("post", "put", "route", "api_route") and route and len(route) > 1:
                        found[route.rstrip("/")] = (*found.get(route.rstrip("/"), ()), (module.path, name))
        return found

    @cached_property
    def r_files(self) -> list[str]:
        return [path for path in self.paths if path.endswith((".R", ".r", ".Rmd", ".qmd"))]

    # -- automation ------------------------------------------------------------------------------------------------

    @cached_property
    def workflows(self) -> list[Workflow]:
        """CI that is active: in the place where its system looks for it."""
        if self.outer is None:
            return self._own_workflows
        heard = [flow for flow in self._own_workflows if not is_heard_at_the_top_alone(flow.path)]
        return heard + [each for flow in self.outer.workflows if (each := narrowed(flow, self.inside)) is not None]

    @cached_property
    def _own_workflows(self) -> list[Workflow]:
        code = (module for module in self.modules if not self.modules.is_test(module.path))
        stacks = ((path, self.text(path)) for path in self.named(".ts") if "test" not in path)
        declared = (*pipelines_of_python(code), *pipelines_of_typescript(stacks))
        return [*active_workflows(self.tree, self.yaml), *declared]

    @cached_property
    def idle_workflows(self) -> list[Workflow]:
        """Files written like CI where no system looks for them."""
        found = template_workflows(self.tree, self.yaml)
        if self.outer is not None:
            found += [flow for flow in self._own_workflows if is_heard_at_the_top_alone(flow.path)]
        return found

    @cached_property
    def targets(self) -> dict[tuple[str, str], list[Target]]:
        """Tasks by tool and name."""
        found: dict[tuple[str, str], list[Target]] = {}
        for target in self._targets():
            found.setdefault((target.tool, target.name), []).append(target)
        return found

    def _targets(self) -> Iterator[Target]:
        for path in self.paths:
            name = path.rpartition("/")[2]
            if re.fullmatch(r"(gnu)?makefile(\..+)?|.+\.mk", name, re.IGNORECASE):
                yield from read_make(path, self.text(path))
            elif name.lower() in ("justfile", ".justfile"):
                yield from read_just(path, self.text(path))
            elif name == "package.json":
                yield from read_package_json(path, self.text(path))
            elif name in ("tox.ini", "setup.cfg"):
                yield from read_tox(path, self.text(path))
                yield from read_console_scripts(path, self.text(path))
            elif name == "setup.py":
                yield from read_console_scripts(path, self.text(path))
            elif name in ("pyproject.toml", "mise.toml", ".mise.toml", "pixi.toml"):
                yield from read_toml_tasks(path, self.text(path))
                if name == "pyproject.toml":
                    yield from self._legacy_tox(path)
            elif name in ("Taskfile.yml", "Taskfile.yaml"):
                yield from _read_taskfile(path, self.yaml(path))
            elif name in ("noxfile.py", "tasks.py") and path in self.modules.by_path:
                yield from read_task_functions(self.modules.by_path[path])
            elif path.startswith("tasks/") and path.count("/") == 1 and path in self.modules.by_path:
                file = name.removesuffix(".py")
                yield from read_task_functions(self.modules.by_path[path], "" if file == "__init__" else file)

    def _legacy_tox(self, path: str) -> Iterator[Target]:
        try:
            text = tomllib.loads(self.text(path))["tool"]["tox"]["legacy_tox_ini"]
        except (KeyError, TypeError, tomllib.TOMLDecodeError, RecursionError):
            return
        yield from read_tox(path, str(text))

    @cached_property
    def environment(self) -> Values:
        """Every value that CI, compose files, images and files of settings give to a name of the environment."""
        return together(self.settings.values())

    @cached_property
    def settings(self) -> Mapping[str, Values]:
        """Each file that sets names of the environment, and what it sets them to."""
        found = {path: variables_of_lines(self.text(path)) for path in filter(holds_settings, self.paths)}
        for path in self.yaml_paths:
            if any(f"{section}:" in self.text(path) for section in SECTIONS):
                found[path] = together(map(variables_of_document, self.yaml(path)))
        return found

    @cached_property
    def shell_programs(self) -> list[str]:
        """Scripts of a shell without an ending, which their first line tells: `bin/train`."""
        plain = [path for path, size in self.tree.sizes.items() if "." not in path.rpartition("/")[2] and size < 64_000]
        found = plain if len(plain) <= _MOST_PLAIN else []
        return [path for path in found if re.match(r"#!\s*\S*/(env\s+)?(ba|z|da)?sh\b", self.text(path)[:80])]

    @cached_property
    def lookups(self) -> Mapping[str, str]:
        """Each name of Python that takes what it holds from the environment, and `${NAME:-default}` for that."""
        found: dict[str, str] = {}
        for module in self.modules:
            for name, asked in lookups_in(module, self.text(module.path)).items():
                found.setdefault(name, asked)
        return found

    @cached_property
    def loaded(self) -> set[str]:
        """The names of the files of settings that programs load."""
        return {name for module in self.modules for name in loaded_in(module, self.text(module.path))}

    @cached_property
    def images(self) -> list[Image]:
        """Dockerfiles of the project; not those of editors and documentation."""
        found = []
        for path in self.paths:
            name = path.rpartition("/")[2].lower()
            if "dockerfile" not in name and name != "containerfile":
                continue
            if name.endswith((".md", ".py", ".dockerignore", ".sh", *_OF_TEMPLATES)) or any(
                each in f"/{path}" for each in _EXAMPLE_DOCKERFILES
            ):
                continue
            image = read_dockerfile(path, self.text(path))
            if image is not None:
                found.append(image)
        return found

    @cached_property
    def built(self) -> dict[str, str]:
        """Name, without its version, of each image that a command of the project builds, to its Dockerfile."""
        commands = [
            *(
                (each, "")
                for flow in self.workflows
                for job in flow.jobs
                for step in job.steps
                for each in step.commands
            ),
            *(
                (each, target.path)
                for targets in self.targets.values()
                for target in targets
                for each in target.commands
            ),
            *((each, path) for path in self.named(".sh") for each in read_shell(self.text(path))),
        ]
        commands += [(each, "") for command, _ in commands for each in self._submitted(command.argv)]
        found = dict(self._built_by_actions())
        for command, path in commands:
            place = _dockerfile_of(command.argv)
            for folder in (command.folder, posixpath.dirname(path)) if place else ():
                dockerfile = posixpath.normpath(posixpath.join(folder, place))
                if dockerfile in self.tree.sizes:
                    found |= {name_of_image(word): dockerfile for word in _given(command.argv, "-t", "--tag")}
        for command, _ in commands:  # `docker tag trainer registry/team/trainer`
            known = found.get(name_of_image(command.argv[2])) if _renames(command.argv) else None
            if known is not None:
                found.setdefault(name_of_image(command.argv[3]), known)
        return found

    def _built_by_actions(self) -> Iterator[tuple[str, str]]:
        """Name of each image that Docker's action builds, and its Dockerfile."""
        for step in (each for flow in self.workflows for job in flow.jobs for each in job.steps):
            if not step.uses.startswith("docker/build-push-action"):
                continue
            context = step.given.get("context", ".")
            named = step.given.get("file") or posixpath.join(context, "Dockerfile")
            dockerfile = posixpath.normpath(named)
            for tag in re.split(r"[\n,]", step.given.get("tags", "")) if dockerfile in self.tree.sizes else ():
                if tag.strip():
                    yield name_of_image(tag.strip()), dockerfile

    def _submitted(self, argv: tuple[str, ...]) -> Iterator[Command]:
        """The commands of the file that is given to Cloud Build."""
        config, values = submitted(argv) if argv[:3] == ("gcloud", "builds", "submit") else ("", {})
        path = posixpath.normpath(config)
        for document in self.yaml(path)[:1] if config and path in self.tree.sizes else ():
            flow = read_cloud_build(path, document, values)
            yield from (each for job in (flow.jobs if flow else ()) for step in job.steps for each in step.commands)

    def dockerfile_of(self, word: str) -> str | None:
        """The Dockerfile of an image, also where one of two names writes out what the other takes from a variable."""
        name = name_of_image(word)
        if name in self.built or "/" not in name:
            return self.built.get(name)
        return next((path for known, path in self.built.items() if _same_image(known, name)), None)

    @cached_property
    def terraform(self) -> tuple[Block, ...]:
        """Every resource that Terraform is told of."""
        return tuple(each for path in self.named(".tf", ".tofu") for each in read_terraform(path, self.text(path)))

    @cached_property
    def services(self) -> list[Service]:
        """Services of compose files."""
        return [
            service
            for path in self.yaml_paths
            if "compose" in path.rpartition("/")[2].lower()
            for document in self.yaml(path)[:1]
            for service in read_compose(path, document)
        ]

    # -- what people declare ---------------------------------------------------------------------------------------

    @cached_property
    def dependencies(self) -> dict[str, tuple[str, int]]:
        """Distribution to where it is listed."""
        from windlass.assessment.reading.requirements import read_requirements

        found: dict[str, tuple[str, int]] = {}
        for path in self.paths:
            for name, line in read_requirements(path, self.text):
                found.setdefault(name, (path, line))
        return found

    @cached_property
    def readmes(self) -> list[str]:
        return [path for path in self.paths if path.lower().endswith((".md", ".rst")) and path.count("/") <= 2]

    def what_was_not_read(self) -> tuple[Unread, ...]:
        return self.tree.what_was_not_read()


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        target = value.get("_target_")
        if isinstance(target, str):
            yield target
        for inner in value.values():
            yield from _targets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _targets(inner)


def _given(argv: tuple[str, ...], *options: str) -> list[str]:
    """The values of an option."""
    after = [value for option, value in pairwise(argv) if option in options]
    return after + [word.partition("=")[2] for word in argv if word.startswith(tuple(f"{each}=" for each in options))]


def _dockerfile_of(argv: tuple[str, ...]) -> str:
    """The Dockerfile that a command builds an image from, or ""."""
    if argv[0] not in ("docker", "podman") or "build" not in argv[1:3]:
        return ""
    named = _given(argv, "-f", "--file")
    return named[0] if named else posixpath.join(argv[-1], "Dockerfile")


def _renames(argv: tuple[str, ...]) -> bool:
    return argv[:2] in (("docker", "tag"), ("podman", "tag")) and len(argv) == 4


def _same_image(known: str, name: str) -> bool:
    """`pkg.dev/$PROJECT_ID/churn/train` and `pkg.dev/team/churn/train`: the last of its parts has to be written out."""
    pairs = list(zip(known.split("/"), name.split("/"), strict=False))
    same = all(one == other or "$" in one + other for one, other in pairs)
    return same and known.count("/") == name.count("/") and pairs[-1][0] == pairs[-1][1] and "$" not in pairs[-1][0]


def name_of_image(word: str) -> str:
    """The name of an image without its version."""
    folder, _, name = word.rpartition("/")
    return posixpath.join(folder, name.partition(":")[0].partition("@")[0])


def _read_taskfile(path: str, documents: list[Any]) -> Iterator[Target]:
    from windlass.assessment.automation.workflow import mapping, script, words
    from windlass.assessment.reading.yaml import Map

    for document in documents[:1]:
        for name, about in mapping(mapping(document).get("tasks")).items():
            owner = about if isinstance(about, Map) else Map(1)
            needs = words(owner.get("deps"))
            yield Target(
                tool="task", name=name, path=path, line=owner.line, commands=script(owner, "cmds"), needs=needs
            )
