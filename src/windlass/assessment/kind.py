"""What kind of repository it is: only a project, or an example or course that works like one, has a level."""

from __future__ import annotations

import re
from dataclasses import dataclass

from windlass.assessment.facts import Facts
from windlass.assessment.products import products
from windlass.assessment.project import Project, is_rendered_later
from windlass.assessment.r import trained_in_r
from windlass.assessment.reach.routes import By
from windlass.assessment.sql import trained_in_sql
from windlass.assessment.words import parts_of

_LESSON = re.compile(
    (
        r"^(\d{1,2}[-_. ]|module[-_ ]?\d|week[-_ ]?\d|day[-_ ]?\d|lesson|lecture|chapter|unit[-_ ]?\d|"
        r"homework|exercise|cohorts|labs?\b|session[-_ ]?\d)"
    ),
    re.IGNORECASE,
)
_TEACHING = re.compile(
    (
        r"\b(course|workshop|bootcamp|tutorial|book|exercises?|homework|lectures?|curriculum|students|"
        r"chapters?|zoomcamp|syllabus)\b"
    ),
    re.IGNORECASE,
)
_SCAFFOLD = re.compile(
    r"\b(template|starter|starters|boilerplate|cookiecutter|scaffold|skeleton|archetype)\b", re.IGNORECASE
)
_FILLED_IN = re.compile(r"\bstarter code\b", re.IGNORECASE)
"""What a course hands out, under whose name those who took it keep what they made of it."""
_SAYS_SO = re.compile(
    r"^this (repo(sitory)? |project )?"
    r"(is an? ((?!of |from |for )[\w-]+ ){0,4}(template|boilerplate)\b|(template|boilerplate) (contains|provides)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_BEGINNING = 3000
"""Of a README, in which it says what it is."""
_LIBRARY = re.compile(r"Topic :: Software Development :: Libraries|Intended Audience :: Developers|Framework :: ")
_CODE = (
    ".py",
    ".ipynb",
    ".r",
    ".rmd",
    ".scala",
    ".java",
    ".jl",
    ".sql",
    ".go",
    ".ts",
    ".js",
    ".cs",
    ".fs",
    ".rs",
    ".kt",
    ".cpp",
)
_TEXT = (".md", ".rst", ".adoc", ".tex", ".html", ".pdf", ".docx")


@dataclass(frozen=True)
class Kind:
    """One of project, template, library, course, monorepo, documentation, files, empty."""

    name: str
    why: str
    has_level: bool
    projects: tuple[str, ...] = ()
    """Folders of the projects of a monorepo."""


def kind_of(facts: Facts) -> Kind:
    """Told from the layout, from what is published, and from whether anything trains or serves a model."""
    project = facts.project
    template = _template(facts)
    if template:
        return Kind("template", f"{template}: a template has no level, what is made from it has.", has_level=False)
    if not project.tree.sizes:
        return Kind("empty", "There is no file in it, so there is no level.", has_level=False)
    if not any(path.lower().endswith(_CODE) for path in project.paths):
        named = "documentation" if any(path.lower().endswith(_TEXT) for path in project.tree.sizes) else "files"
        why = "There is no code in it that could train or serve a model, so there is no level."
        return Kind(named, why, has_level=False)
    learns = bool(facts.training) or bool(products(facts)) or _serves(facts) or bool(trained_in_r(facts))
    learns = learns or bool(trained_in_sql(facts))
    if _is_course(project):
        why = "assessed as it stands." if learns else "nothing in it trains or serves a model, so there is no level."
        return Kind("course", f"Lessons, and a README that teaches; {why}", has_level=learns)
    return _project_kind(facts, learns=learns or _monitors(facts))


def _project_kind(facts: Facts, *, learns: bool) -> Kind:
    projects = _projects(facts)
    if len(projects) >= 2:
        why = f"{len(projects)} projects, each with a level of its own."
        return Kind("monorepo", why, has_level=False, projects=projects)
    library = _library(facts)
    if library:
        return Kind("library", f"{library}: a library has no level, what uses it has.", has_level=False)
    why = "It trains, serves or watches a model." if learns else "Nothing in it trains, serves or watches a model."
    return Kind("project", why if learns else f"{why} So there is no level.", has_level=learns)


_QUESTIONS = ("cookiecutter.json", "copier.yml", "copier.yaml")


def _template(facts: Facts) -> str:
    project = facts.project
    asked = [path for path in project.tree.sizes if path.rpartition("/")[2] in _QUESTIONS]
    # A project may keep the template of the next one in a folder of it.
    if asked and not (
        all("/" in path for path in asked) and any(not each.module.is_notebook for each in facts.training)
    ):
        return "It has the questions of cookiecutter or copier"
    unfilled = [path for path in project.tree.sizes if is_rendered_later(path)]
    if not asked and len(unfilled) >= 3 and len(unfilled) > 0.2 * len(project.tree.sizes):
        return f"Paths such as {unfilled[0]} have yet to be filled in"
    heading = _heading(project)
    name = project.root.name.replace("_", " ").replace("-", " ")
    if _SCAFFOLD.search(heading) or (_SCAFFOLD.search(name) and not _FILLED_IN.search(name)):
        return f"It calls itself one ({heading.strip()[:60] or project.root.name})"
    said = _SAYS_SO.search(_readme(project)[:_BEGINNING])
    return f"It calls itself one ({' '.join(said[0].split())[:60]} ...)" if said is not None else ""


def _readme(project: Project) -> str:
    """What a README says, without the settings that a site may have it begin with."""
    names = ("README.md", "readme.md", "README.rst", "Readme.md")
    path = next((each for each in names if each in project.tree), "")
    return re.sub(r"\A---\n.*?^---\n", "", project.text(path) if path else "", flags=re.DOTALL | re.MULTILINE)


def _heading(project: Project) -> str:
    lines = (line for line in _readme(project).splitlines() if not line.startswith(("[", "<", "!")))
    return next((line.strip("#= ") for line in lines if line.strip("#= -")), "")


def _is_course(project: Project) -> bool:
    folders = {path.partition("/")[0] for path in project.paths if "/" in path}
    lessons = [folder for folder in folders if _LESSON.match(folder)]
    notebooks = [
        path
        for path in project.paths
        if path.endswith(".ipynb") and re.match(r"\d{1,2}[_\-. ]", path.rpartition("/")[2])
    ]
    readme = next(
        (project.text(path)[:6000] for path in project.readmes if path.lower() in ("readme.md", "readme.rst")), ""
    )
    teaches = len(_TEACHING.findall(readme))
    name = bool(
        parts_of(project.root.name) & {"workshop", "course", "tutorial", "bootcamp", "zoomcamp", "handson", "lectures"}
    )
    return (len(lessons) >= 3 and teaches >= 2) or (len(notebooks) >= 8 and teaches >= 1) or (name and teaches >= 1)


def _serves(facts: Facts) -> bool:
    from windlass.assessment.probes.serving import model_serving

    return model_serving(facts).state.rank >= 2


def _monitors(facts: Facts) -> bool:
    from windlass.assessment.probes.drift import drift_computations

    return bool(drift_computations(facts))


_UPLOADS = (("twine", "upload"), ("uv", "publish"), ("poetry", "publish"), ("flit", "publish"))


def _library(facts: Facts) -> str:
    """A package for others: published, and what fits models in it is its business, not a script that somebody runs."""
    project = facts.project
    manifests = [path for path in ("pyproject.toml", "setup.py", "setup.cfg") if path in project.tree]
    marked = any(_LIBRARY.search(project.text(path)) for path in manifests)
    uploads = list(facts.runs(lambda argv: argv[:2] in _UPLOADS))
    released = any(True for _ in facts.uses("pypa/gh-action-pypi-publish"))
    released = released or any(each.route.by is By.ITSELF for each in uploads)
    published = released or bool(uploads)
    if not manifests or not (marked or published) or "cdk.json" in project.tree:
        return ""  # what CDK makes calls itself a library of developers, and is an application
    if not released and _serves(facts):
        return ""  # whom it says to be for it has from an example: what answers with a model is a product
    scripts = {
        each.module.path for each in facts.training if "<main>" in each.module.functions or each.module.is_notebook
    }
    scripts |= {
        module.path
        for module in project.modules
        if "/" not in module.path and "<main>" in module.functions and facts.trains((module.path, "<main>"))
    }
    own = [
        path
        for path in scripts
        if not re.search(r"(^|/)(examples?|docs?|tutorials?|notebooks?|benchmarks?|bench|tests?)/", path)
    ]
    return "" if len(own) >= 1 and not (marked and published) else "It is a package that is published for others"


_MANIFESTS = frozenset(
    {
        "requirements.txt", "pyproject.toml", "environment.yml", "environment.yaml", "conda.yaml", "conda.yml",
        "setup.py", "Pipfile", "MLproject", "dvc.yaml", "uv.lock",
    }
)  # fmt: skip
_NO_PROJECTS = re.compile(r"(^|/)(tests?|docs?|examples?|notebooks?|\.github|infrastructure|src|build|dist)(/|$)")


def _projects(facts: Facts) -> tuple[str, ...]:
    """Folders that stand alone: with a manifest and with training of their own."""
    project = facts.project
    trained = {each.module.path for each in facts.training}
    scripts = {path for path in trained if not path.endswith(".ipynb")}
    trained = scripts or trained  # beside a program that trains, a folder of notebooks is what came before it
    if any("/" not in path or path.startswith("src/") for path in trained):
        return ()
    candidates = {
        path.rpartition("/")[0]
        for path in project.paths
        if path.rpartition("/")[2] in _MANIFESTS
        and 1 <= path.count("/") <= 3
        and not _NO_PROJECTS.search(path.rpartition("/")[0])
    }
    outermost = {
        each for each in candidates if not any(each != other and each.startswith(f"{other}/") for other in candidates)
    }
    own = [folder for folder in outermost if any(path.startswith(f"{folder}/") for path in trained)]
    return tuple(sorted(own)) if len(own) >= 2 else ()
