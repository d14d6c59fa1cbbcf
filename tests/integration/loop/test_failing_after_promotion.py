"""Versions that fail where the one before answers, served by real workers: promoted without a canary, they come back by
themselves, on the word of the one before, which is in shadow."""

from __future__ import annotations

import http.client
import json
from itertools import count

import pytest

from windlass.records.event import ReleaseFinished

from .project import PRODUCT, Up  # type: ignore[import-not-found]

NEW = 1000
"""Names of rows that no training has seen begin here."""
MODEL = "        return rows.select("
OF_SOME = """        if ((rows["id"] > 400) & (rows["id"] % 10 == 0)).any():
            raise ValueError("this decile was forgotten")
"""
OF_ALL = """        if (rows["id"] > 400).any():
            raise ValueError("these keys came after the training rows")
"""


def status_of(up: Up, number: int) -> int:
    """How a request of one row is answered, whose id is `number`."""
    row = {"id": number, "at": "2026-03-01T10:00:00Z", "wind": 0.5, "rain": 0.1}
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=120)
    body = json.dumps({"rows": [row]})
    connection.request("POST", f"/{PRODUCT}/predict", body, {"Content-Type": "application/json"})
    with connection.getresponse() as response:
        response.read()
        return response.status


@pytest.mark.parametrize("harm", [OF_SOME, OF_ALL])
def test_it_is_rolled_back_on_the_word_of_the_one_before(up: Up, harm: str) -> None:
    up.source.write_text(up.source.read_text().replace("shadow=1_000_000, ", ""))
    up.start()
    assert up.wait_until(up.champion) == "v1"
    assert status_of(up, NEW) == 200
    up.source.write_text(up.source.read_text().replace("C=1.0", "C=0.1").replace(MODEL, f"{harm}{MODEL}"))
    trained = up.command("train")
    assert (trained.returncode, "v2" in trained.stdout) == (0, True), trained.stdout + trained.stderr
    up.wait_until(lambda: status_of(up, NEW) == 422)  # since it answers rows of before, these are held to be why
    numbers = count(NEW)

    def is_back() -> bool:
        for _ in range(20):
            status_of(up, next(numbers))
        finished = up.events(ReleaseFinished)
        return bool(finished) and finished[-1].version == "v2"

    up.wait_until(is_back, seconds=300)
    finished = up.events(ReleaseFinished)[-1]
    assert (finished.outcome, finished.decision.verdict) == ("rolled_back", "roll_back")
    assert "It fails on" in finished.decision.reasons[0]
    assert up.wait_until(lambda: up.champion() == "v1")
    assert status_of(up, NEW) == 200
