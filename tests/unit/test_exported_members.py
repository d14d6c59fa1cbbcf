"""What `import windlass` gives, and what it must not pull in."""

from __future__ import annotations

import subprocess
import sys

import pytest

import windlass

HEAVY = {
    "alembic", "deltalake", "jinja2", "lightgbm", "numpy", "optuna", "pandera", "polars", "prometheus_client", "scipy",
    "pydantic", "skops", "sklearn", "sqlalchemy", "starlette", "uvicorn",
}  # fmt: skip


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has after `code`."""
    tell = "import sys; print('|' + ' '.join(sys.modules))"
    script = f"import contextlib\nwith contextlib.suppress(SystemExit):\n    {code}\n{tell}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    return set(done.stdout.rpartition("|")[2].split())


def imported_by(code: str) -> set[str]:
    """The same, of each package its name alone."""
    return {name.partition(".")[0] for name in modules_after(code)}


def test_every_name_of_the_list_can_be_imported() -> None:
    for name in windlass.__all__:
        assert getattr(windlass, name) is not None


def test_the_list_is_sorted_and_short() -> None:
    assert list(windlass.__all__) == sorted(set(windlass.__all__))
    assert len(windlass.__all__) <= 14


def test_nothing_public_is_there_beside_the_list() -> None:
    namespace: dict[str, object] = {}
    exec("from windlass import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(windlass.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Prodct'"):
        _ = windlass.Prodct


def test_importing_windlass_imports_nothing_heavy() -> None:
    assert imported_by("import windlass") & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["runs", "compare", "--help"]])
def test_asking_for_help_imports_nothing_heavy(arguments: list[str]) -> None:
    loaded = imported_by(f"import sys; sys.argv[1:] = {arguments!r}; from windlass.cli.main import main; main()")
    assert "click" in loaded, "the command has not run"
    assert loaded & HEAVY == set()


def test_a_command_imports_its_own_module_of_the_command_line_alone() -> None:
    script = "import sys; sys.argv[1:] = ['train', '--help']; from windlass.cli.main import main; main()"
    loaded = {name for name in modules_after(script) if name.startswith("windlass.cli.")}
    assert loaded == {f"windlass.cli.{name}" for name in ("main", "group", "context", "serve")}


def test_a_trace_needs_neither_arrays_nor_tables_nor_code() -> None:
    """Nearly all of the time of `windlass trace ID` is that of its imports."""
    loaded = modules_after(
        "import windlass.app.trace, windlass.lake.lake, windlass.registry.registry, windlass.ledger.view, "
        "windlass.cli.show, windlass.cli.trace"
    )
    assert "polars" in loaded
    assert loaded & {"numpy", "scipy", "sklearn", "pandera", "datasketches", "rich"} == set()
    assert [name for name in loaded if name.startswith("windlass.product.code.")] == []


def test_asking_a_controller_for_something_needs_the_ledger_alone() -> None:
    loaded = modules_after("import windlass.app.act, windlass.app.workspace, windlass.cli.act, windlass.ledger.ledger")
    assert "sqlalchemy" in loaded
    assert loaded & {"alembic", "numpy", "polars", "scipy", "sklearn"} == set()
    assert [name for name in loaded if name.startswith(("windlass.controller.", "windlass.lake."))] == []


def test_the_loop_starts_without_what_only_its_processes_and_messages_need() -> None:
    loaded = modules_after("import windlass.app.up, windlass.controller.controller")
    assert "polars" in loaded
    messages = {"smtplib", "http.client"}
    others = {"scipy", "sklearn", "skops", "pandera", "prometheus_client", "uvicorn", "psutil"}
    ours = {"windlass.serving.versions.lineup", "windlass.product.contract.decoder"}
    assert loaded & (messages | others | ours) == set()


def test_the_workers_of_the_loop_start_before_all_of_it_is_imported() -> None:
    loaded = modules_after("import windlass.app.up")
    assert "windlass.serving.supervisor" in loaded
    assert loaded & {"numpy", "windlass.controller.controller"} == set()


def test_a_start_is_not_spent_on_looking_for_garbage() -> None:
    """Imports leave none, and without a word to the collector it would look for some 130 times."""
    start = "import sys; sys.argv[1:] = ['--version']; from windlass.cli.main import main"
    script = f"""import contextlib, gc
{start}
with contextlib.suppress(SystemExit):
    main()
before = sum(each["collections"] for each in gc.get_stats())
import windlass.app.trace
print(sum(each["collections"] for each in gc.get_stats()) - before)"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout.split()[-1]) < 30


def test_the_check_for_heavy_imports_can_fail() -> None:
    assert "numpy" in imported_by("import numpy") & HEAVY
