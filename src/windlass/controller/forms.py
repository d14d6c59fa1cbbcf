"""When a compiled form of a model that came as a file can be compared with it."""

from __future__ import annotations

import polars as pl

from windlass.controller.context import LoopContext
from windlass.controller.declarations import Declarations
from windlass.records.bundle import PARITY_ROWS
from windlass.records.routing import ANSWERED


class Forms:
    """Has a product read again once its champion has answered as many rows as a comparison takes.

    Whoever reads it compares, since that takes the user's model. It is asked once for each champion: what came of it
    stands in the ledger, and every controller has the products read when it begins.
    """

    def __init__(self, *, context: LoopContext, declarations: Declarations) -> None:
        self._context = context
        self._declarations = declarations
        self._settled: set[str] = set()
        """Digests of champions that wait for no rows, or for which it was asked."""
        self._pace = context.pace()

    def step(self, name: str) -> None:
        product = self._context.product(name)
        champion = product.champion
        if champion is None or champion.digest in self._settled or self._declarations.awaits(name):
            return
        if champion.run is not None or champion.version in product.forms_turned_down:
            self._settled.add(champion.digest)
        elif self._pace.due(name):
            with self._pace.spend(name):
                self._look(name, champion.version, champion.digest)

    def _look(self, name: str, version: str, digest: str) -> None:
        compiled = self._context.registry.manifest(name, digest).compiled
        if compiled is not None and not compiled.awaits_rows:
            self._settled.add(digest)
            return
        light = self._context.lake.predictions(name, versions=[version], stages=ANSWERED, columns=["error"])
        if light.filter(pl.col("error").is_null()).height >= PARITY_ROWS:
            self._settled.add(digest)
            self._declarations.again(name)
