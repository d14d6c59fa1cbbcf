"""A version that gets stuck after its promotion: no request fails, and all of them get one answer, until it is back."""

from __future__ import annotations

import http.client
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from windlass.clock import SharedClock
from windlass.records.event import ChampionChanged, ReleaseFinished

from .project import PRODUCT, Up  # type: ignore[import-not-found]

CALLERS = 12


def test_it_is_withdrawn_though_nothing_fails(up: Up) -> None:
    clock, stuck = SharedClock.create(up.folder / "clock", datetime(2026, 3, 1, 12, tzinfo=UTC)), up.folder / "stuck"
    up.more["WINDLASS_CLOCK"] = f"shared:{up.folder / 'clock'}"
    up.source.write_text(up.source.read_text().replace("shadow=1_000_000, ", ""))
    numbers = itertools.count()

    def ask() -> dict[str, Any]:
        number = next(numbers)
        row = {"id": number, "at": "2026-03-01T10:00:00Z", "wind": number % 17 / 17, "rain": number % 5 / 5}
        connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=120)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/{PRODUCT}/predict", json.dumps({"rows": [row]}), headers)
        with connection.getresponse() as response:
            assert response.status == 200
            return dict(json.loads(response.read())["predictions"][0])

    def minute() -> list[dict[str, Any]]:
        answered = [ask() for _ in range(CALLERS)]
        clock.move_to(clock.now() + timedelta(minutes=1))
        return answered

    up.start()
    assert up.wait_until(up.champion) == "v1"
    minute()
    broken = f"        if Path({str(stuck)!r}).exists():\n            rows = rows.with_columns(wind=0.5, rain=0.1)\n"
    answer = '        return rows.select("wind", "rain")'
    up.source.write_text(up.source.read_text().replace("C=1.0", "C=0.1").replace(answer, broken + answer))
    trained = up.command("train")
    assert (trained.returncode, "v2" in trained.stdout) == (0, True), trained.stdout + trained.stderr
    up.wait_until(lambda: up.champion() == "v2")
    stuck.touch()
    up.wait_until(lambda: minute()[-1]["version"] == "v1", seconds=600)
    finished = up.events(ReleaseFinished)[-1]
    assert (finished.version, finished.outcome, finished.decision.verdict) == ("v2", "rolled_back", "roll_back")
    assert "given the same answer to everybody" in finished.decision.reasons[0]
    assert [body.version for body in up.events(ChampionChanged)] == ["v1", "v2", "v1"]
