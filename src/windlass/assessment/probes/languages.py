"""Languages other than Python: which files hold tests, which runner is theirs, and what answers with a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from windlass.assessment.facts import Facts, Seen, once
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.lines import line_at
from windlass.assessment.records import Evidence

PYTHON = "Python"


@dataclass(frozen=True)
class _Language:
    """How tests of a language are written and where they lie."""

    name: str
    files: re.Pattern[str]
    expects: re.Pattern[str]
    """An expectation."""
    uses: re.Pattern[str]
    """By what such a file takes in something of the project: most languages have it of the same package."""


_ANYTHING = re.compile("")
_LANGUAGES = (
    _Language("R", re.compile(r"test[^\n]*\.(R|r|Rmd|qmd)$"), re.compile(r"^\s*expect_\w+\(", re.MULTILINE), _ANYTHING),
    _Language(
        "JavaScript",
        re.compile(r"\.(test|spec)\.[cm]?[jt]sx?$"),
        re.compile(r"^(?![ \t]*//)[^\n]*\bexpect\(|^\s*assert\.\w+\(", re.MULTILINE),
        re.compile(r"""(from|require\(|import\()\s*["']\.{1,2}/"""),
    ),
    _Language(
        "Go",
        re.compile(r"_test\.go$"),
        re.compile(r"^(?![ \t]*//)[^\n]*\b(t\.(Error|Fatal|Fail)\w*\(|(assert|require)\.[A-Z]\w*\()", re.MULTILINE),
        re.compile(r"\bfunc Test\w*\("),
    ),
    _Language(
        "Java",
        re.compile(r"(^|/)src/test/.*\.(java|kt|scala)$"),
        re.compile(r"^(?![ \t]*//)[^\n]*\b(assert\w*\(|Assert\w*\.\w+\(|should(Be|Equal|Throw)\b)", re.MULTILINE),
        _ANYTHING,
    ),
    _Language(
        "Rust",
        re.compile(r"\.rs$"),
        re.compile(r"^(?![ \t]*//)[^\n]*\bassert(_eq|_ne)?!\(", re.MULTILINE),
        re.compile(r"#\[(tokio::)?test\]"),
    ),
    _Language(
        ".NET",
        re.compile(r"Tests?\.(cs|fs)$"),
        re.compile(r"^(?![ \t]*//)[^\n]*(\bAssert\.\w+|\.Should\w*\()", re.MULTILINE),
        re.compile(r"\[(Fact|Theory|Test|TestMethod)\b"),
    ),
)
_RUNNERS = {
    "testthat": "R", "npm test": "JavaScript", "jest": "JavaScript", "vitest": "JavaScript", "mocha": "JavaScript",
    "go test": "Go", "cargo test": "Rust", "mvn": "Java", "gradle": "Java", "sbt": "Java", "dotnet test": ".NET",
}  # fmt: skip


def language_of(runner: str) -> str:
    """The language whose tests a runner runs."""
    return _RUNNERS.get(runner, PYTHON)


@once
def tests_elsewhere(facts: Facts) -> dict[str, tuple[Evidence, ...]]:
    """The first expectation of each such file, by language."""
    found: dict[str, tuple[Evidence, ...]] = {}
    for language in _LANGUAGES:
        places = tuple(_places(facts, language))
        if places:
            found[language.name] = places
    return found


def _places(facts: Facts, language: _Language) -> Iterator[Evidence]:
    for path in facts.project.paths:
        if language.files.search(path) and "node_modules/" not in path and "renv/" not in path:
            text = facts.project.text(path)
            expectation = language.expects.search(text) if language.uses.search(text) else None
            if expectation is not None:
                line = line_at(text, expectation.end())
                yield Evidence(path=path, line=line, why=f"an expectation of a test in {language.name}")


_SERVED = (
    (
        ".NET",
        re.compile(r"\.(cs|fs)$"),
        re.compile(r"\bPredictionEngine(Pool)?<"),
        re.compile(
            r"\[?(HttpTrigger|HttpPost|HttpGet|FunctionName)\b|\bControllerBase\b|\.Map(Post|Get)\(|\bBackgroundService\b"
        ),
    ),
    (
        "a language of the JVM",
        re.compile(r"\.(java|scala|kt)$"),
        re.compile(r"\b(org\.tensorflow|org\.jpmml|org\.dmg\.pmml|ai\.onnxruntime|ai\.djl|hex\.genmodel|ml\.dmlc)\b"),
        re.compile(
            r"\b(akka\.http|org\.springframework\.web|org\.apache\.flink\.streaming|org\.apache\.spark\.sql\.streaming"
            r"|org\.apache\.kafka\.(streams|clients\.consumer)|io\.grpc|io\.ktor|javax\.ws\.rs|jakarta\.ws\.rs)\b"
        ),
    ),
    (
        "JavaScript",
        re.compile(r"(?<!\.d)\.[cm]?[jt]s$"),
        re.compile(r"""["'](@tensorflow/tfjs-node(-gpu)?|onnxruntime-node|@xenova/transformers)["']"""),
        re.compile(r"""["'](express|fastify|koa|@nestjs/common|@hapi/hapi)["']"""),
    ),
)
"""Language, its files, by what they take in a model, and by what they answer."""


def served_elsewhere(facts: Facts) -> Iterator[Seen]:
    """Services in another language that answer with a model."""
    for language, files, models, services in _SERVED:
        texts = [(path, facts.project.text(path)) for path in facts.project.paths if _is_code(path, files)]
        asking = next(((path, found) for path, text in texts if (found := models.search(text)) is not None), None)
        if asking is None or not any(services.search(text) for _, text in texts):
            continue
        line = line_at(dict(texts)[asking[0]], asking[1].start())
        here = Evidence(path=asking[0], line=line, why=f"a service in {language} answers with the model")
        yield Seen((here,), by=By.PERSON)


def _is_code(path: str, files: re.Pattern[str]) -> bool:
    return bool(files.search(path)) and not _APART.search(f"/{path}")


_APART = re.compile(r"/(node_modules|tests?|__tests__|src/test)/|\.(test|spec)\.|Tests?/[^/]+$")
