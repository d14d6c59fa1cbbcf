"""The champions that stand behind each other: who would answer if the present one were taken back."""

from __future__ import annotations

from windlass.records.state import ProductState


def succession(product: ProductState) -> list[str]:
    """Versions in the order they came, the champion last, without those that were taken back themselves.

    After v1, v2, v1 (v2 was rolled back), v3 it is v1, v3.
    """
    line: list[str] = []
    reigns = [past.version.version for past in product.previous_champions]
    if product.champion is not None:
        reigns.append(product.champion.version)
    for version in reigns:
        if version in line:
            del line[line.index(version) + 1 :]
        else:
            line.append(version)
    return line
