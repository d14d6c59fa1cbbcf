"""Can a version be loaded at all, in a process that nobody's answers depend on?"""

from __future__ import annotations

import msgspec

from windlass.records.paths import Paths


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one product."""

    paths: Paths
    product: str
    version: str
    digest: str


def load(request: LoadRequest) -> None:
    """Load it as a serving worker does; raises whatever keeps it from being loaded."""
    # Not where the request is made, which is in the process of the loop.
    from windlass.registry.registry import Registry
    from windlass.serving.versions.lineup import Loaded

    Loaded.of(request.version, request.digest, Registry(request.paths).open(request.product, request.digest))
