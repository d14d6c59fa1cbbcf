"""What is written is true as far as a machine can tell: links, commands, settings, code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec
import pytest

from windlass.cli.main import app
from windlass.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").glob("*/README.md")],
)

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`]+)`")
_SHELL = re.compile(r"(?:^|[;&|(!]|\b(?:until|while|if|do|then))\s*(windlass(?: [^\n;&|]*)?)", re.MULTILINE)
_SUBSTITUTED = re.compile(r'"\$\(.*\)"')
_WAITING = re.compile(r"\b(TODO|TBD|FIXME|XXX|lorem|placeholder|coming soon|to be written)\b", re.IGNORECASE)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


# -- text --------------------------------------------------------------------------------------------------------


def prose_of(page: Path) -> str:
    """The text without its fences and indented blocks."""
    text = re.sub(r"^```.*?^```[ ]*$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """Headings as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors_of(target), f"{link}: there is no such heading"


@each_page
def test_nothing_waits_to_be_written(page: Path) -> None:
    found = _WAITING.search(page.read_text(encoding="utf-8"))
    assert found is None, f"says {found.group()!r}" if found else ""


@each_page
def test_python_compiles(page: Path, fences: Callable) -> None:
    for fence in fences(page):
        if fence.tag == "python":
            compile("\n" * (fence.line - 1) + fence.body, name_of(page), "exec")


def test_the_index_lists_every_page() -> None:
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in _LINK.findall(prose_of(DOCS / "README.md"))}
    missing = [name_of(page) for page in DOCS.rglob("*.md") if page.name != "README.md" and page not in listed]
    assert missing == []


# -- commands ----------------------------------------------------------------------------------------------------


class NotACommand(AssertionError):
    pass


def commands_of(command: click.Command) -> dict[str, click.Command]:
    """The commands of a command, by name; none where it is no group."""
    if not isinstance(command, click.Group):
        return {}
    context = click.Context(command)
    return {name: command.get_command(context, name) for name in command.list_commands(context)}


def find(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that `words` name, and what is left for it."""
    command, rest = app, words
    while rest and rest[0] in (inner := commands_of(command)):
        command, rest = inner[rest[0]], rest[1:]
    if isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        raise NotACommand(f"windlass {' '.join(words)}: there is no such command")
    return command, rest


def parse(line: str) -> None:
    """Raise unless this is a whole call that the command line would take."""
    words = shlex.split(_SUBSTITUTED.sub("ID", line), comments=True)[1:]
    words = words[: next((place for place, word in enumerate(words) if re.match(r"\d?[<>]", word)), None)]
    command, rest = find(words)
    if not isinstance(command, click.Group):
        command.make_context(command.name, list(rest))


def mention(span: str) -> None:
    """Raise unless command and options exist; arguments may be left out in a sentence."""
    words = re.sub(r"[\[\]]", " ", span).split()[1:]
    command, rest = find(words)
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for word in rest:
        if word.startswith("-") and word.partition("=")[0] not in known:
            raise NotACommand(f"{span}: there is no option {word}")


def calls_of(page: Path, fences: Callable) -> Iterator[str]:
    """Calls in shell fences and indented blocks."""
    blocks = [fence.body for fence in fences(page) if fence.tag in ("sh", "bash", "console")]
    text = re.sub(r"^```.*?^```[ ]*$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    blocks += [line.strip() for line in re.findall(r"^ {4}(windlass .+)$", text, flags=re.MULTILINE)]
    for block in blocks:
        for call in _SHELL.findall(_SUBSTITUTED.sub("ID", block.replace("\\\n", " "))):
            yield re.sub(r"\s\d?>.*$", "", call)


@each_page
def test_every_call_that_is_shown_is_one(page: Path, fences: Callable) -> None:
    for call in calls_of(page, fences):
        parse(call)


@each_page
def test_every_command_that_is_mentioned_exists(page: Path) -> None:
    for span in _SPAN.findall(prose_of(page).replace("\n", " ")):
        if span.startswith("windlass ") and "." not in span.split()[1]:
            mention(span)


@pytest.mark.parametrize(
    "line",
    [
        "windlass trian",
        "windlass runs compare v1",
        "windlass status --jsn",
        "windlass promote v2",
        "windlass up --port a",
    ],
)
def test_a_wrong_call_would_be_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"no such|Missing|No such option|valid integer"):
        parse(line)


def test_a_wrong_mention_would_be_noticed() -> None:
    with pytest.raises(NotACommand):
        mention("windlass trian")
    with pytest.raises(NotACommand):
        mention("windlass train --fast")


def paths_of(command: click.Command, path: str = "windlass") -> Iterator[str]:
    inner = commands_of(command)
    if not inner:
        yield path
    for name, each in inner.items():
        yield from paths_of(each, f"{path} {name}")


# -- generated pages ---------------------------------------------------------------------------------------------


def test_the_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_command_is_documented() -> None:
    text = (DOCS / "reference" / "cli.md").read_text()
    assert [path for path in paths_of(app) if f"## `{path}`" not in text] == []


def test_every_setting_is_documented_with_its_meaning() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", (DOCS / "reference" / "settings.md").read_text(), re.MULTILINE)
    )
    assert set(rows) == {field.name for field in msgspec.structs.fields(Settings)}
    assert all(len(meaning) > 10 for meaning in rows.values())
