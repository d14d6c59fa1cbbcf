"""A table where there is room for one, and a block for each row where there is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from windlass.cli import output, tables

NOON = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
ID = "p-1m8frghy6c468pdctdx-0"
TOKEN = {"token": ID, "holder": "shop", "scopes": "predict", "made": NOON, "by": "root", "revoked": None}


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def lines(rows: list[dict[str, Any]], *, width: int) -> list[str]:
        monkeypatch.setattr(output, "_PIPE_WIDTH", width)
        tables.print_rows(rows, as_json=False, title="Rows", empty="none")
        found = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
        assert max(map(len, found)) <= width
        return found

    return lines


def test_an_id_in_a_table_is_whole(printed: Any) -> None:
    lines = printed([TOKEN], width=80)
    assert any("token" in line and "holder" in line and "(UTC)" in line for line in lines)
    assert any(ID in line and "predict" in line for line in lines)


def test_a_row_that_has_no_room_is_a_block(printed: Any) -> None:
    row = {"_sequence": 7, "prediction_id": ID, "at": NOON, "error": None, "request": '{"a":1}' * 20}
    row |= {f"column_{place}": 0.5 for place in range(8)}
    lines = printed([row], width=80)
    assert lines[:2] == ["Rows", "sequence 7"]
    assert f"    prediction id  {ID}" in lines
    assert "    at             2026-03-01 12:34:56 UTC" in lines
    assert "    column 7       0.5" in lines
    assert not any("error" in line for line in lines)
    assert any("sequence" in line and "column 7" in line for line in printed([row], width=200))


def test_nothing_is_said_to_be_nothing(printed: Any) -> None:
    assert printed([], width=80) == ["none"]
