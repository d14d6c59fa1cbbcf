from __future__ import annotations

import logging
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from windlass.app import up as module
from windlass.app.up import LogFile, _entries, up
from windlass.controller.context import LoopContext
from windlass.errors import LeaseLost, ProductError

from .conftest import PRODUCT, Office  # type: ignore[import-not-found]


def test_who_has_lost_the_lease_waits_for_it_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    stopping, terms = threading.Event(), list[int]()

    def act(_workspace: Any, context: LoopContext, *_rest: Any, **_more: Any) -> None:
        terms.append(context.held().token)
        office.ledger.release(context.held())
        if len(terms) == 2:
            stopping.set()
            return
        raise LeaseLost("'me' has lost the lease", where="there", remedy="stop acting")

    for name, stand_in in (
        ("_stop_on_signals", lambda: stopping),
        ("_log_to_file", lambda _workspace: None),
        ("_entries", lambda _workspace, _say: {PRODUCT: "m:P"}),
        ("_act", act),
    ):
        monkeypatch.setattr(module, name, stand_in)
    up(office.workspace, say=office.said.append)
    assert terms[1] > terms[0]
    assert office.said == ["windlass: 'me' has lost the lease; standing by again", "windlass: stopped"]


def at(office: Office, source: str, folder: Path) -> None:
    """The project's one file says `source`."""
    (folder / "product.py").write_text(source)
    office.workspace.settings = msgspec.structs.replace(office.workspace.settings, project=folder)


def test_while_a_file_cannot_be_read_the_products_known_are_served(office: Office, tmp_path: Path) -> None:
    at(office, "class Product(\n", tmp_path)
    assert _entries(office.workspace, office.said.append) == {PRODUCT: "m:P"}
    (said,) = office.said
    assert "not valid Python" in said
    assert "product.py" in said
    assert "remedy" in said


def test_where_no_product_is_known_a_file_that_cannot_be_read_is_an_error(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(office, "class Product(\n", tmp_path)
    empty = msgspec.structs.replace(office.workspace.state(), products={})
    monkeypatch.setattr(office.workspace, "state", lambda: empty)
    with pytest.raises(ProductError, match="not valid Python"):
        _entries(office.workspace, office.said.append)


def test_a_log_that_cannot_be_written_is_told_once_and_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = LogFile(tmp_path / "windlass.log")
    assert handler.stream is not None
    handler.stream.close()
    handler.stream = Path("/dev/full").open("w")  # noqa: SIM115 (the handler closes it)
    for number in range(3):
        handler.handle(logging.makeLogRecord({"msg": f"line {number}"}))
    told = capsys.readouterr().err
    assert told == f"windlass: the log cannot be written: No space left on device (at {tmp_path / 'windlass.log'})\n"
    handler.handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    assert "Logging error" in capsys.readouterr().err, "a fault of ours is told as one"
    with suppress(OSError):
        handler.close()
