"""Which form of a version's model answers, in words."""

from __future__ import annotations

from windlass.records.bundle import Manifest
from windlass.records.state import ProductState, VersionState


def answers_with(product: ProductState, version: VersionState, manifest: Manifest) -> str:
    """The form, and why it is that one."""
    turned_down = product.forms_turned_down.get(version.version)
    if turned_down is not None:
        return f"the model itself: {turned_down}"
    return str(manifest.compiled or "the model itself")
