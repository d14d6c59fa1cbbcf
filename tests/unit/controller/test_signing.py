"""What happened is signed in time, and nothing stands still when it cannot be."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import msgspec
import pytest

from windlass.controller.context import LoopContext
from windlass.controller.controller import Controller
from windlass.controller.incidents import Incidents
from windlass.controller.signing import TITLE, Signing
from windlass.errors import LeaseLost, SigningError
from windlass.records.event import (
    ChampionChanged,
    ControllerStopped,
    IncidentClosed,
    IncidentOpened,
    KeyRotated,
    RunLogged,
)
from windlass.records.routing import Routing, Target
from windlass.release.routing import read_routing
from windlass.serving.versions.trust import Trust

from .conftest import PRODUCT, Desk  # type: ignore[import-not-found]


class Watch:
    """Real time that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch(desk: Desk) -> Watch:
    watch = desk.context.real_time = Watch()
    return watch


@pytest.fixture
def signing(desk: Desk, watch: Watch) -> Signing:
    return Signing(context=desk.context, incidents=Incidents(context=desk.context))


def signed_upto(desk: Desk) -> int:
    found = desk.context.notary.verify()
    assert found.ok, found.problems
    return int(found.signed_upto)


def log(desk: Desk, count: int) -> None:
    desk.write(*(RunLogged(run="run-1") for _ in range(count)))


def test_a_start_is_signed_at_once_and_then_every_five_minutes(desk: Desk, signing: Signing, watch: Watch) -> None:
    signing.step()
    first = signed_upto(desk)
    assert first == desk.ledger.head()
    log(desk, 3)
    watch.seconds += 299
    signing.step()
    assert signed_upto(desk) == first
    watch.seconds += 1
    signing.step()
    assert signed_upto(desk) == first + 3 == desk.ledger.head()


def test_a_thousand_events_do_not_wait(desk: Desk, signing: Signing) -> None:
    signing.step()
    first = signed_upto(desk)
    log(desk, 999)
    signing.step()
    assert signed_upto(desk) == first
    log(desk, 1)
    signing.step()
    assert signed_upto(desk) == first + 1000


def test_where_nothing_happens_nothing_is_signed(desk: Desk, signing: Signing, watch: Watch) -> None:
    for _ in range(3):
        signing.step()
        watch.seconds += 300
    assert desk.context.notary.verify().checkpoints == 1
    assert len(desk.ledger.events((KeyRotated,))) == 1


def test_a_missing_key_is_an_incident_until_it_is_back(desk: Desk, signing: Signing, watch: Watch) -> None:
    signing.step()
    (private,) = desk.paths.keys.glob("*.pem")
    private.rename(private.with_suffix(".away"))
    for _ in range(2):
        watch.seconds += 300
        log(desk, 1)
        signing.step()
    (incident,) = desk.context.product(PRODUCT).incidents.values()
    assert incident.opened.title == TITLE
    assert "rotate-key" in incident.opened.remedy
    assert str(private) in incident.opened.cause

    private.with_suffix(".away").rename(private)
    log(desk, 2000)  # a failure is not tried again at every look, however much has happened
    signing.step()
    assert desk.context.product(PRODUCT).incidents
    watch.seconds += 300
    signing.step()
    assert not desk.context.product(PRODUCT).incidents
    log(desk, 1)
    watch.seconds += 300
    signing.step()
    assert signed_upto(desk) == desk.ledger.head()


def test_signatures_that_cannot_be_read_are_an_incident(desk: Desk, signing: Signing, watch: Watch) -> None:
    signing.step()
    with sqlite3.connect(desk.paths.ledger) as database:
        database.execute("UPDATE checkpoints SET at = 'noon'")
    log(desk, 1)
    watch.seconds += 300
    signing.step()
    (incident,) = desk.context.product(PRODUCT).incidents.values()
    assert "checkpoint 1 cannot be read" in incident.opened.cause


def test_who_lost_the_lease_signs_nothing(desk: Desk, signing: Signing) -> None:
    assert desk.context.fence is not None
    desk.ledger.release(desk.context.fence)
    with pytest.raises(LeaseLost):
        signing.step()
    assert desk.ledger.key() is None


def test_the_last_thing_that_a_controller_says_is_signed(desk: Desk, watch: Watch) -> None:
    controller = Controller(context=desk.context, engine=desk.engine, entries={})
    controller.start()
    controller.tick()
    controller.stop("asked to")
    (stopped,) = desk.ledger.events((ControllerStopped,))
    assert signed_upto(desk) == desk.ledger.head() == stopped.sequence


def routed(desk: Desk) -> Routing:
    routing = read_routing(desk.paths.routing(PRODUCT))
    assert routing is not None
    return routing


def test_what_is_routed_is_signed_for_as_soon_as_there_is_a_key(desk: Desk, signing: Signing) -> None:
    desk.register("v1")
    desk.write(ChampionChanged(version="v1", digest="d-v1", previous=None, release=None, reason="first"))
    desk.context.route(PRODUCT)
    assert routed(desk).signature == ""
    Trust(desk.paths).check(routed(desk))
    signing.step()
    assert routed(desk).signature
    Trust(desk.paths).check(routed(desk))


def test_the_loop_goes_on_routing_after_the_file_of_its_key_is_gone(desk: Desk, signing: Signing) -> None:
    signing.step()
    desk.register("v1")
    crown(desk, "v1")
    (private,) = desk.paths.keys.glob("*.pem")
    private.unlink()
    crown(desk, "v2")
    Trust(desk.paths).check(routed(desk))
    assert routed(desk).champion == Target(version="v2", digest="d-v2")


def test_the_next_loop_that_has_no_key_leaves_the_record_that_workers_can_follow(desk: Desk, signing: Signing) -> None:
    signing.step()
    crown(desk, "v1")
    before = routed(desk)
    (private,) = desk.paths.keys.glob("*.pem")
    private.unlink()
    following = replace(desk.context)
    crown(desk, "v2", context=following)
    assert routed(desk) == before
    desk.paths.routing(PRODUCT).unlink()
    following.route(PRODUCT)
    with pytest.raises(SigningError, match="it is not signed"):
        Trust(desk.paths).check(routed(desk))


def test_a_public_key_that_was_removed_is_put_back_by_who_has_the_private_one(desk: Desk, signing: Signing) -> None:
    signing.step()
    (public,) = desk.paths.keys.glob("*.pub")
    content = public.read_bytes()
    public.unlink()
    crown(desk, "v1", context=replace(desk.context))
    assert public.read_bytes() == content
    Trust(desk.paths).check(routed(desk))


def crown(desk: Desk, version: str, *, context: LoopContext | None = None) -> None:
    desk.write(
        ChampionChanged(version=version, digest=f"d-{version}", previous=None, release=None, reason="it is the next")
    )
    (context or desk.context).route(PRODUCT)


def test_what_says_the_same_is_not_written_again(desk: Desk, signing: Signing) -> None:
    signing.step()
    crown(desk, "v1")
    path = desk.paths.routing(PRODUCT)
    written = path.stat().st_mtime_ns, path.stat().st_ino
    log(desk, 3)
    for context in (desk.context, replace(desk.context)):
        assert not context.route(PRODUCT)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == written


@pytest.mark.parametrize("signed", [True, False])
def test_a_record_that_somebody_else_changed_is_set_right_and_told(desk: Desk, signing: Signing, signed: bool) -> None:
    if signed:
        signing.step()
    for version in ("v1", "v2"):
        crown(desk, version)
    controller = Controller(context=desk.context, engine=desk.engine, entries={})
    controller.start()
    right = routed(desk)
    changed = msgspec.structs.replace(right, champion=Target(version="v1", digest="d-v1"))
    desk.paths.routing(PRODUCT).write_bytes(msgspec.json.encode(changed))
    controller.tick()
    assert routed(desk).says(right)
    told = [body for body in desk.bodies(IncidentOpened) if "changed by somebody else" in body.title]
    assert [str(desk.paths.routing(PRODUCT)) in body.cause for body in told] == [True]
    controller.tick()
    assert told[0].incident in [body.incident for body in desk.bodies(IncidentClosed)]
