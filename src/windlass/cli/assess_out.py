"""The files that `windlass assess` writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from windlass.cli.output import check_target
from windlass.errors import UsageError

if TYPE_CHECKING:
    from windlass.assessment.records import Assessment


def check_outputs(outputs: Mapping[str, Path | None]) -> None:
    """Raise UsageError unless all of them can be written, before anything is read."""
    for flag, path in outputs.items():
        if path is not None and str(path) != "-":
            check_target(path, flag)
        elif path is not None and flag != "--json":
            raise UsageError("only the JSON is printed", where=flag, remedy="name a file")


def write_outputs(found: Assessment, outputs: Mapping[str, Path | None], *, model: str) -> None:
    """Write those that were asked for; UsageError where one cannot be."""
    writers: dict[str, Callable[[], str]] = {
        "--json": lambda: _json(found),
        "--markdown": lambda: _markdown(found),
        "--html": lambda: _html(found),
        "--sarif": lambda: _sarif(found),
        "--badge": lambda: _badge(found, model),
    }
    for flag, path in outputs.items():
        if path is not None and str(path) != "-":
            try:
                path.write_text(writers[flag](), encoding="utf-8")
            except OSError as error:
                raise UsageError(f"{path} cannot be written: {error.strerror}", where=flag) from error


def _json(found: Assessment) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _markdown(found: Assessment) -> str:
    from windlass.assessment.report.markdown import to_markdown

    return to_markdown(found)


def _html(found: Assessment) -> str:
    from windlass.web.maturity import render_maturity

    return render_maturity(found)


def _sarif(found: Assessment) -> str:
    import msgspec

    from windlass import __version__
    from windlass.assessment.report.sarif import to_sarif

    return msgspec.json.format(msgspec.json.encode(to_sarif(found, version=__version__)), indent=2).decode() + "\n"


def _badge(found: Assessment, model: str) -> str:
    from windlass.assessment.report.badge import to_badge

    return to_badge(found, "microsoft" if model == "all" else model)
