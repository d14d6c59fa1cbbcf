"""Which versions keep their bundle."""

from __future__ import annotations

from collections.abc import Collection

from windlass.ledger.retention import needed_versions
from windlass.records.state import ProductState
from windlass.release.succession import succession


def kept_versions(product: ProductState, *, newest: int, answering: Collection[str]) -> frozenset[str]:
    """Those that the loop may need, that a rollback would bring back, the `newest`, and those whose answers are kept.

    `answering`: versions of whose answers somebody may still ask where they came from.
    """
    held = [name for name, version in product.versions.items() if not version.retired]
    last = held[-newest:] if newest else []
    return frozenset(held) & {*needed_versions(product), *succession(product)[-2:], *last, *answering}
