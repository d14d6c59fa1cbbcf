"""A model that came without the rows it learned from is watched against its first answers."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windlass.controller import captured
from windlass.controller import eyes as eyes_module
from windlass.controller import watching as watching_module
from windlass.controller.incidents import Incidents
from windlass.controller.watching import Watching
from windlass.errors import LeaseLost, RegistryError
from windlass.monitoring import reference as references
from windlass.records.event import AlarmCleared, AlarmRaised, ChampionChanged, IncidentOpened, ReferenceFixed

from .conftest import PRODUCT, Desk  # type: ignore[import-not-found]


def watching(desk: Desk) -> Watching:
    """As in a controller that has just started."""
    context = desk.new_context()
    return Watching(context=context, incidents=Incidents(context=context))


def crown(desk: Desk, name: str) -> None:
    """A version without a reference answers from now on."""
    digest = desk.register(name, reference=False)
    desk.write(ChampionChanged(version=name, digest=digest, previous=None, release=None, reason="test"))


def hour(desk: Desk, eyes: Watching, count: int, *, shift: float = 0.0, **keywords: object) -> None:
    """Answers and a look."""
    desk.wait(minutes=40)
    desk.answer(count, shift=shift, **keywords)
    desk.commit(eyes)
    eyes.judge(PRODUCT)


def fixed(desk: Desk) -> ReferenceFixed:
    (body,) = desk.bodies(ReferenceFixed)
    assert isinstance(body, ReferenceFixed)
    return body


def story(desk: Desk) -> list[tuple[object, ...]]:
    """Everything that watching wrote down, but for names that are different each time."""
    kinds = ReferenceFixed, AlarmRaised, AlarmCleared, IncidentOpened
    told = []
    for event in desk.ledger.events(kinds):
        body = msgspec.to_builtins(event.body)
        told.append((event.at, *sorted((name, str(value)) for name, value in body.items() if name not in NAMES)))
    return told


NAMES = ("alarm", "incident")


def test_until_there_are_enough_of_them_nothing_is_judged(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    hour(desk, eyes, 60)
    hour(desk, eyes, 30, error="it raised")  # these do not count
    hour(desk, eyes, 39, stage="shadow")  # nor do these
    assert (eyes.signals(PRODUCT).drift, desk.bodies(ReferenceFixed)) == (None, [])
    hour(desk, eyes, 40)
    assert (fixed(desk).version, fixed(desk).rows) == ("v1", 100)
    assert eyes.signals(PRODUCT).drift.verdict == "wait"  # the reference is not judged by itself
    assert eyes.signals(PRODUCT).decay.verdict == "wait"  # nobody knows how good it was


def test_drift_from_them_is_an_alarm_with_its_incident(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    for _ in range(3):
        hour(desk, eyes, 100)
    assert eyes.signals(PRODUCT).drift.verdict == "quiet"
    hour(desk, eyes, 100, shift=3.0)
    (raised,) = desk.bodies(AlarmRaised)
    assert (raised.signal, raised.version) == ("drift", "v1")
    assert raised.decision.numbers["reference_rows"] == 100
    (opened,) = desk.bodies(IncidentOpened)
    assert "wind" in opened.cause
    for cleared in (0, 0, 1):  # it took one window to raise, and stands for two more
        hour(desk, eyes, 100)
        assert len(desk.bodies(AlarmCleared)) == cleared


def test_windows_begin_with_the_answer_after_them(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    hour(desk, eyes, 100)
    for again in (eyes, watching(desk)):
        again.judge(PRODUCT)
        assert again.signals(PRODUCT).drift.numbers == {"rows": 0, "window": 100}
    hour(desk, eyes, 99)
    for again in (eyes, watching(desk)):
        again.judge(PRODUCT)
        assert again.signals(PRODUCT).drift.numbers == {"rows": 99, "window": 100}
    hour(desk, eyes, 1)
    for again in (eyes, watching(desk)):
        again.judge(PRODUCT)
        assert again.signals(PRODUCT).drift.numbers["rows"] == 100


def test_they_are_the_first_however_many_came_at_once(desk: Desk) -> None:
    """A controller that was away while answers came judges what came after the first hundred."""
    crown(desk, "v1")
    desk.wait(minutes=5)
    desk.answer(100)
    desk.answer(100, shift=3.0)
    eyes = watching(desk)
    desk.commit(eyes)
    eyes.judge(PRODUCT)
    assert [body.signal for body in desk.bodies(AlarmRaised)] == ["drift"]


def test_once_fixed_nothing_changes_the_reference(desk: Desk) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    hour(desk, eyes, 100)
    content = desk.paths.reference(PRODUCT, fixed(desk).digest).read_bytes()
    desk.settings = msgspec.structs.replace(desk.settings, watch_rows=40)
    again = watching(desk)
    hour(desk, again, 40)
    assert desk.bodies(AlarmRaised) == []
    assert again.signals(PRODUCT).drift.numbers["reference_rows"] == 100
    crown(desk, "v2")
    again.judge(PRODUCT)
    digest = desk.state.versions["v1"].digest
    desk.write(ChampionChanged(version="v1", digest=digest, previous="v2", release=None, reason="back"))
    again.judge(PRODUCT)
    assert desk.paths.reference(PRODUCT, fixed(desk).digest).read_bytes() == content


def test_a_reference_that_was_lost_is_made_again_from_the_same_answers(desk: Desk) -> None:
    crown(desk, "v1")
    hour(desk, watching(desk), 130)
    path = desk.paths.reference(PRODUCT, fixed(desk).digest)
    before = path.read_bytes()
    for harm in (path.unlink, lambda: path.write_bytes(before[:-1])):
        harm()
        watching(desk).judge(PRODUCT)
        assert path.read_bytes() == before
    assert references.decode(before).features.rows == 100


def test_who_was_succeeded_fixes_nothing(desk: Desk) -> None:
    crown(desk, "v1")
    desk.answer(100)
    desk.commit()
    late = watching(desk)
    desk.ledger.release(desk.context.held())
    desk.new_context()  # another controller takes over
    with pytest.raises(LeaseLost):
        late.judge(PRODUCT)
    assert desk.bodies(ReferenceFixed) == []
    assert not list(desk.paths.artifacts.rglob("references/*"))


def test_one_that_cannot_be_made_again_is_told(desk: Desk) -> None:
    crown(desk, "v1")
    hour(desk, watching(desk), 100)
    path = desk.paths.reference(PRODUCT, fixed(desk).digest)
    path.unlink()
    desk.write(msgspec.structs.replace(fixed(desk), version="v2"))
    crown(desk, "v2")  # whose answers are others
    desk.answer(100, version="v2")
    desk.commit()
    with pytest.raises(RegistryError, match="v2 is watched against is lost") as told:
        watching(desk).judge(PRODUCT)
    assert told.value.remedy


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    hours=st.lists(
        st.tuples(st.integers(1, 130), st.booleans(), st.sampled_from([0.0, 0.0, 0.0, 3.0])), min_size=4, max_size=9
    ),
    restarts=st.sets(st.integers(0, 8), min_size=1),
)
def test_restarts_change_neither_the_reference_nor_any_alarm(
    tmp_path_factory: pytest.TempPathFactory, hours: list[tuple[int, bool, float]], restarts: set[int]
) -> None:
    """The same world twice: once under one controller, once under many, one after the other."""
    stories = []
    for breaks in (set[int](), restarts):
        desk = Desk(tmp_path_factory.mktemp("workspace") / "w")
        desk.declare()
        crown(desk, "v1")
        eyes = watching(desk)
        eyes.judge(PRODUCT)
        for number, (count, right, shift) in enumerate(hours):
            desk.wait(minutes=40)
            desk.observe(desk.answer(count, shift=shift), right)
            desk.commit(eyes)
            if number in breaks:
                eyes = watching(desk)
            eyes.judge(PRODUCT)
        found = eyes.signals(PRODUCT)
        told = [(each.verdict, each.reasons, each.numbers) for each in (found.drift, found.decay) if each is not None]
        stories.append((story(desk), told))
        desk.close()
    assert stories[0] == stories[1]


def test_a_restart_goes_on_from_the_windows_that_are_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are the most of what was captured; those of windows that were judged are not read again."""
    crown(desk, "v1")
    eyes = watching(desk)
    for shift in (0.0, 0.0, 0.3, 0.3, 0.3):
        hour(desk, eyes, 110, shift=shift)
    before, kept = eyes.signals(PRODUCT).drift, desk.lake.windows(PRODUCT).of("v1")
    assert kept["rows"].to_list() == [100] * 4
    assert kept["upto"].to_list() == [100, 200, 300, 400]
    read: list[int] = []
    whole = captured.watched_features
    monkeypatch.setattr(eyes_module, "watched_features", lambda rows, to: read.append(rows.height) or whole(rows, to))
    again = watching(desk)
    again.judge(PRODUCT)
    assert sum(read) == 50  # of the 550 answers 100 are the reference, 400 were judged
    assert again.signals(PRODUCT).drift.numbers == before.numbers
    assert desk.lake.windows(PRODUCT).of("v1").equals(kept)


def test_windows_that_a_crash_left_out_are_judged_again_to_the_same_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    crown(desk, "v1")
    eyes = watching(desk)
    hour(desk, eyes, 210)
    with monkeypatch.context() as patch:
        patch.setattr(watching_module, "keep_windows", lambda table, seen: None)
        for _ in range(2):
            hour(desk, eyes, 100, shift=0.4)
    assert desk.lake.windows(PRODUCT).of("v1").height == 1
    again = watching(desk)
    again.judge(PRODUCT)
    assert again.signals(PRODUCT).drift.numbers == eyes.signals(PRODUCT).drift.numbers
    assert desk.lake.windows(PRODUCT).of("v1").height == 3
