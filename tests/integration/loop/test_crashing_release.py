"""A new version that takes its worker down on some rows, released by `windlass up`: withdrawn from its canary."""

from __future__ import annotations

import http.client

from windlass.records.event import ChampionChanged, ReleaseFinished

from .project import NotAnswered, Up  # type: ignore[import-not-found]

CRASHES = "        sys.argv[0].endswith('serving/worker.py') and rows['id'].max() % 3 == 0 and os.abort()\n"


def test_it_is_withdrawn_for_the_workers_that_it_took_down(up: Up) -> None:
    source = up.source.read_text().replace("import time\n", "import os\nimport sys\nimport time\n")
    up.source.write_text(source.replace("shadow=1_000_000, ", "shadow=0, canary=[0.5], bake='0s', "))
    up.start()
    assert up.wait_until(up.champion) == "v1"
    source = up.source.read_text().replace("C=1.0", "C=0.1")
    up.source.write_text(source.replace("        return rows.select(", f"{CRASHES}        return rows.select("))
    trained = up.command("train")
    assert (trained.returncode, "v2" in trained.stdout) == (0, True), trained.stdout + trained.stderr
    answered, unanswered = 0, 0

    def withdrawn() -> bool:
        nonlocal answered, unanswered
        for count in range(1, 21):  # one row each, or the ids would be the same
            try:
                answered += len(up.predict(count)) == count
            except (OSError, http.client.HTTPException, NotAnswered):
                unanswered += 1
        return any(body.version == "v2" for body in up.events(ReleaseFinished))

    up.wait_until(withdrawn)
    finished = up.events(ReleaseFinished)[-1]
    assert (finished.version, finished.outcome, finished.decision.verdict) == ("v2", "rolled_back", "roll_back")
    assert "serving processes have crashed since its release began" in finished.decision.reasons[0]
    assert [body.version for body in up.events(ChampionChanged)] == ["v1"]
    assert unanswered >= 2
    up.wait_until(lambda: up.champion() == "v1")
    assert [len(up.predict(count)) for count in range(1, 21)] == [*range(1, 21)]
