"""What a version is watched against, in words."""

from __future__ import annotations

from windlass.records.state import ProductState, VersionState


def watched_against(product: ProductState, version: VersionState, *, watch_rows: int) -> str:
    """Where its reference comes from. `watch_rows`: how many answers make one, where there is none yet."""
    fixed = product.references.get(version.version)
    if fixed is not None:
        return f"its first {fixed.rows:,} answers"
    if version.run is None:
        return f"its first {watch_rows:,} answers, once it has given them"
    return "the rows it learned from"
