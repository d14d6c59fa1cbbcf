"""Test runners other than those of Python proper: R's, those of other languages, and those of tools for packages."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

from windlass.assessment.reach.asked import Asked, Leads

_R_TESTS = re.compile(
    r"testthat::|devtools::(test|check)|\btest_(dir|local|file|check|package)\(|rcmdcheck|tinytest::|\bcovr::"
    r"|\bdo_package_checks\("
)
_R_SOURCES = re.compile(r"^[^#\n]*\bsource\(\s*[\"']([^\"']+)", re.MULTILINE)
_OF_TIC = re.compile(r"\btic::(script|run_stage|run_all_stages)\(")
"""The stage in which a `tic.R` tests."""
_R_SCRIPT = re.compile(r"[^\s'\"]+\.[rR]")


def _r(asked: Asked) -> Leads:
    """R runs its tests from an expression on the command line, from a script, or checks a package with them."""
    text = " ".join(asked.rest)
    if asked.rest[:2] == ("CMD", "check") or _R_TESTS.search(text):
        return Leads(tests="testthat")
    scripts = [word for word in asked.rest if _R_SCRIPT.fullmatch(word)] + _R_SOURCES.findall(text)
    scripts += ["tic.R"] if _OF_TIC.search(text) else []
    return Leads(tests="testthat") if any(_R_TESTS.search(said) for said in _in_scripts(asked, scripts)) else Leads()


def _in_scripts(asked: Asked, scripts: list[str]) -> Iterator[str]:
    """What scripts say, without comments, and those that they take in."""
    for script in scripts:
        path = asked.path(script)
        said = asked.project.text(path) if path is not None else ""
        yield from (re.sub(r"#.*", "", each) for each in (said, *_texts(asked, _R_SOURCES.findall(said))))


def _texts(asked: Asked, scripts: list[str]) -> Iterator[str]:
    paths = (asked.path(script) for script in scripts)
    yield from (asked.project.text(path) for path in paths if path is not None)


def _go(asked: Asked) -> Leads:
    return Leads(tests="go test") if asked.argv[1:2] == ("test",) else Leads()


def _cargo(asked: Asked) -> Leads:
    return Leads(tests="cargo test") if {"test", "nextest"} & set(asked.argv[1:3]) else Leads()


_OF_JAVA = frozenset({"test", "verify", "package", "install", "check", "build", "testOnly"})
"""Goals of Maven and tasks of Gradle and sbt that run the tests on their way."""


def _java(asked: Asked) -> Leads:
    skipped = any(word.startswith(("-DskipTests", "-Dmaven.test.skip")) for word in asked.rest) or "-x" in asked.rest
    name = posixpath.basename(asked.argv[0]).removesuffix("w")
    return Leads(tests=name) if _OF_JAVA & set(asked.rest) and not skipped else Leads()


def _dotnet(asked: Asked) -> Leads:
    return Leads(tests="dotnet test") if asked.argv[1:2] == ("test",) else Leads()


def _javascript(asked: Asked) -> Leads:
    return Leads(tests=asked.argv[0])


def _own_tests(asked: Asked) -> Leads:
    """`hatch test` and `rye test` run pytest."""
    return Leads(tests="pytest", words=asked.argv[2:]) if asked.argv[1:2] == ("test",) else Leads()


RUNNERS: dict[str, Callable[[Asked], Leads]] = {
    "hatch": _own_tests,
    "rye": _own_tests,
    "Rscript": _r,
    "R": _r,
    "go": _go,
    "cargo": _cargo,
    "mvn": _java,
    "mvnw": _java,
    "gradle": _java,
    "gradlew": _java,
    "sbt": _java,
    "dotnet": _dotnet,
    "jest": _javascript,
    "vitest": _javascript,
    "mocha": _javascript,
}
