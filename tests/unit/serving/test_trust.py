"""Only what the holder of the lease signed for serves; what was tampered with leaves the version before in place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from windlass.errors import SigningError
from windlass.ledger.keys import Keys, SigningKey
from windlass.records.routing import Target
from windlass.serving.versions.trust import Trust


@pytest.fixture
def key(stage: Any) -> SigningKey:
    """The key of the workspace, trusted in it."""
    return Keys(stage.paths.keys).make()


def signed(key: SigningKey, version: str, *, product: str = "flights", digest: str = "") -> Target:
    target = Target(version=version, digest=digest or f"d-{version}")
    return msgspec.structs.replace(target, key=key.id, signature=key.sign(target.signed_text(product)))


def check(stage: Any, target: Target, product: str = "flights") -> None:
    Trust(stage.paths).check(product, target)


def test_a_signed_version_may_serve_and_an_unsigned_one_as_long_as_there_is_no_key(stage: Any) -> None:
    check(stage, Target(version="v1", digest="d"))
    check(stage, signed(Keys(stage.paths.keys).make(), "v1"))
    with pytest.raises(SigningError, match="version v1 is not signed"):
        check(stage, Target(version="v1", digest="d"))


def test_no_part_of_what_was_signed_can_be_exchanged(stage: Any, key: SigningKey) -> None:
    good = signed(key, "v1")
    for bad in (
        msgspec.structs.replace(good, digest="d-v2"),
        msgspec.structs.replace(good, version="v2"),
        msgspec.structs.replace(good, signature=f"{int(good.signature[0], 16) ^ 1:x}{good.signature[1:]}"),
        msgspec.structs.replace(good, signature="none"),
    ):
        with pytest.raises(SigningError, match="does not hold"):
            check(stage, bad)
    with pytest.raises(SigningError, match="does not hold"):
        check(stage, good, "other-product")


def test_a_key_that_is_not_trusted_here_signs_for_nothing(stage: Any, key: SigningKey) -> None:
    with pytest.raises(SigningError, match="not trusted here"):
        check(stage, signed(SigningKey.generate(), "v1"))


def test_a_replaced_key_goes_on_vouching_until_it_is_taken_away(stage: Any, key: SigningKey) -> None:
    keys = Keys(stage.paths.keys)
    keys.make()
    keys.forget(key.id)
    check(stage, signed(key, "v1"))
    (stage.paths.keys / f"{key.id}.pub").unlink()
    with pytest.raises(SigningError, match="not trusted here"):
        check(stage, signed(key, "v1"))


def test_a_version_that_nobody_signed_for_leaves_the_one_before_answering(flights: Any) -> None:
    Keys(flights.paths.keys).make()
    flights.add("v2")
    flights.route("v2")
    assert flights.predict().json()["predictions"][0]["version"] == "v1"
    assert "v2 is not signed" in flights.client.get("/readyz").json()["products"]["flights"]["problems"][0]
    assert "d-v2" not in flights.opened
    assert flights.metric('windlass_refused_version{product="flights",version="v2"}') == 1


def test_a_challenger_that_nobody_signed_for_takes_no_part(flights: Any, key: SigningKey) -> None:
    flights.add("v2")
    flights.route("v1", "v2", mode="canary", share=0.9, salt="s")
    answers = flights.predict(*[{**flights.row, "flight": f"f{place}"} for place in range(20)]).json()["predictions"]
    assert {answer["version"] for answer in answers} == {"v1"}
