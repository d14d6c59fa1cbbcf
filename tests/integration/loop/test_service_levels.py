"""A promise that is broken over real HTTP: an alarm and an incident say so, and nothing is released by itself."""

from __future__ import annotations

import http.client
import json

from windlass.records.event import AlarmRaised, IncidentOpened, ReleaseStarted, RunFinished

from .project import PRODUCT, Up  # type: ignore[import-not-found]


def status_of_a_request(up: Up) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=120)
    body = json.dumps({"rows": [{"id": 1, "at": "2026-03-01T10:00:00Z", "wind": 0.5, "rain": 0.1}]})
    connection.request("POST", f"/{PRODUCT}/predict", body, {"Content-Type": "application/json"})
    with connection.getresponse() as response:
        return response.status


def test_a_spent_error_budget_is_an_incident_and_holds_releases_back_but_no_person(up: Up) -> None:
    broken = up.folder / "broken"
    policy = '    release = wl.Release(shadow=1_000_000, probation="7d")\n'
    answer = "        return rows.select("
    source = up.source.read_text()
    source = source.replace(policy, f"{policy}    objectives = wl.Objectives(availability=0.99)\n")
    source = source.replace(answer, f"        if Path({str(broken)!r}).exists():\n            1 / 0\n{answer}")
    up.source.write_text(source)
    up.start()
    assert up.wait_until(up.champion) == "v1"
    broken.touch()
    assert {status_of_a_request(up) for _ in range(30)} == {500}
    broken.unlink()
    assert {status_of_a_request(up) for _ in range(30)} == {200}  # 30 of some 60: fifty times what may fail

    (alarm,) = up.wait_until(lambda: [body for body in up.events(AlarmRaised) if body.signal == "service"])
    assert "missed the availability objective of 0.99 within 1h" in alarm.decision.reasons[0]
    opened = up.wait_until(lambda: [body for body in up.events(IncidentOpened) if "budget" in body.title])
    assert opened[0].remedy

    up.source.write_text(up.source.read_text().replace("C=1.0", "C=0.1"))
    trained = up.command("train")
    assert (trained.returncode, "v2" in trained.stdout) == (0, True), trained.stdout + trained.stderr
    for command in ("pause", "resume"):  # the controller has looked at everything between the two
        assert up.command(command, "--reason", "to see that it looks").returncode == 0
    assert [body.version for body in up.events(ReleaseStarted)] == ["v1"]
    assert [body.version for body in up.events(RunFinished)] == ["v1", "v2"]
    assert up.state.candidate is not None

    promoted = up.command("promote", "v2", "--reason", "it mends the failure")
    assert promoted.returncode == 0, promoted.stderr
    up.wait_until(lambda: up.champion() == "v2")
