"""A new champion that hangs on some rows, in `windlass up`: it comes back by itself, and a person is told why."""

from __future__ import annotations

import http.client
import json
import re

from windlass.records.event import AlarmRaised, ChampionChanged, IncidentOpened, ReleaseFinished

from .project import PRODUCT, Up  # type: ignore[import-not-found]

HANGS = "        sys.argv[0].endswith('serving/worker.py') and rows['id'].max() >= 100 and time.sleep(1e6)\n"


def status_of(up: Up, row: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=60)
    body = json.dumps({"rows": [{"id": row, "at": "2026-03-01T10:00:00Z", "wind": 0.5, "rain": 0.1}]})
    connection.request("POST", f"/{PRODUCT}/predict", body, {"Content-Type": "application/json"})
    with connection.getresponse() as response:
        return response.status


def all_serve(up: Up, version: str) -> bool:
    """Whether both workers have told last that it is the champion that they serve; one answer tells of one of them."""
    told = re.findall(r" (w\d) INFO .*: routing \d+, serving .*?(\S+) as champion", up.paths.log.read_text())
    return dict(told) == {"w0": version, "w1": version}


def test_it_is_rolled_back_for_two_calls_and_others_are_answered_meanwhile(up: Up) -> None:
    up.more |= {"WINDLASS_ANSWER_SECONDS": "2", "WINDLASS_WORKERS": "2"}
    objectives = 'release = wl.Release(probation="7d")\n    objectives = wl.Objectives(availability=0.99)\n'
    source = up.source.read_text().replace("import time\n", "import sys\nimport time\n")
    up.source.write_text(source.replace('release = wl.Release(shadow=1_000_000, probation="7d")\n', objectives))
    up.start()
    assert up.wait_until(up.champion) == "v1"
    source = up.source.read_text().replace("C=1.0", "C=0.1")
    up.source.write_text(source.replace("        return rows.select(", f"{HANGS}        return rows.select("))
    trained = up.command("train")
    assert (trained.returncode, "v2" in trained.stdout) == (0, True), trained.stdout + trained.stderr
    up.wait_until(lambda: all_serve(up, "v2"))
    for _ in range(2):
        assert status_of(up, 100) == 504
        assert status_of(up, 1) == 200, "whether its worker or the other one takes it"
    (finished,) = up.wait_until(lambda: [body for body in up.events(ReleaseFinished) if body.version == "v2"])
    assert (finished.outcome, finished.decision.verdict) == ("rolled_back", "roll_back")
    assert "2 calls of it have hung; the last: version v2: no answer in 2 s" in finished.decision.reasons[0]
    assert [body.version for body in up.events(ChampionChanged)] == ["v1", "v2", "v1"]
    up.wait_until(lambda: all_serve(up, "v1"))
    assert status_of(up, 100) == 200
    (opened,) = [body for body in up.events(IncidentOpened) if body.title == "v2 does not answer"]
    assert "lateness.py (features), in worker w" in opened.cause
    up.wait_until(lambda: not up.state.incidents)
    assert not up.events(AlarmRaised), "two failures are no burning budget"
