"""Only what the holder of the lease signed is followed; what was tampered with leaves what serves in place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from windlass.errors import SigningError
from windlass.ledger.keys import Keys, SigningKey
from windlass.records.routing import Routing, Target
from windlass.serving.versions.trust import Trust


@pytest.fixture
def key(stage: Any) -> SigningKey:
    """The key of the workspace, trusted in it."""
    return Keys(stage.paths.keys).make()


def target(version: str) -> Target:
    return Target(version=version, digest=f"d-{version}")


def unsigned(champion: str = "v1", challenger: str = "v2") -> Routing:
    names = {"champion": target(champion), "challenger": target(challenger)}
    return Routing(product="flights", sequence=7, mode="canary", share=0.1, salt="s", **names)


def signed(key: SigningKey, record: Routing | None = None) -> Routing:
    record = record or unsigned()
    return msgspec.structs.replace(record, key=key.id, signature=key.sign(record.signed_text()))


def routed(stage: Any, record: Routing) -> None:
    stage.paths.routing("flights").write_bytes(msgspec.json.encode(record))
    stage.watcher.refresh()


def problems(stage: Any) -> list[str]:
    return list(stage.client.get("/readyz").json()["products"]["flights"]["problems"])


def test_a_signed_record_is_followed_and_an_unsigned_one_as_long_as_there_is_no_key(stage: Any) -> None:
    Trust(stage.paths).check(unsigned())
    Trust(stage.paths).check(signed(Keys(stage.paths.keys).make()))
    with pytest.raises(SigningError, match="it is not signed"):
        Trust(stage.paths).check(unsigned())


def test_no_part_of_what_was_signed_can_be_exchanged(stage: Any, key: SigningKey) -> None:
    good = signed(key)
    Trust(stage.paths).check(good)
    changes: dict[str, Any] = {
        "product": "ships",
        "sequence": 8,
        "champion": target("v2"),
        "challenger": None,
        "mode": "shadow",
        "share": 1.0,
        "salt": "t",
        "control": True,
        "signature": f"{int(good.signature[0], 16) ^ 1:x}{good.signature[1:]}",
        "key": None,
    }
    assert changes.keys() == set(Routing.__struct_fields__)
    changes["key"] = SigningKey.generate().id
    for field, value in changes.items():
        with pytest.raises(SigningError, match=r"does not hold|not trusted here"):
            Trust(stage.paths).check(msgspec.structs.replace(good, **{field: value}))


def test_a_key_that_is_not_trusted_here_signs_for_nothing(stage: Any, key: SigningKey) -> None:
    with pytest.raises(SigningError, match="not trusted here"):
        Trust(stage.paths).check(signed(SigningKey.generate()))


def test_a_replaced_key_goes_on_vouching_until_it_is_taken_away(stage: Any, key: SigningKey) -> None:
    keys = Keys(stage.paths.keys)
    keys.make()
    keys.forget(key.id)
    Trust(stage.paths).check(signed(key))
    (stage.paths.keys / f"{key.id}.pub").unlink()
    with pytest.raises(SigningError, match="not trusted here"):
        Trust(stage.paths).check(signed(key))


def test_who_has_seen_a_key_follows_nothing_unsigned_once_all_of_them_are_gone(stage: Any, key: SigningKey) -> None:
    trust = Trust(stage.paths)
    trust.check(signed(key))
    (stage.paths.keys / f"{key.id}.pub").unlink()
    with pytest.raises(SigningError, match="it is not signed"):
        trust.check(unsigned())


def test_the_one_in_shadow_does_not_answer_because_somebody_exchanged_the_roles(flights: Any, key: SigningKey) -> None:
    flights.add("v2")
    record = msgspec.structs.replace(unsigned(), mode="shadow", share=0.0)
    routed(flights, signed(key, record))
    assert problems(flights) == []
    changed = msgspec.structs.replace(
        signed(key, record), champion=record.challenger, challenger=record.champion, sequence=10**9
    )
    routed(flights, changed)
    assert flights.predict().json()["predictions"][0]["version"] == "v1"
    (told,) = problems(flights)
    assert "the routing record is not followed: its signature does not hold" in told
    assert "v2" in {loaded.version for loaded in flights.board.of("flights").served}  # it goes on in its shadow
    routed(flights, signed(key, msgspec.structs.replace(record, sequence=8)))  # the loop has set it right
    assert problems(flights) == []


def test_a_version_that_nobody_signed_for_leaves_the_one_before_answering(flights: Any) -> None:
    Keys(flights.paths.keys).make()
    flights.add("v2")
    flights.route("v2")
    assert flights.predict().json()["predictions"][0]["version"] == "v1"
    assert "it is not signed" in problems(flights)[0]
    assert "d-v2" not in flights.opened


def test_a_worker_that_begins_beside_a_record_that_nobody_signed_says_so_and_takes_the_right_one(
    stage: Any, key: SigningKey
) -> None:
    stage.add("v1")
    stage.route("v1", sequence=10**9)
    assert stage.client.get("/readyz").status_code == 503
    assert "it is not signed" in problems(stage)[0]
    routed(stage, signed(key, Routing(product="flights", sequence=3, champion=target("v1"))))
    assert stage.predict().json()["predictions"][0]["version"] == "v1"
