"""What a version is watched against, in words."""

from __future__ import annotations

from windlass.records.state import ProductState, VersionState


def watched_against(product: ProductState, version: VersionState, *, watch_rows: int) -> str:
    """Where its reference comes from. `watch_rows`: how many answers make one, where there is none yet.

    Of a model that came without its rows nobody knows how good it was, so that decay cannot be seen.
    """
    fixed = product.references.get(version.version)
    if fixed is not None:
        return f"its first {fixed.rows:,} answers, for drift alone"
    if version.run is None:
        return f"its first {watch_rows:,} answers, for drift alone, once it has given them"
    return "the rows it learned from"
