"""A new version that hangs on some rows, released by `windlass up`: withdrawn from its canary; nobody waits for it."""

from __future__ import annotations

from windlass.records.event import ChampionChanged, ReleaseFinished

from .project import Up  # type: ignore[import-not-found]

HANGS = "        sys.argv[0].endswith('serving/worker.py') and rows['id'].max() % 3 == 0 and time.sleep(1e6)\n"


def test_it_is_withdrawn_for_what_it_did_not_answer(up: Up) -> None:
    source = up.source.read_text().replace("import time\n", "import sys\nimport time\n")
    up.source.write_text(source.replace("shadow=1_000_000, ", "shadow=0, canary=[0.5], bake='0s', "))
    up.start()
    assert up.wait_until(up.champion) == "v1"
    source = up.source.read_text().replace("C=1.0", "C=0.1")
    up.source.write_text(source.replace("        return rows.select(", f"{HANGS}        return rows.select("))
    trained = up.command("train")
    assert (trained.returncode, "v2" in trained.stdout) == (0, True), trained.stdout + trained.stderr
    answered: list[str] = []

    def withdrawn() -> bool:
        for count in range(1, 21):  # one row each, or the ids would be the same
            answers = up.predict(count)
            assert len(answers) == count
            answered.extend(answer["version"] for answer in answers)
        return any(body.version == "v2" for body in up.events(ReleaseFinished))

    up.wait_until(withdrawn)
    finished = up.events(ReleaseFinished)[-1]
    assert (finished.version, finished.outcome, finished.decision.verdict) == ("v2", "rolled_back", "roll_back")
    assert "It fails on" in finished.decision.reasons[0]
    assert [body.version for body in up.events(ChampionChanged)] == ["v1"]
