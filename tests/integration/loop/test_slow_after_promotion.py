"""A version many times as slow, served by real workers: promoted without a canary, it comes back by itself.

Three times as slow, and how soon it is back, is what `test_slowness.py` and `bench/ramps.py` play: here a busy machine
must not decide. Minutes go by as quickly as calls are answered, so the controller may look at many of them at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from windlass.clock import SharedClock
from windlass.records.event import ChampionChanged, ReleaseFinished

from .project import Up  # type: ignore[import-not-found]

CALLS = 20


def test_it_is_rolled_back_and_nobody_misses_an_answer(up: Up) -> None:
    clock = SharedClock.create(up.folder / "clock", datetime(2026, 3, 1, 12, tzinfo=UTC))
    up.more["WINDLASS_CLOCK"] = f"shared:{up.folder / 'clock'}"
    source = up.source.read_text().replace("shadow=1_000_000, ", "")
    answer = "        return rows.select("
    up.source.write_text(source.replace(answer, f"        time.sleep(0.002)\n{answer}"))

    def minute() -> str:
        """A minute of the clock, in which everybody is answered; by whom at its end."""
        answered = [up.predict(1)[0]["version"] for _ in range(CALLS)]
        clock.move_to(clock.now() + timedelta(minutes=1))
        return str(answered[-1])

    up.start()
    assert up.wait_until(up.champion) == "v1"
    for _ in range(20):  # many more than are needed to know how long it usually takes
        minute()
    up.source.write_text(up.source.read_text().replace("C=1.0", "C=0.1").replace("sleep(0.002)", "sleep(0.03)"))
    trained = up.command("train")
    assert (trained.returncode, "v2" in trained.stdout) == (0, True), trained.stdout + trained.stderr
    up.wait_until(lambda: up.champion() == "v2")
    up.wait_until(lambda: minute() == "v1", seconds=600)
    finished = up.events(ReleaseFinished)[-1]
    assert (finished.version, finished.outcome, finished.decision.verdict) == ("v2", "rolled_back", "roll_back")
    assert finished.decision.count("slow_stretches") >= 25  # what a single bad quarter of an hour must not do
    assert "nine in ten of its calls took" in finished.decision.reasons[0]
    assert [body.version for body in up.events(ChampionChanged)] == ["v1", "v2", "v1"]
