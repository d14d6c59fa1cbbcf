"""From the ledger's state to the one record that serving workers read."""

from __future__ import annotations

from pathlib import Path

import msgspec

from windlass.records.experiment import ExperimentState
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.records.routing import Routing, Target
from windlass.records.state import ProductState, VersionState
from windlass.staging import Staging


def routing_for(product: ProductState, *, sequence: int) -> Routing:
    """Who answers, according to the ledger as of `sequence`.

    In probation the previous champion answers in shadow, so that both can be scored on the same rows.
    """
    champion = _target(product.champion)
    release, test = product.release, product.experiment
    if champion is not None and test is not None:
        return _tested(product, test, champion, sequence=sequence)
    if champion is None or release is None:
        return Routing(product=product.name, sequence=sequence, champion=champion)
    other = release.previous if release.stage == "probation" else release.version
    challenger = _target(product.versions.get(other)) if other is not None else None
    if challenger is None or challenger.digest == champion.digest or release.stage == "started":
        return Routing(product=product.name, sequence=sequence, champion=champion)
    canary = release.stage == "canary"
    return Routing(
        product=product.name,
        sequence=sequence,
        champion=champion,
        challenger=challenger,
        mode="canary" if canary else "shadow",
        share=release.share if canary else 0.0,
        salt=release.release,
        control=release.stage == "probation",
    )


def _tested(product: ProductState, test: ExperimentState, champion: Target, *, sequence: int) -> Routing:
    """The second version of an A/B test answers its part of the keys as a canary does."""
    other = _target(product.versions.get(test.plan.b))
    return Routing(
        product=product.name,
        sequence=sequence,
        champion=champion,
        challenger=other,
        mode="none" if other is None else "canary",
        share=0.0 if other is None else test.plan.split,
        salt=test.experiment,
    )


def publish_routing(routing: Routing, paths: Paths, fence: Fence) -> None:
    """Replace the record. Raises LeaseLost when another has taken over."""
    with Staging(paths.routings, fence).writing(paths.routing(routing.product)) as file:
        file.write(msgspec.json.format(msgspec.json.encode(routing), indent=2))


def read_routing(path: Path) -> Routing | None:
    """The record as it stands; None if there is none, or none that can be read: it is a copy and is written anew."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Routing)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _target(version: VersionState | None) -> Target | None:
    return None if version is None else Target(version=version.version, digest=version.digest)
