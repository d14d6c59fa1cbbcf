from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import LeaseLost
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.records.routing import Routing, Target
from windlass.records.state import ProductState, ReleaseState, VersionState
from windlass.release.routing import publish_routing, read_routing, routing_for
from windlass.staging import Staging

FENCE = Fence(holder="test", token=1)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def version(name: str, digest: str | None = None) -> VersionState:
    return VersionState(version=name, digest=digest or f"digest of {name}", run=None, metrics={}, registered_at=NOW)


def target(name: str) -> Target:
    return Target(version=name, digest=f"digest of {name}")


def product(stage: str, *, challenger: VersionState | None = None) -> ProductState:
    """v1 answers and v2 is released; in probation v2 answers already."""
    other = challenger or version("v2")
    on_probation = stage == "probation"
    release = ReleaseState(
        release="release-7",
        version=other.version,
        previous="v1",
        stage=stage,  # type: ignore[arg-type]
        share=0.25 if stage == "canary" else 0.0,
        started_at=NOW,
        stage_started_at=NOW,
        plan={},
        run=None,
    )
    return ProductState(
        name="p",
        versions={"v1": version("v1"), other.version: other},
        champion=other if on_probation else version("v1"),
        release=release,
    )


def routing(sequence: int = 5, champion: str = "v1") -> Routing:
    return Routing(product="p", sequence=sequence, champion=target(champion))


def test_stages_become_modes() -> None:
    alone = Routing(product="p", sequence=3, champion=target("v1"))
    both = msgspec.structs.replace(alone, challenger=target("v2"), salt="release-7")
    assert routing_for(product("started"), sequence=3) == alone
    assert routing_for(product("shadow"), sequence=3) == msgspec.structs.replace(both, mode="shadow")
    assert routing_for(product("canary"), sequence=3) == msgspec.structs.replace(both, mode="canary", share=0.25)


def test_in_probation_the_champion_before_answers_in_shadow() -> None:
    """And it is known to have answered before: workers time it beside the new one, as they do no challenger."""
    found = routing_for(product("probation"), sequence=3)
    assert [routing_for(product(stage), sequence=3).control for stage in ("shadow", "canary", "probation")] == [
        False,
        False,
        True,
    ]
    assert (found.champion, found.challenger, found.mode) == (target("v2"), target("v1"), "shadow")
    assert found.share == 0


def test_the_same_bundle_under_another_name_is_no_challenger() -> None:
    twin = version("v2", digest="digest of v1")
    assert routing_for(product("canary", challenger=twin), sequence=3).challenger is None


def test_a_challenger_that_was_never_registered_is_not_routed() -> None:
    state = msgspec.structs.replace(product("shadow"), versions={"v1": version("v1")})
    assert routing_for(state, sequence=3) == Routing(product="p", sequence=3, champion=target("v1"))


def test_without_a_champion_nobody_is_routed() -> None:
    assert routing_for(ProductState(name="p"), sequence=1) == Routing(product="p", sequence=1, champion=None)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Of a workspace whose lease was taken by the holder of FENCE."""
    paths = Paths(tmp_path)
    Staging(paths.routings, FENCE).begin()
    return paths


def test_it_is_replaced_and_nothing_is_left_over(paths: Paths) -> None:
    publish_routing(routing(), paths, FENCE)
    publish_routing(routing(sequence=9, champion="v2"), paths, FENCE)
    assert read_routing(paths.routing("p")) == routing(sequence=9, champion="v2")
    assert {path.name for path in paths.routings.iterdir()} == {"p.json", ".staging"}
    assert list(Staging(paths.routings, FENCE).folder.iterdir()) == []


def test_when_it_was_said_and_who_signed_it_is_nothing_new() -> None:
    said = routing()
    assert said.says(routing(sequence=9))
    assert msgspec.structs.replace(said, key="k", signature="s").says(said)
    assert not said.says(routing(champion="v2"))
    assert not said.says(msgspec.structs.replace(said, share=0.5))


@given(
    st.one_of(st.binary(max_size=60), st.sampled_from([b"", b"{}", b"[]", b'{"product": "p"}', b"\xff\xfe", b"null"]))
)
def test_what_cannot_be_read_counts_as_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("routing") / "p.json"
    path.write_bytes(content)
    assert read_routing(path) is None


def test_a_reader_never_sees_half_of_it(paths: Paths) -> None:
    publish_routing(routing(sequence=0), paths, FENCE)
    stop = threading.Event()
    seen: list[Routing | None] = []

    def read() -> None:
        while not stop.is_set():
            seen.append(read_routing(paths.routing("p")))

    reader = threading.Thread(target=read)
    reader.start()
    for sequence in range(1, 150):
        publish_routing(routing(sequence=sequence, champion=f"v{sequence}" * (1 + sequence % 50)), paths, FENCE)
    while len(seen) < 2:
        threading.Event().wait(0.001)
    stop.set()
    reader.join()
    sequences = [found.sequence for found in seen if found is not None]
    assert len(sequences) == len(seen) > 1
    assert sequences == sorted(sequences)


def test_after_a_take_over_a_predecessor_routes_nobody(paths: Paths) -> None:
    publish_routing(routing(), paths, FENCE)
    successor = Fence(holder="other", token=2)
    Staging(paths.routings, successor).begin()
    Staging(paths.routings, successor).retire_predecessors()
    publish_routing(routing(sequence=9, champion="v2"), paths, successor)
    with pytest.raises(LeaseLost):
        publish_routing(routing(sequence=10, champion="v3"), paths, FENCE)
    assert read_routing(paths.routing("p")) == routing(sequence=9, champion="v2")


def test_a_record_on_its_way_when_the_lease_goes_does_not_arrive(paths: Paths) -> None:
    publish_routing(routing(), paths, FENCE)
    staging = Staging(paths.routings, FENCE)
    successor = Staging(paths.routings, Fence(holder="other", token=2))

    def write() -> None:
        with staging.writing(paths.routing("p")) as file:
            file.write(b"{}")
            successor.begin()
            successor.retire_predecessors()

    with pytest.raises(LeaseLost):
        write()
    assert read_routing(paths.routing("p")) == routing()
